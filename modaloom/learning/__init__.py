"""ASSEMBLE: from a shop's past to a ready recommender; the only room that knows every other."""

from modaloom.learning.bundle_writer import model_card, train_bundle
from modaloom.learning.learner import PRIOR_WEIGHTS, Memory, Modaloom, model_factories, validation_splits
from modaloom.learning.options import SIZES, LearnOptions, LoopOptions, load_options
from modaloom.learning.tuning import Tuned, TuningPlan, tune

__all__ = [
    "PRIOR_WEIGHTS",
    "SIZES",
    "LearnOptions",
    "LoopOptions",
    "Memory",
    "Modaloom",
    "Tuned",
    "TuningPlan",
    "load_options",
    "model_card",
    "model_factories",
    "train_bundle",
    "tune",
    "validation_splits",
]
