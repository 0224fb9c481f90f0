"""The whole learner: fusion, closed-form parts and their blend, chosen on the shop's own past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.data.doubles import borrow_words
from modaloom.data.splits import Split, earlier_splits, held_out_split, leave_last_out
from modaloom.errors import EvaluationError, TrainingError
from modaloom.evaluation.protocol import Factory
from modaloom.heap import give_back
from modaloom.learning.options import LearnOptions
from modaloom.models.baselines import BASELINES
from modaloom.numerics import Whitening
from modaloom.ranking.blend import (
    MIN_USERS,
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
from modaloom.training.loop import AfterEpoch, Progress, Resume, count_examples
from modaloom.types import DAY_S, BoolArray, Fingerprint, FloatArray, Histories, Snapshot, Tokens

VALIDATION_WINDOWS = 4
MAX_WINDOW_DAYS = 28
MANY_SHOPPERS = 200
"""With fewer on validation the blend begins nearer to content, and must clearly beat it."""
LEAST_EXAMPLES = 256
"""With fewer, and nobody to validate on, the fusion is not learned."""
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
LEARNED_FROM_LOG = ("demand", "linear")
"""Parts, beside the fusion, that speak of what other shoppers had."""
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

        With too few shoppers to validate on there is no fusion, and the blend is content with as much of the log as
        its evidence carries, see :func:`prior_weights`; without a log it is content alone.

        Raises:
            TrainingError: there is neither content nor a log.
        """
        snapshot, exams, weights = self._learn(snapshot)
        cold_start = weights_for_cold_start(exams, snapshot, weights)
        del exams  # up to hundreds of megabytes, and fitting the parts wants room
        give_back()
        wanted = {*weights, *ANSWERING}
        parts = [self.memory.fitted(part, snapshot) for part in self._parts(snapshot) if part.name in wanted]
        if self.fusion is not None and FUSION in weights:
            parts.append(FusionPart(self.fusion.table(snapshot), self.fusion.tower))
        known = {part.name for part in parts}
        blend = {name: weights[name] for name in weights if name in known}
        if not blend:
            raise TrainingError(
                "there is nothing to recommend by: no log, and no item has a picture, words or attributes",
                hint="Map [items.images], title or [items.attributes] in shop.toml, or add [interactions]",
            )
        self.ranker = Ranker(blend, tuple(parts), cold_start)
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
        progress, table = self.fusion.progress if self.fusion else Progress(), self.ranker.table
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
        self.fusion, self.validation = None, {}
        while validation and not count_examples(validation[0].snapshot, config.loop):
            validation = validation[1:]
        shoppers, cautious = sum(len(split.user_nums) for split in validation), cautious_weights(snapshot)
        if shoppers < MIN_USERS:
            validation = []
            if count_examples(snapshot, config.loop) < LEAST_EXAMPLES:
                self._tell(
                    f"{snapshot.interactions.height:,} events are too few to learn from: content leads the blend"
                )
                return snapshot, [], _largest_one(cautious)
        self._tell(f"learning {config.fusion} fusion over {', '.join(config.modalities)}")
        self.fusion = fit_fusion(
            validation[0].snapshot if validation else snapshot,
            config,
            validation=validation,
            after_epoch=self._after_epoch,
            resume=self._resume,
        )
        if not validation:
            return snapshot, [], _largest_one(cautious | {FUSION: prior_weights(snapshot)[FUSION]})
        self._tell("choosing the blend on validation")
        start = starting_weights(snapshot, shoppers)
        exams = [exam for split in validation for exam in self._exam(split.take(VALIDATION_USERS), self.fusion, start)]
        give_back()
        weights = choose_weights(exams, start)
        if shoppers < MANY_SHOPPERS and cautious and not clearly_better(exams, weights, cautious):
            weights = _largest_one(cautious)
        self.validation = validation_figures(exams, weights, 20)
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

    def _exam(self, split: Split, fusion: FittedFusion, start: Mapping[str, float]) -> Iterator[ValidationBatch]:
        """One question in blocks of shoppers: scores of all of them at once would be the largest thing in memory."""
        snapshot = split.snapshot
        parts = [self.memory.fitted(part, snapshot) for part in self._parts(snapshot)]
        parts.append(FusionPart(fusion.table(snapshot), fusion.tower))
        everything = Ranker({part.name: 1.0 for part in parts}, tuple(parts))
        size = block_size(snapshot.n_items)
        for first in range(0, len(split.user_nums), size):
            span = slice(first, first + size)
            histories = snapshot.histories(split.user_nums[span])
            scores = everything.part_scores(histories)
            yield validation_batch(scores, snapshot.may_be_shown(histories), split.truth[span], start)


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


def cautious_weights(snapshot: Snapshot) -> dict[str, float]:
    """The blend where too few shoppers tell which one is better: content, and of the log what its evidence carries.

    Without content the log is all there is, and its parts keep their weights.
    """
    prior = dict(prior_weights(snapshot))
    del prior[FUSION]  # nobody could tell whether what it learned is any good
    if not snapshot.tokens:
        return prior if snapshot.interactions.height else {}
    trust = sales_credibility(snapshot)
    weights = {name: weight * trust if name in LEARNED_FROM_LOG else weight for name, weight in prior.items()}
    return {name: weight for name, weight in weights.items() if weight}


def _largest_one(weights: Mapping[str, float]) -> dict[str, float]:
    """The same blend, as :func:`~modaloom.ranking.blend.choose_weights` scales it."""
    return {name: weight / max(weights.values()) for name, weight in weights.items()}


def starting_weights(snapshot: Snapshot, shoppers: int) -> dict[str, float]:
    """Where the blend begins with so many shoppers to validate on: from :func:`cautious_weights` to the prior."""
    cautious, prior, share = cautious_weights(snapshot), prior_weights(snapshot), min(shoppers / MANY_SHOPPERS, 1.0)
    return {name: share * weight + (1 - share) * cautious.get(name, 0.0) for name, weight in prior.items()}


def sales_credibility(snapshot: Snapshot) -> float:
    """Which share of the variance of the items' sales is surely not chance: 0 where nothing tells that any item sells
    better than another, towards 1 with evidence.

    What sells is what different shoppers have in common, so that pairs of them are looked at: how often both have an
    item, beyond what two random lists of their lengths would share. One standard error of that is taken away.

    Source: Buhlmann & Gisler, "A Course in Credibility Theory", 2005, section 4 (between-item variance over total);
    Hoeffding, "A class of statistics with asymptotically normal distribution", 1948 (the error of means over pairs).
    """
    pairs = snapshot.targets().select("user_num", "item_num").unique()
    users, owner = np.unique(pairs["user_num"].to_numpy(), return_inverse=True)
    items, total = pairs["item_num"].to_numpy(), pairs.height
    if len(users) < 2:
        return 0.0
    own = np.bincount(owner)
    shared = np.bincount(owner, np.bincount(items)[items] - 1.0)
    excess = shared - own * (total - own) / snapshot.n_items  # (u,) of each shopper with all others
    surely = float(excess.sum()) - 2 * float(np.sqrt(((excess - excess.mean()) ** 2).sum()))
    return max(surely, 0.0) / (max(surely, 0.0) + total)


def clearly_better(
    exams: Sequence[ValidationBatch], weights: Mapping[str, float], simpler: Mapping[str, float]
) -> bool:
    """Whether a blend beats a simpler one on validation by more than one standard error.

    Source: Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3 (the one-standard-error rule).
    """
    values, others = (np.add(*blend_metrics(exams, blend, 20)) for blend in (weights, simpler))
    lead = values - others
    return bool(lead.mean() > lead.std(ddof=1) / np.sqrt(len(lead)))


def foresees(snapshot: Snapshot) -> bool:
    """Whether what is asked for comes after the log, so that it matters what will sell and what is new.

    It does where there is no log yet.
    """
    log = snapshot.interactions
    return not snapshot.last_out and (not log.height or bool(log["timestamp"].max()))


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
