"""Where tuning looks: the options that it may change, and between which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from modaloom.learning.options import SIZES, LearnOptions
from modaloom.models.attention import SCORE_FUNCTIONS
from modaloom.models.fusion import FUSION_KINDS
from modaloom.models.sequence import SEQUENCE_KINDS
from modaloom.training.loop import LoopConfig

if TYPE_CHECKING:
    from optuna.trial import Trial

RANGES: dict[str, tuple[float, float, bool]] = {  # least, greatest, and whether steps are factors
    "epochs": (3, 30, True),
    "learning_rate": (1e-3, 3e-2, True),
    "modality_dropout": (0.0, 0.5, False),
    "half_life_days": (30.0, 720.0, True),
    "popularity_correction": (0.0, 1.0, False),
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "history_length": (10, 20, 40),
    "negatives": (256, 512, 1024),
    "batch_size": (128, 256, 512),
    "size": tuple(SIZES),
    "fusion": FUSION_KINDS,
    "attention": SCORE_FUNCTIONS,
    "sequence": SEQUENCE_KINDS,
}
WITH_ATTENTION = ("attention", "cross_attention", "transformer")
"""Kinds of fusion to which the score function makes a difference."""
WORTH_TRYING: tuple[dict[str, Any], ...] = ({"learning_rate": 3e-3},)
"""Looked at right after the options that one begins with."""


def plain_values(options: LearnOptions) -> dict[str, Any]:
    """Value of everything that may be searched, by name."""
    loop = options.fusion_config().loop
    return {name: getattr(loop if hasattr(LoopConfig, name) else options, name) for name in (*RANGES, *CHOICES)}


def suggested(trial: Trial, base: LearnOptions, fixed: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Values that differ from the start, of everything that is not fixed; the start is always among the choices."""
    start, fusion = plain_values(base), base.fusion
    for name, (low, high, factors) in RANGES.items():
        if name not in fixed:
            ends = min(low, start[name]), max(high, start[name])
            if name == "epochs":
                value: Any = trial.suggest_int(name, int(ends[0]), int(ends[1]), log=factors)
            else:
                value = trial.suggest_float(name, *ends, log=factors)
            if value != start[name]:
                yield name, value
    for name, choices in CHOICES.items():
        if name not in fixed and (name != "attention" or fusion in WITH_ATTENTION):
            value = trial.suggest_categorical(name, tuple(dict.fromkeys((*choices, start[name]))))
            fusion = value if name == "fusion" else fusion
            if value != start[name]:
                yield name, value


def differences(options: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as one began with, by name."""
    loop = {name: value for name, value in options.get("loop", {}).items() if base["loop"].get(name) != value}
    return {name: value for name, value in options.items() if name != "loop" and base[name] != value} | loop
