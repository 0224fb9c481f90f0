"""ANSWER: bundles, the catalogue as it is now, and lists with reasons from them. Loads no torch."""
