"""Modaloom: pictures, words and behaviour, woven into one shopping guide for clothing."""

__version__ = "0.1.0"
