"""SCORE: the parts of the blend, their weights, and lists for one shopper or for many at once."""
