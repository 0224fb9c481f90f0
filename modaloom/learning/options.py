"""What may be chosen before learning starts: by hand, from a file, or by tuning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from modaloom.errors import TrainingError
from modaloom.models.attention import SCORE_FUNCTIONS
from modaloom.models.fusion import FUSION_KINDS
from modaloom.models.sequence import SEQUENCE_KINDS
from modaloom.training.fitting import FusionConfig
from modaloom.training.loop import LoopConfig
from modaloom.types import MODALITIES

SIZES = {"small": 32, "base": 64, "large": 128}
"""The one dial for size: width of every token."""
RANGES: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-6, 1.0),
    "weight_decay": (0.0, 1.0),
    "batch_size": (1, 65_536),
    "negatives": (1, 65_536),
    "popularity_correction": (0.0, 1.0),
    "history_length": (1, 1_000),
    "half_life_days": (1.0, 100_000.0),
    "modality_dropout": (0.0, 0.9),
    "alignment_weight": (0.0, 10.0),
    "averaging": (0.0, 0.9999),
    "patience": (0, 1_000),
}
"""Least and greatest value of everything in :class:`LoopOptions`."""
MOST_EPOCHS = 1_000


@dataclass(frozen=True)
class LoopOptions:
    """How to learn, where it differs from :class:`~modaloom.training.loop.LoopConfig`; None is its default."""

    learning_rate: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    negatives: int | None = None
    popularity_correction: float | None = None
    history_length: int | None = None
    half_life_days: float | None = None
    modality_dropout: float | None = None
    alignment_weight: float | None = None
    averaging: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.chosen().items():
            low, high = RANGES[name]
            if not low <= value <= high:  # also refuses what is no number
                raise TrainingError(f"{name} is {value}", hint=f"Choose from {low:g} to {high:g}")

    def chosen(self) -> dict[str, Any]:
        """What differs, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class LearnOptions:
    """What ``modaloom train`` lets you choose."""

    size: str = "base"
    fusion: str = "attention"
    attention: str = "scaled_dot"
    sequence: str = "kernel"
    modalities: tuple[str, ...] = ("image", "text", "attributes", "behaviour")
    epochs: int = LoopConfig.epochs
    seed: int = 0
    loop: LoopOptions = field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        for what, chosen, known in (
            ("size", (self.size,), tuple(SIZES)),
            ("fusion", (self.fusion,), FUSION_KINDS),
            ("attention", (self.attention,), SCORE_FUNCTIONS),
            ("sequence", (self.sequence,), SEQUENCE_KINDS),
            ("modalities", self.modalities, MODALITIES),
        ):
            unknown = [name for name in chosen if name not in known]
            if unknown or not chosen:
                raise TrainingError(f"unknown {what} {', '.join(unknown)!r}", hint=f"Choose from {', '.join(known)}")
        if not 1 <= self.epochs <= MOST_EPOCHS:
            raise TrainingError(f"epochs is {self.epochs}", hint=f"Choose from 1 to {MOST_EPOCHS}")

    def fusion_config(self) -> FusionConfig:
        """The same for the learner."""
        return FusionConfig(
            modalities=self.modalities,
            dim=SIZES[self.size],
            fusion=self.fusion,
            attention=self.attention,
            sequence=self.sequence,
            loop=LoopConfig(epochs=self.epochs, seed=self.seed, **self.loop.chosen()),
        )

    def with_values(self, values: Mapping[str, object]) -> LearnOptions:
        """The same but for some values, those of :class:`LoopOptions` among them.

        Raises:
            TrainingError: a name is unknown, or a value is of the wrong kind or out of range.
        """
        own, inner = dict(values), dict(_mapping(values.get("loop", {}), "loop"))
        own.pop("loop", None)
        inner |= {name: own.pop(name) for name in list(own) if name in RANGES}
        _refuse_unknown(own, [one.name for one in fields(self)] + list(RANGES))
        _refuse_unknown(inner, list(RANGES))
        raw = asdict(self) | own | {"loop": asdict(self.loop) | inner}
        try:
            return TypeAdapter(LearnOptions).validate_python(raw)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise TrainingError(f"options of the wrong kind: {faults}") from error

    def to_dict(self) -> dict[str, Any]:
        """What ``config.json`` holds, and :func:`load_options` reads."""
        return asdict(self) | {"modalities": list(self.modalities), "loop": self.loop.chosen()}


def load_options(file: Path) -> LearnOptions:
    """Options from JSON: a bundle's ``config.json``, or an object of the options' own names.

    Raises:
        TrainingError: the file cannot be read, or says what no option is called or may be.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        content = _mapping(content, "the file")
        return LearnOptions().with_values(_mapping(content.get("options", content), "options"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else f"not valid JSON: {error}"
        raise TrainingError(str(why), where=file, hint="Give --options a bundle's config.json") from error
    except TrainingError as error:
        raise TrainingError(error.what, where=file, hint=error.hint) from error


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TrainingError(f"{what} must be an object of names and values, not {value!r:.60}")
    return value


def _refuse_unknown(values: Iterable[str], known: list[str]) -> None:
    unknown = [name for name in values if name not in known]
    if unknown:
        near = [match for name in unknown for match in get_close_matches(name, known, n=1)]
        hint = f"Did you mean {', '.join(near)}?" if near else f"Choose from {', '.join(known)}"
        raise TrainingError(f"unknown option {', '.join(map(repr, unknown))}", hint=hint)
