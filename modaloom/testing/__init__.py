"""PROVE: conformance suites for whoever plugs something in, and small worlds with known answers.

A five-line subclass tests a new encoder, fusion or model. Importing this room needs neither pytest nor torch.
"""

from modaloom.testing.suites import EncoderSuite, FusionSuite, ScorerSuite
from modaloom.testing.worlds import checkerboard_world, taste_world

__all__ = ["EncoderSuite", "FusionSuite", "ScorerSuite", "checkerboard_world", "taste_world"]
