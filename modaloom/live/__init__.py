"""The shop as it is now: a bundle that answers, kept up to date with what the store says."""
