"""LEARN: examples from a snapshot, a short loop, checkpoints that survive a kill."""
