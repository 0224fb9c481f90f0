"""MEASURE: honest protocols, full rankings, and reports people can read."""
