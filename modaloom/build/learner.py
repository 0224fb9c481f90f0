"""The whole learner: fusion, closed-form parts and their blend, chosen on the shop's own past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.build.options import LearnOptions
from modaloom.data.doubles import borrow_words
from modaloom.data.splits import Split, earlier_splits, held_out_split, leave_last_out
from modaloom.errors import EvaluationError
from modaloom.evaluation.protocol import Factory
from modaloom.heap import give_back
from modaloom.models.baselines import BASELINES
from modaloom.numerics import Whitening
from modaloom.ranking.blend import (
    ValidationBatch,
    blend_metrics,
    choose_weights,
    cold_start_weights,
    validation_batch,
    validation_figures,
)
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import Part, State
from modaloom.ranking.demand import Demand, Features, Newness, SnapshotKey, snapshot_key
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.linear import ContentNeighbours, Linear, Repurchase, Variants
from modaloom.ranking.ranker import Lists, Ranker, block_size
from modaloom.training.fitting import FittedFusion, fit_fusion, whiten
from modaloom.training.loop import AfterEpoch, Resume
from modaloom.types import DAY_S, BoolArray, Fingerprint, FloatArray, Histories, Snapshot, Tokens

VALIDATION_WINDOWS = 4
MAX_WINDOW_DAYS = 28
VALIDATION_USERS = 1_000
"""Shoppers per validation window that the blend is chosen on."""
ANSWERING = ("image", "text")
"""Parts that are kept even if the blend does without: they answer photos and words."""
PRIOR_WEIGHTS = {
    "demand": 1.0, FUSION: 0.4, "text": 0.3, "attributes": 0.3, "image": 0.2,
    "linear": 0.1, "variants": 0.1, "newness": 0.1, "repurchase": 0.05,
}  # fmt: skip
"""Where the blend begins, and what it is drawn to."""
PRIOR_WITHOUT_TIMES = {
    "linear": 1.0, FUSION: 0.4, "text": 0.3, "attributes": 0.3, "image": 0.2,
    "demand": 0.2, "variants": 0.1, "repurchase": 0.05,
}  # fmt: skip
"""The same where nothing is to be foreseen, so that what sells says little: a log without times, or ``last_out``."""
PRIOR_WITHOUT_CONTENT = {"linear": 1.0, FUSION: 0.4, "demand": 0.2, "variants": 0.1, "repurchase": 0.05}
"""The same for a log of bare ids."""
TO_ALL = ("demand", "newness")
"""Parts that say the same to everybody, and so have something to say to somebody of whom nothing is known."""
SHARED = ("demand", "linear")
"""Parts that take a while to fit, and whose state is small."""
Say = Callable[[str], None]
"""Called with a sentence about what begins."""


def _silent(message: str) -> None:
    """Says nothing."""


@dataclass
class Memory:
    """What fitting several cuts of one log may share: none of it depends on anything later than its own cut."""

    whitenings: dict[tuple[Fingerprint, int], tuple[Whitening, Tokens]] = field(default_factory=dict)
    demand: dict[SnapshotKey, Features] = field(default_factory=dict)
    alike: ContentNeighbours = field(default_factory=dict)
    shared: bool = True
    """Whether several cuts of one log will be learned from. One alone has no use for what is kept of the parts."""
    states: dict[tuple[SnapshotKey, str], State] = field(default_factory=dict)
    """What :data:`SHARED` parts learned from each cut: small beside their scores, which are made anew."""

    def fitted(self, part: Part, snapshot: Snapshot) -> Part:
        """The part, fitted to the snapshot; consecutive cuts take over what is costly from each other."""
        if not self.shared or part.name not in SHARED:
            return part.fit(snapshot)
        key = snapshot_key(snapshot), part.name
        if key in self.states:
            return part.restore(self.states[key])
        while len(self.states) >= len(SHARED) * (VALIDATION_WINDOWS + 1):
            self.states.pop(next(iter(self.states)))
        self.states[key] = part.fit(snapshot).state()
        return part

    def whitened(self, tokens: Mapping[str, Tokens], dim: int) -> dict[str, Tokens]:
        """Content tokens after whitening; the map depends on the catalogue's content alone."""
        made = {}
        for name, raw in tokens.items():
            key = raw.fingerprint, dim
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
        tell: Say = _silent,
        after_epoch: AfterEpoch | None = None,
        resume: Resume | None = None,
    ):
        self.options = options or LearnOptions()
        self.memory = memory or Memory(shared=False)
        self._tell = tell
        self._after_epoch = after_epoch
        self._resume = resume
        self.fusion: FittedFusion | None = None
        self.ranker: Ranker | None = None
        self.validation: dict[str, float] = {}
        self._whitenings: dict[str, Whitening] = {}

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns the fusion before the validation windows, chooses the blend on them, then reads the newest past.

        Raises:
            TrainingError: there is nothing to learn from.
        """
        snapshot, exams, weights = self._learn(snapshot)
        assert self.fusion is not None
        cold_start = weights_for_cold_start(exams, snapshot, weights)
        del exams  # up to hundreds of megabytes, and fitting the parts wants room
        give_back()
        wanted = {*weights, *ANSWERING}
        parts = [self.memory.fitted(part, snapshot) for part in self._parts(snapshot) if part.name in wanted]
        if FUSION in weights:
            parts.append(FusionPart(self.fusion.table(snapshot), self.fusion.tower))
        known = {part.name for part in parts}
        self.ranker = Ranker({name: weights[name] for name in weights if name in known}, tuple(parts), cold_start)
        return self

    def examine(self, snapshot: Snapshot) -> npt.NDArray[np.float64]:
        """Learns as :meth:`fit` does, up to the blend: recall plus NDCG at 20 of each shopper on validation (b,).

        Empty where the log is too short for validation. The learner cannot score afterwards.

        Raises:
            TrainingError: there is nothing to learn from.
        """
        _, exams, weights = self._learn(snapshot)
        return np.add(*blend_metrics(exams, weights, 20)) if exams else np.zeros(0)

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        assert self.ranker is not None, "fit() comes first"
        return self.ranker.score(histories)

    def recommend(
        self,
        histories: Histories,
        n: int,
        *,
        allowed: BoolArray | None = None,
        hidden: sp.csr_matrix | None = None,
    ) -> Lists:
        """The best ``n`` items of each shopper; see :meth:`~modaloom.ranking.ranker.Ranker.recommend`."""
        assert self.ranker is not None, "fit() comes first"
        return self.ranker.recommend(histories, n, allowed=allowed, hidden=hidden)

    def metrics(self) -> dict[str, object]:
        """What was found while learning: the blend, validation, losses, and where attention went."""
        assert self.ranker is not None
        assert self.fusion is not None
        progress, table = self.fusion.progress, self.ranker.table
        weights = table.weights.mean(axis=0).tolist() if table is not None else []
        names = table.modalities if table is not None else ()
        return {
            "blend": dict(self.ranker.weights),
            "cold_start_weights": dict(self.ranker.cold_start_weights),
            "validation": self.validation,
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "losses": progress.losses,
            "fusion_validation": progress.validation,
            "attention": dict(zip(names, weights, strict=True)),
        }

    def whitening_arrays(self) -> dict[str, FloatArray]:
        """Maps from encoders' vectors to tokens, as ``whitening.npz`` holds them."""
        maps = dict(self._whitenings)
        if self.fusion is not None and self.fusion.behaviour_whitening is not None:
            maps["behaviour"] = self.fusion.behaviour_whitening
        return {f"{name}.{part}": getattr(made, part) for name, made in maps.items() for part in ("mean", "axes")}

    def _learn(self, snapshot: Snapshot) -> tuple[Snapshot, list[ValidationBatch], dict[str, float]]:
        """The fusion and the blend; gives the snapshot with whitened tokens, what was asked, and the weights."""
        config = self.options.fusion_config()
        content = {name: made for name, made in snapshot.tokens.items() if name in config.modalities}
        snapshot = borrow_words(replace(snapshot, tokens=content))
        whitened = self.memory.whitened(snapshot.tokens, config.dim)
        self._whitenings = {
            name: self.memory.whitenings[raw.fingerprint, config.dim][0] for name, raw in snapshot.tokens.items()
        }
        snapshot = replace(snapshot, tokens=whitened)
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
        exams = [exam for split in validation for exam in self._exam(split.take(VALIDATION_USERS), self.fusion)]
        give_back()
        weights = choose_weights(exams, prior_weights(snapshot)) if exams else dict(prior_weights(snapshot))
        self.validation = validation_figures(exams, weights, 20) if exams else {}
        return snapshot, exams, weights

    def _parts(self, snapshot: Snapshot) -> list[Part]:
        parts: list[Part] = [Demand(cache=self.memory.demand)]
        if foresees(snapshot) and snapshot.items["released_at"].null_count() < snapshot.n_items:
            parts.append(Newness())
        if not snapshot.exclude_seen:
            parts.append(Repurchase())
        if snapshot.items["group_id"].null_count() < snapshot.n_items:
            parts.append(Variants())
        if "behaviour" in self.options.modalities:
            parts.append(Linear(cache=self.memory.alike))
        return parts + [ContentKernel(modality) for modality in snapshot.tokens]

    def _exam(self, split: Split, fusion: FittedFusion) -> Iterator[ValidationBatch]:
        """One question in blocks of shoppers: scores of all of them at once would be the largest thing in memory."""
        snapshot = split.snapshot
        parts = [self.memory.fitted(part, snapshot) for part in self._parts(snapshot)]
        parts.append(FusionPart(fusion.table(snapshot), fusion.tower))
        everything, prior = Ranker({part.name: 1.0 for part in parts}, tuple(parts)), prior_weights(snapshot)
        size = block_size(snapshot.n_items)
        for start in range(0, len(split.user_nums), size):
            span = slice(start, start + size)
            histories = snapshot.histories(split.user_nums[span])
            scores = everything.part_scores(histories)
            yield validation_batch(scores, snapshot.may_be_shown(histories), split.truth[span], prior)


def weights_for_cold_start(
    exams: Sequence[ValidationBatch], snapshot: Snapshot, weights: Mapping[str, float]
) -> dict[str, float]:
    """Weights for users without a history, chosen on what the blend was chosen on; none where there was nothing."""
    prior = prior_weights(snapshot)
    start = {name: prior[name] for name in TO_ALL if name in prior}
    return cold_start_weights(exams, start, weights) if exams else {}


def prior_weights(snapshot: Snapshot) -> dict[str, float]:
    """The blend that experience suggests for such a shop."""
    if not snapshot.tokens:
        return PRIOR_WITHOUT_CONTENT
    return PRIOR_WEIGHTS if foresees(snapshot) else PRIOR_WITHOUT_TIMES


def foresees(snapshot: Snapshot) -> bool:
    """Whether what is asked for comes after the log, so that it matters what will sell and what is new."""
    return bool(snapshot.interactions["timestamp"].max()) and not snapshot.last_out


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
    """Questions of the kind that the snapshot will be asked, from its own past.

    Windows of time; hidden targets where the log has no times; everybody's last target where that is asked.
    """
    times = snapshot.interactions["timestamp"]
    if not times.len():
        return []
    first, last = int(times.to_numpy().min()), int(times.to_numpy().max())
    if snapshot.last_out or last == 0:
        split = leave_last_out(snapshot) if snapshot.last_out else held_out_split(snapshot, seed=seed)
        return [split] if len(split.user_nums) else []
    days = max((last - first) // DAY_S, 1)
    window_days = int(min(MAX_WINDOW_DAYS, max(days // 10, 1)))
    return earlier_splits(snapshot, windows=VALIDATION_WINDOWS, window_days=window_days)
