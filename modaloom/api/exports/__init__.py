"""Files of the trend board: tables for spreadsheets, charts for slides."""
