"""FUSE: models that rank. Shapes: b batch, n items, m modalities, t history length, q queries, d dim, h heads.

Importing this room loads nothing; ``baselines`` and ``linear`` need no torch.
"""
