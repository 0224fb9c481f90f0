"""FORECAST: many series at once, with intervals and a back-test. Shapes: s series, t steps of history, h horizon.

Importing this room loads nothing; torch is asked for by ``attention`` alone, when it learns.
"""
