"""Fits and asks models on honest cuts of a shop's log: full ranking of the catalogue, never a sample of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from modaloom.data.shop import Shop
from modaloom.data.splits import (
    Split,
    as_strangers,
    file_split,
    last_out_split,
    new_user_splits,
    newest_events,
    random_split,
    rolling_splits,
    temporal_split,
)
from modaloom.errors import EvaluationError, MissingExtraError, TrainingError
from modaloom.heap import give_back
from modaloom.metrics import (
    Values,
    bootstrap_interval,
    coverage,
    intra_list_diversity,
    novelty,
    ranking_metrics,
    top_n,
)
from modaloom.numerics import unit_rows
from modaloom.types import FloatArray, Histories, IntArray, Scorer, Tell, Tokens

PROTOCOLS = ("temporal", "rolling", "last-out", "random", "file", "new-users")
RANKING = ("recall", "precision", "f1", "ndcg", "hit_rate", "map", "mrr")
GROUPS = ("all", "warm", "cold")
USERS_AT_ONCE = 256
KNOWN_EVENTS = (0, 1, 2, 5)
"""New shoppers: how many of their newest events are known."""
NEW_USERS_ASKED = 1_000
"""Shoppers of each question who are asked again as new ones."""
NEW_USER_FIGURES = ("recall", "precision", "ndcg", "hit_rate")
Factory = Callable[[int], Scorer]
"""Makes an unfitted model from a seed."""


@dataclass(frozen=True)
class Protocol:
    """How to cut the log, and how long the lists are."""

    name: str = "rolling"
    n: int = 20
    windows: int = 6
    window_days: int = 28
    seeds: tuple[int, ...] = (0,)
    test_file: Path | None = None
    known_events: tuple[int, ...] = KNOWN_EVENTS

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            raise EvaluationError(f"unknown protocol {self.name!r}", hint=f"Choose {', '.join(PROTOCOLS)}, labels")
        if self.name == "file" and self.test_file is None:
            raise EvaluationError("the protocol 'file' needs a file", hint="Give --test FILE")
        if self.test_file is not None and not self.test_file.is_file():
            raise EvaluationError("no such file", where=self.test_file, hint="Check --test")
        if min(self.n, self.windows, self.window_days) < 1 or not self.seeds:
            raise EvaluationError("n, windows, window_days and the number of seeds must be at least 1")
        if min(self.known_events, default=0) < 0:
            raise EvaluationError("known_events must not be negative", hint="0 asks about somebody unknown")

    def require_log(self, shop: Shop) -> None:
        """Says before anything is encoded that there is nothing to ask.

        Raises:
            EvaluationError: nothing happened in this shop yet.
        """
        if not shop.interactions.height:
            raise EvaluationError(
                "the shop has no behaviour log, so nobody's next purchase can be asked for",
                where=shop.name,
                hint="Train and serve it from content; evaluate once there is a log, or with --protocol labels",
            )

    def splits(self, shop: Shop, tokens: Mapping[str, Tokens]) -> Iterator[tuple[Split, tuple[int, ...]]]:
        """The questions, each with the seeds that it is asked with."""
        if self.name == "random":
            for seed in self.seeds:  # each seed asks other shoppers for other things, so each is a question of its own
                split = random_split(shop, tokens, seed=seed)
                yield replace(split, name=f"{split.name}, seed {seed}"), (seed,)
        elif self.name == "new-users":
            for seed in self.seeds:  # each seed keeps other shoppers out
                for split in new_user_splits(
                    shop, tokens, windows=self.windows, window_days=self.window_days, seed=seed
                ):
                    yield (
                        replace(split, name=f"{split.name}, seed {seed}" if len(self.seeds) > 1 else split.name),
                        (seed,),
                    )
        elif self.name == "rolling":
            for split in rolling_splits(shop, tokens, windows=self.windows, window_days=self.window_days):
                yield split, self.seeds
        elif self.name == "file":
            assert self.test_file is not None
            yield file_split(shop, tokens, self.test_file), self.seeds
        else:
            yield (temporal_split if self.name == "temporal" else last_out_split)(shop, tokens), self.seeds

    @property
    def n_splits(self) -> int:
        """How many questions there are at most."""
        seeds = len(self.seeds)
        return {"rolling": self.windows, "random": seeds, "new-users": self.windows * seeds}.get(self.name, 1)


@dataclass
class Round:
    """One model, one question, one seed: a value per shopper."""

    split: str
    seed: int
    values: dict[str, dict[str, Values]]  # group -> metric -> (b,), NaN where a shopper has nothing of the group
    coverage: float
    fit_s: float
    recommend_s: float
    new_users: dict[int, dict[str, dict[str, Values]]] = field(default_factory=dict)
    """The same by how many of their newest events are known; empty where the model cannot be asked so."""


@dataclass
class Evaluation:
    """All rounds of all models on one shop."""

    shop: str
    protocol: Protocol
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Models that could not be fitted on this shop, and why."""
    _summarised: tuple[object, dict[str, dict[str, object]]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def summary(self) -> dict[str, dict[str, object]]:
        """Per model the means over windows and seeds, with intervals; what ``--json`` writes."""
        key = tuple((name, *map(id, rounds)) for name, rounds in self.rounds.items())
        if self._summarised is None or self._summarised[0] != key:  # a thousand draws of every figure take seconds
            self._summarised = key, {name: _summary(rounds) for name, rounds in self.rounds.items() if rounds}
        return self._summarised[1]

    def mean(self, model: str, metric: str, group: str = "all") -> float:
        """Mean over windows and seeds of one figure."""
        return _mean([_window_mean(round_.values[group][metric]) for round_ in self.rounds[model]])


def evaluate(
    shop: Shop,
    tokens: Mapping[str, Tokens],
    protocol: Protocol,
    models: Mapping[str, Factory],
    *,
    tolerant: bool = False,
    tell: Tell | None = None,
) -> Evaluation:
    """Runs every model through the protocol.

    Args:
        shop: the shop.
        tokens: content vectors of the whole catalogue; fitted on content alone, never on behaviour.
        protocol: how to cut.
        models: factories by name; one with ``seeded = False`` is run with the first seed only.
        tolerant: leave out models that cannot work on this shop, instead of raising.
        tell: progress.

    Raises:
        EvaluationError: the protocol cannot be run on this shop.
        TrainingError: a model cannot be fitted, unless ``tolerant``.
    """
    result = Evaluation(shop.name, protocol, {name: [] for name in models})
    vectors = _diversity_vectors(tokens, shop.n_items)
    done, total = 0, protocol.n_splits * len(models)
    for split, seeds in protocol.splits(shop, tokens):
        for name, factory in models.items():
            if tell:
                tell(f"{split.name}: {name}", done, total)
            done += 1
            if name in result.skipped:
                continue
            try:
                result.rounds[name] += _run(split, seeds, factory, protocol, vectors)
            except (TrainingError, MissingExtraError) as error:
                if not tolerant:
                    raise
                result.skipped[name] = str(error)
                result.rounds[name].clear()  # means over other windows than everybody else's are no comparison
    if tell:
        tell("done", total, total)
    if not any(result.rounds.values()):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in result.skipped.items())
        raise EvaluationError(
            reasons or "no window has a known shopper who comes back", hint="Try other --models or a longer log"
        )
    return result


def _run(
    split: Split, seeds: Sequence[int], factory: Factory, protocol: Protocol, vectors: FloatArray | None
) -> list[Round]:
    rounds = []
    for seed in seeds:
        model = factory(seed)
        seeded = getattr(model, "seeded", True)
        started = time.perf_counter()
        model.fit(split.snapshot)
        fitted = time.perf_counter()
        lists = recommend_lists(model, split, protocol.n)
        asked = time.perf_counter()
        round_ = _measure(split, seed, lists, vectors, (fitted - started, asked - fitted))
        if getattr(model, "reads_histories", True):
            round_.new_users = ask_as_new(model, split, protocol.n, protocol.known_events)
        rounds.append(round_)
        del model
        give_back()
        if not seeded:
            break
    return rounds


def recommend_lists(model: Scorer, split: Split, n: int, *, known_events: int | None = None) -> IntArray:
    """Lists (b, n) for the shoppers of a split: the whole catalogue ranked, less what may not be shown.

    Args:
        known_events: if given, the model is told only this many of the newest events of each, and not who they
            are. What may not be shown stays what it is, so that lists differ by what the model knows alone.
    """
    histories = split.histories()
    if (recommend := getattr(model, "recommend", None)) is not None:  # without scores of the whole catalogue
        had = np.isin(histories.events, [int(event) for event in split.snapshot.target_events])
        shape = len(histories), split.snapshot.n_items
        hidden = sp.csr_matrix((had.astype(np.float32), histories.item_nums, histories.offsets), shape=shape)
        made = recommend(
            _told(histories, known_events),
            n,
            allowed=split.snapshot.catalogue,
            hidden=hidden if split.snapshot.exclude_seen else None,
        )
        if not np.isfinite(made.scores[made.items >= 0]).all():
            raise EvaluationError(f"the model {model.name!r} gave scores that are not finite")
        return np.asarray(made.items, dtype=np.int64)
    lists = []
    for start in range(0, len(histories), USERS_AT_ONCE):
        some = histories.take(start, min(start + USERS_AT_ONCE, len(histories)))
        scores = model.score(_told(some, known_events))
        if not np.isfinite(scores).all():
            raise EvaluationError(f"the model {model.name!r} gave scores that are not finite")
        lists.append(top_n(scores, n, split.snapshot.may_be_shown(some)))
    return np.concatenate(lists)


def _told(histories: Histories, known_events: int | None) -> Histories:
    return histories if known_events is None else as_strangers(newest_events(histories, known_events))


def ask_as_new(
    model: Scorer, split: Split, n: int, known_events: Sequence[int]
) -> dict[int, dict[str, dict[str, Values]]]:
    """Figures by number of known events, group and metric, a value for each of (at most 1,000) shoppers."""
    some = _some_users(split)
    return {number: _values(recommend_lists(model, some, n, known_events=number), some) for number in known_events}


def _some_users(split: Split) -> Split:
    """At most :data:`NEW_USERS_ASKED` of the shoppers; the same ones for every model."""
    if len(split.user_nums) <= NEW_USERS_ASKED:
        return split
    chosen = np.sort(np.random.default_rng(0).choice(len(split.user_nums), NEW_USERS_ASKED, replace=False))
    return replace(split, user_nums=split.user_nums[chosen], truth=[split.truth[row] for row in chosen.tolist()])


def _values(lists: IntArray, split: Split) -> dict[str, dict[str, Values]]:
    """Metrics by group. Warm and cold look at the same lists; only what counts as right differs."""
    sold = split.ever_sold
    truths = {
        "all": split.truth,
        "warm": [items[sold[items]] for items in split.truth],
        "cold": [items[~sold[items]] for items in split.truth],
    }
    return {group: ranking_metrics(lists, truth) for group, truth in truths.items()}


def _measure(
    split: Split, seed: int, lists: IntArray, vectors: FloatArray | None, seconds: tuple[float, float]
) -> Round:
    values = _values(lists, split)
    targets = split.snapshot.targets()
    counts = np.bincount(targets["item_num"].to_numpy(), minlength=split.snapshot.n_items).astype(np.float64)
    values["all"]["novelty"] = novelty(lists, counts)
    if vectors is not None:
        values["all"]["diversity"] = intra_list_diversity(lists, vectors)
    return Round(split.name, seed, values, coverage(lists, split.snapshot.catalogue), *seconds)


def _diversity_vectors(tokens: Mapping[str, Tokens], n_items: int) -> FloatArray | None:
    """One unit vector per item for intra-list diversity: pictures if there are any, else words, else attributes."""
    for modality in ("image", "text", "attributes"):
        if modality in tokens:
            made = tokens[modality]
            centred = unit_rows(made.vectors)
            centred = centred - centred[made.mask].mean(axis=0)
            centred[~made.mask] = 0.0
            return unit_rows(centred)
    return None


def _window_mean(values: Values) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if not np.isnan(value)]
    return float(np.mean(there)) if there else float("nan")


Groups = Sequence[tuple[str, dict[str, dict[str, Values]]]]
"""A window's name and its values by group and metric, one pair per window and seed."""


def _group(
    windows: Groups, group: str, metrics: Sequence[str] | None = None
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Means over windows and seeds, and bootstrap intervals over shoppers; of all metrics unless told otherwise."""
    means, intervals = {}, {}
    for metric in metrics or list(windows[0][1][group]):
        by_window: dict[str, list[Values]] = {}
        for window, values in windows:
            by_window.setdefault(window, []).append(values[group][metric])
        per_shopper = [np.mean(values, axis=0) for values in by_window.values()]  # seeds are averaged first
        means[metric] = _mean([_window_mean(values) for values in per_shopper])
        intervals[metric] = list(bootstrap_interval(_evened(per_shopper)))
    return means, intervals


def _new_users(rounds: Sequence[Round]) -> dict[str, object] | None:
    """By number of known events what :func:`_group` gives, and how many were asked; None where it cannot be said."""
    if not all(round_.new_users for round_ in rounds):
        return None
    out: dict[str, object] = {}
    for number in rounds[0].new_users:
        windows = [(round_.split, round_.new_users[number]) for round_ in rounds]
        means, intervals = _group(windows, "all", NEW_USER_FIGURES)
        first = {split: values["all"]["recall"] for split, values in windows}  # each shopper once, not once per seed
        cold, cold_intervals = _group(windows, "cold", ("recall", "ndcg"))
        out[str(number)] = {
            **means,
            "intervals": intervals,
            "cold": {**cold, "intervals": cold_intervals},
            "shoppers": sum(len(values) for values in first.values()),
        }
    return out


def _evened(windows: Sequence[Values]) -> Values:
    """Shoppers' values, weighted so that each window counts the same however many shoppers it has."""
    there = [values[~np.isnan(values)] for values in windows]
    there = [values for values in there if len(values)]
    total = sum(len(values) for values in there)
    if not there:
        return np.zeros(0)
    return np.concatenate([values * (total / (len(there) * len(values))) for values in there])


def _summary(rounds: Sequence[Round]) -> dict[str, object]:
    windows = [(round_.split, round_.values) for round_ in rounds]
    means, intervals = _group(windows, "all")
    out: dict[str, object] = dict(means)
    out["coverage"] = _mean([round_.coverage for round_ in rounds])
    out["fit_s"] = _mean([round_.fit_s for round_ in rounds])
    out["recommend_s"] = _mean([round_.recommend_s for round_ in rounds])
    for group in ("warm", "cold"):
        group_means, group_intervals = _group(windows, group)
        out[group] = {**group_means, "intervals": group_intervals}
    out["new_users"] = _new_users(rounds)
    out["intervals"] = intervals
    out["windows"] = [
        {
            "split": round_.split,
            "seed": round_.seed,
            "shoppers": len(round_.values["all"]["recall"]),
            **{metric: _window_mean(round_.values["all"][metric]) for metric in ("recall", "ndcg")},
        }
        for round_ in rounds
    ]
    return out
