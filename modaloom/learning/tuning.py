"""Learning options chosen on validation within a time budget; every trial learns and blends as training does.

The search is Optuna's. The options that one begins with are the first trial, and stay unless another trial's gain
over them, shopper by shopper, is larger than the best of so many trials would show by chance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modaloom.errors import MissingExtraError, TrainingError
from modaloom.learning.learner import Memory, Modaloom, Say, validation_splits
from modaloom.learning.options import LearnOptions
from modaloom.learning.space import CHOICES, RANGES, WORTH_TRYING, differences, plain_values, suggested
from modaloom.types import Snapshot

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

    from modaloom.models.recommender import FusionRecommender
    from modaloom.training.loop import Optimizer, Progress

CAUTION = 1.5
"""How many standard errors a single trial must gain over the start to be kept."""
JOURNAL = "tuning.log"
"""What the trials found, kept beside the checkpoints until the bundle is complete."""
BY_LOT = 6
"""Trials before the search starts to learn from them, and before any is cut short."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TuningPlan:
    """How long to look, and what not to touch."""

    minutes: float
    fixed: frozenset[str] = frozenset()
    """Names of options that the search leaves as they are."""
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise TrainingError(f"the time for tuning is {self.minutes} minutes", hint="Give more than 0")
        if unknown := sorted(self.fixed - set(RANGES) - set(CHOICES) - {"modalities", "seed"}):
            raise TrainingError(f"tuning knows no option {', '.join(unknown)}")


@dataclass(frozen=True)
class Tuned:
    """What tuning found, and how; ``report`` is what ``metrics.json`` holds."""

    options: LearnOptions
    report: dict[str, Any]


class _TimeIsUp(Exception):  # noqa: N818 - nothing went wrong
    """The budget ended in the middle of a trial."""


def require_optuna() -> None:
    """Says early that the search cannot run.

    Raises:
        MissingExtraError: ``optuna`` is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "tune", "Tuning") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def tune(
    snapshot: Snapshot,
    options: LearnOptions,
    plan: TuningPlan,
    *,
    journal: Path | None = None,
    key: str = "",
    tell: Say = lambda message: None,
) -> Tuned:
    """Searches learning options on the snapshot's own past.

    Args:
        snapshot: with tokens as encoders made them.
        options: where the search begins.
        plan: how long, and what is fixed.
        journal: file that keeps the trials, so that the search can go on after a kill; in memory without.
        key: hash of the shop and of all options; what the journal holds must have the same.
        tell: a line after each trial.

    Raises:
        MissingExtraError: ``optuna`` is not installed.
        TrainingError: there is nothing to learn from, or the journal is of other options, another shop or another
            Modaloom.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011 (the sampler); Golovin et al.,
    "Google Vizier", 2017, section 3.3 (the median rule that cuts trials short).
    """
    require_optuna()
    if not validation_splits(snapshot, seed=options.seed):
        tell("the log is too short for validation: nothing to tune on")
        return Tuned(options, {"minutes": plan.minutes, "trials": [], "kept": True, "chosen": None, "options": {}})
    search = _Search(snapshot, options, plan, _study(journal, key, options.seed), tell)
    search.run()
    return search.result()


def _study(journal: Path | None, key: str, seed: int) -> optuna.Study:
    import optuna
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage: optuna.storages.BaseStorage = InMemoryStorage()
    name, before = f"modaloom-{key}", 0
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        try:
            storage = JournalStorage(JournalFileBackend(str(journal)))
            there = {study.study_name: study._study_id for study in storage.get_all_studies()}
        except (ValueError, KeyError) as error:
            raise TrainingError("the record of the trials is damaged", where=journal, hint="Drop --resume") from error
        if there and name not in there:
            raise TrainingError(
                "the trials are of other options, another shop or another Modaloom, so they cannot be gone on with",
                where=journal,
                hint="Drop --resume to start afresh, or use another --out",
            )
        before = storage.get_n_trials(there[name]) if there else 0
    return optuna.create_study(
        study_name=name,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        # A search that goes on must not draw again what it drew at its start.
        sampler=optuna.samplers.TPESampler(seed=seed + before, n_startup_trials=BY_LOT),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=BY_LOT, n_warmup_steps=1),
    )


class _Search:
    """One search: asks Optuna for options, learns with them, tells it what came out."""

    def __init__(self, snapshot: Snapshot, options: LearnOptions, plan: TuningPlan, study: optuna.Study, tell: Say):
        self._snapshot, self._base, self._plan, self._study, self._tell = snapshot, options, plan, study, tell
        timed = bool(snapshot.interactions["timestamp"].to_numpy().any())
        self._fixed = plan.fixed | (frozenset() if timed else {"half_life_days"})
        self._memories: dict[str, Memory] = {}
        self._budget_s = plan.minutes * 60
        self._started = plan.clock()
        self._before_s = sum(trial.user_attrs.get("seconds", 0.0) for trial in study.trials)

    @property
    def spent_s(self) -> float:
        """Seconds of this search, those before it was killed included."""
        return float(self._before_s + self._plan.clock() - self._started)

    def run(self) -> None:
        """Tries options until the time is up."""
        self._begin()
        while self.spent_s < self._budget_s and not self._study.user_attrs.get("done"):
            self._try(self._study.ask())
        self._study.set_user_attr("done", True)  # a run killed while training needs no other search

    def _begin(self) -> None:
        """Queues what is known to be worth trying; what was under way when a run was killed counts as failed."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
        if self._defaults() is None:
            self._study.enqueue_trial(plain_values(self._base))
        if len(self._study.trials) <= 1:
            for values in WORTH_TRYING:
                if not set(values) & self._fixed:
                    self._study.enqueue_trial(plain_values(self._base.with_values(values)), skip_if_exists=True)

    def _try(self, trial: Trial) -> None:
        import optuna
        from optuna.trial import TrialState

        started = self._plan.clock()
        options = self._base.with_values(dict(suggested(trial, self._base, self._fixed)))
        trial.set_user_attr("options", options.to_dict())
        values, state = None, TrialState.FAIL
        try:
            values = self._values(trial, options)
            trial.set_user_attr("values", [round(float(value), 6) for value in values])
            state = TrialState.COMPLETE
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except _TimeIsUp:
            trial.set_user_attr("why", "the time was up")
        except TrainingError as error:
            if options == self._base:
                raise
            trial.set_user_attr("why", error.what)
        trial.set_user_attr("seconds", round(self._plan.clock() - started, 3))
        if state is TrialState.COMPLETE and values is not None:
            self._study.tell(trial, float(values.mean()))
        else:
            self._study.tell(trial, state=state)
        self._tell(self._line(trial.number))

    def _values(self, trial: Trial, options: LearnOptions) -> Values:
        """Recall plus NDCG at 20 of the blend, for each shopper on validation (b,)."""
        import optuna

        def watch(model: FusionRecommender, optimizer: Optimizer, progress: Progress) -> None:
            if self.spent_s >= self._budget_s:
                raise _TimeIsUp
            if progress.validation:
                trial.report(max(progress.validation), progress.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        shared = next(iter(self._memories.values()), Memory())
        memory = self._memories.setdefault(options.size, Memory(demand=shared.demand))
        return Modaloom(options, memory=memory, after_epoch=watch).examine(self._snapshot)

    def _finished(self) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def _tried(self) -> list[FrozenTrial]:
        """All trials but those that wait in the queue."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]

    def _defaults(self) -> FrozenTrial | None:
        wanted = self._base.to_dict()
        return next((trial for trial in self._finished() if trial.user_attrs["options"] == wanted), None)

    def _line(self, number: int) -> str:
        trial, finished = self._study.trials[number], self._finished()
        reached = f"{trial.value:.4f}" if trial in finished else trial.user_attrs.get("why", trial.state.name.lower())
        best = max((one.value or 0.0 for one in finished), default=0.0)
        start = self._defaults()
        beside = f"defaults {start.value:.4f}, " if start is not None else ""
        return f"trial {number}: {reached} ({beside}best {best:.4f}), {self.spent_s:.0f} of {self._budget_s:.0f} s"

    def result(self) -> Tuned:
        """The best of the trials that beat the defaults by more than chance, else the defaults; and the record."""
        start, tried = self._defaults(), len(self._tried()) - 1
        report: dict[str, Any] = {"minutes": self._plan.minutes, "seconds": round(self.spent_s, 1), "kept": True}
        chosen = self._base
        if start is not None:
            caution = caution_for(tried)
            gains = {one.number: _gain(one, start) for one in self._finished() if one.number != start.number}
            paying = {number: gain for number, gain in gains.items() if gain[0] > caution * gain[1] + 1e-9}
            number = max(paying, key=lambda one: paying[one][0], default=start.number)
            mean, error = paying.get(number, (0.0, 0.0))
            chosen = self._base.with_values(self._study.trials[number].user_attrs["options"])
            report |= {
                "kept": number == start.number,
                "chosen": number,
                "shoppers": len(start.user_attrs["values"]),
                "defaults": start.value,
                "reached": self._study.trials[number].value,
                "gain": mean,
                "standard_error": error,
                "errors_needed": caution,
            }
        report["options"] = differences(chosen.to_dict(), self._base.to_dict())
        report["trials"] = [self._row(trial) for trial in self._tried()]
        return Tuned(chosen, report)

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        kept = trial.user_attrs
        value = trial.value if trial.state.name == "COMPLETE" else None
        row = {"trial": trial.number, "state": trial.state.name.lower(), "value": value, "seconds": kept.get("seconds")}
        why = {"why": kept["why"]} if "why" in kept else {}
        return row | why | {"options": differences(kept.get("options", {}), self._base.to_dict())}


def caution_for(trials: int) -> float:
    """How many standard errors the best of so many trials must gain, for the same risk as one trial takes.

    Source: Bonferroni's bound.
    """
    normal = NormalDist()
    return -normal.inv_cdf(normal.cdf(-CAUTION) / max(trials, 1))


def _gain(trial: FrozenTrial, start: FrozenTrial) -> tuple[float, float]:
    """Mean gain over shoppers and its standard error."""
    gain = np.asarray(trial.user_attrs["values"]) - np.asarray(start.user_attrs["values"])
    return float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))
