"""ASSEMBLE: from a shop's past to a ready recommender; the only room that knows every other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from modaloom.data.splits import Split, earlier_splits, held_out_split
from modaloom.errors import EvaluationError, TrainingError
from modaloom.evaluation.protocol import Factory
from modaloom.models.baselines import BASELINES
from modaloom.models.linear import MAX_DENSE_ROWS
from modaloom.numerics import Whitening
from modaloom.recommend.blend import choose_weights, prepare_exam
from modaloom.recommend.demand import Demand, Features
from modaloom.recommend.parts import ContentKernel, Linear, Part, Repurchase, Variants
from modaloom.recommend.ranker import FUSION, Ranker
from modaloom.training.fitting import FittedFusion, FusionConfig, fit_fusion, whiten
from modaloom.training.loop import AfterEpoch, LoopConfig, Resume
from modaloom.types import FloatArray, Histories, Snapshot, Tokens

SIZES = {"small": 32, "base": 64, "large": 128}
"""The one dial for size: width of every token."""
VALIDATION_WINDOWS = 4
MAX_WINDOW_DAYS = 28
VALIDATION_USERS = 1_000
"""Shoppers per validation window that the blend is chosen on."""
PRIOR_WEIGHTS = {
    "demand": 1.0, FUSION: 0.4, "text": 0.3, "attributes": 0.3, "image": 0.2,
    "linear": 0.1, "variants": 0.1, "repurchase": 0.05,
}  # fmt: skip
"""Where the search for the blend begins."""
Tell = Callable[[str], None]


def _silent(message: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class LearnOptions:
    """What ``modaloom train`` lets you choose."""

    size: str = "base"
    fusion: str = "attention"
    attention: str = "scaled_dot"
    sequence: str = "kernel"
    modalities: tuple[str, ...] = ("image", "text", "attributes", "behaviour")
    epochs: int = 6
    seed: int = 0

    def fusion_config(self) -> FusionConfig:
        """The same for the learner."""
        if self.size not in SIZES:
            raise TrainingError(f"unknown size {self.size!r}", hint=f"Choose {', '.join(SIZES)}")
        return FusionConfig(
            modalities=self.modalities,
            dim=SIZES[self.size],
            fusion=self.fusion,
            attention=self.attention,
            sequence=self.sequence,
            loop=LoopConfig(epochs=self.epochs, seed=self.seed),
        )


@dataclass
class Memory:
    """What fitting several cuts of one log may share: none of it depends on anything later than its own cut."""

    whitenings: dict[tuple[str, str, int], tuple[Whitening, Tokens]] = field(default_factory=dict)
    demand: dict[tuple[int, int, int], Features] = field(default_factory=dict)

    def whitened(self, tokens: Mapping[str, Tokens], dim: int) -> dict[str, Tokens]:
        """Content tokens after whitening; the map depends on the catalogue's content alone."""
        made = {}
        for name, raw in tokens.items():
            key = (name, raw.encoder_id, dim)
            if key not in self.whitenings:
                whitening = Whitening.fit(raw.vectors, raw.mask, dim)
                self.whitenings[key] = (whitening, whiten(raw, whitening))
            made[name] = self.whitenings[key][1]
        return made


class Modaloom:
    """The whole learner as one :class:`~modaloom.types.Scorer`: fusion, parts and blend, tuned on the past alone."""

    name = "modaloom"
    seeded = True

    def __init__(
        self,
        options: LearnOptions | None = None,
        *,
        memory: Memory | None = None,
        tell: Tell = _silent,
        after_epoch: AfterEpoch | None = None,
        resume: Resume | None = None,
    ):
        self.options = options or LearnOptions()
        self.memory = memory or Memory()
        self._tell = tell
        self._after_epoch = after_epoch
        self._resume = resume
        self.fusion: FittedFusion | None = None
        self.ranker: Ranker | None = None
        self.validation: dict[str, float] = {}

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns the fusion before the validation windows, chooses the blend on them, then reads the newest past.

        Raises:
            TrainingError: there is nothing to learn from.
        """
        config = self.options.fusion_config()
        content = {name: made for name, made in snapshot.tokens.items() if name in config.modalities}
        snapshot = replace(snapshot, tokens=self.memory.whitened(content, config.dim))
        validation = validation_splits(snapshot, seed=self.options.seed)
        self._tell(f"learning {config.fusion} fusion over {', '.join(config.modalities)}")
        self.fusion = fit_fusion(
            validation[0].snapshot if validation else snapshot,
            config,
            validation=validation,
            after_epoch=self._after_epoch,
            resume=self._resume,
        )
        self._tell("choosing the blend on validation")
        weights = self._choose(validation) if validation else dict(PRIOR_WEIGHTS)
        parts = tuple(part.fit(snapshot) for part in self._parts(snapshot) if part.name in weights)
        table = self.fusion.table(snapshot) if FUSION in weights else None
        known = {part.name for part in parts} | ({FUSION} if table else set())
        self.ranker = Ranker(
            {name: weights[name] for name in weights if name in known}, parts, table, self.fusion.tower
        )
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        assert self.ranker is not None, "fit() comes first"
        return self.ranker.score(histories)

    def _parts(self, snapshot: Snapshot) -> list[Part]:
        parts: list[Part] = [Demand(seen=self.memory.demand)]
        if not snapshot.exclude_seen:
            parts.append(Repurchase())
        if snapshot.items["group_id"].null_count() < snapshot.n_items:
            parts.append(Variants())
        if "behaviour" in self.options.modalities and min(snapshot.n_items, snapshot.n_users) <= MAX_DENSE_ROWS:
            parts.append(Linear())
        return parts + [ContentKernel(modality) for modality in snapshot.tokens]

    def _choose(self, validation: Sequence[Split]) -> dict[str, float]:
        assert self.fusion is not None
        exams = []
        for full in validation:
            split = full.take(VALIDATION_USERS)
            histories = split.snapshot.histories(split.user_nums)
            scores = {part.name: part.fit(split.snapshot).score(histories) for part in self._parts(split.snapshot)}
            fused = Ranker({FUSION: 1.0}, (), self.fusion.table(split.snapshot), self.fusion.tower)
            scores[FUSION] = fused.raw(histories)[FUSION]
            exams.append(prepare_exam(scores, split.snapshot.may_be_shown(histories), split.truth))
        return choose_weights(exams, PRIOR_WEIGHTS)


def model_factories(names: Sequence[str], options: LearnOptions) -> dict[str, Factory]:
    """Factories by name for ``evaluate``: ours, the baselines, or ``all`` of them.

    Raises:
        EvaluationError: a name is unknown.
    """
    memory = Memory()
    known: dict[str, Factory] = {
        Modaloom.name: lambda seed: Modaloom(replace(options, seed=seed), memory=memory),
        **BASELINES,
    }
    wanted = list(known) if tuple(names) == ("all",) else list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise EvaluationError(f"unknown model {', '.join(unknown)!r}", hint=f"Choose from {', '.join(known)}, or all")
    return {name: known[name] for name in wanted}


def validation_splits(snapshot: Snapshot, *, seed: int = 0) -> list[Split]:
    """Questions from the snapshot's own past: windows of time, or hidden targets where the log has no times."""
    times = snapshot.interactions["timestamp"]
    if not times.len():
        return []
    first, last = int(times.to_numpy().min()), int(times.to_numpy().max())
    if last == 0:
        split = held_out_split(snapshot, seed=seed)
        return [split] if len(split.user_nums) else []
    days = max((last - first) // 86_400, 1)
    window_days = int(min(MAX_WINDOW_DAYS, max(days // 10, 1)))
    return earlier_splits(snapshot, windows=VALIDATION_WINDOWS, window_days=window_days)
