"""TELL: a trend board as tables, charts and a weekly report, in Chinese and English."""
