"""Tuning: the start stays unless something is better by more than chance; the time is kept; a kill loses nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import modaloom.learning.tuning as tuning
from modaloom.errors import MissingExtraError, TrainingError
from modaloom.learning.learner import Modaloom
from modaloom.learning.options import LearnOptions
from modaloom.learning.space import CHOICES, RANGES, differences, plain_values
from modaloom.learning.tuning import TuningPlan, caution_for, tune
from modaloom.testing import taste_world
from modaloom.types import Snapshot

torch.set_num_threads(1)
BASE = LearnOptions(size="small", epochs=4)
SHOPPERS = 400
Values = np.ndarray[Any, np.dtype[np.float64]]


class Clock:
    """Every look at it takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return taste_world("behaviour")[0]


class World:
    """Stands in for the learner: what a trial reaches is known, and every epoch takes one look at the clock."""

    def __init__(self, reached: Callable[[LearnOptions], Values]):
        self.reached, self.asked = reached, list[LearnOptions]()

    def __call__(self, options: LearnOptions, *, after_epoch: Callable[..., None], **_: object) -> World:
        self.asked.append(options)
        self._epoch = after_epoch
        return self

    def examine(self, snapshot: Snapshot) -> Values:
        values = self.reached(self.asked[-1])
        for epoch in range(1, self.asked[-1].epochs + 1):
            self._epoch(None, None, SimpleNamespace(epoch=epoch, validation=[float(values.mean())]))
        return values


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[LearnOptions], Values]], World]:
    def make(reached: Callable[[LearnOptions], Values]) -> World:
        made = World(reached)
        monkeypatch.setattr(tuning, "Modaloom", made)
        return made

    return make


def with_rate(options: LearnOptions) -> Values:
    """Better the nearer the learning rate is to 3e-3, shopper by shopper."""
    rate = options.fusion_config().loop.learning_rate
    return np.linspace(0.2, 0.6, SHOPPERS) - 0.1 * abs(np.log10(rate / 3e-3))


def test_chance_alone_changes_nothing(snapshot: Snapshot, world: Callable[..., World]) -> None:
    world(lambda options: np.random.default_rng(len(str(options))).random(SHOPPERS))
    found = tune(snapshot, BASE, TuningPlan(10, clock=Clock()))
    assert found.options == BASE
    assert found.report["kept"]
    assert found.report["chosen"] == 0
    assert found.report["options"] == {}
    assert len(found.report["trials"]) > 10


def test_what_pays_is_found_and_recorded(snapshot: Snapshot, world: Callable[..., World]) -> None:
    lines: list[str] = []
    made = world(with_rate)
    found = tune(snapshot, BASE, TuningPlan(10, frozenset({"size", "epochs"}), Clock()), tell=lines.append)
    report = found.report
    assert not report["kept"]
    assert abs(np.log10(found.options.fusion_config().loop.learning_rate / 3e-3)) < 0.2
    assert report["gain"] == pytest.approx(report["reached"] - report["defaults"], abs=1e-5)
    assert report["gain"] > report["errors_needed"] * report["standard_error"]
    assert report["shoppers"] == SHOPPERS
    assert BASE.with_values(report["options"]) == found.options
    assert made.asked[0] == BASE, "what one begins with is the first trial"
    assert {(one.size, one.epochs) for one in made.asked} == {("small", 4)}, "what is fixed stays"
    assert len(lines) == len(report["trials"])
    assert lines[0].startswith("trial 0: 0.3477 (defaults 0.3477, best 0.3477)")
    assert any(row["state"] == "pruned" for row in report["trials"])


def test_the_time_is_kept_within_an_epoch(snapshot: Snapshot, world: Callable[..., World]) -> None:
    world(with_rate)
    clock = Clock()
    report = tune(snapshot, BASE, TuningPlan(1, clock=clock)).report
    assert 60 <= clock.now < 75
    assert report["trials"][-1]["value"] is None or report["seconds"] < 70


def test_without_time_for_the_first_trial_the_start_stays(snapshot: Snapshot, world: Callable[..., World]) -> None:
    world(with_rate)
    found = tune(snapshot, BASE.with_values({"epochs": 30}), TuningPlan(0.1, clock=Clock()))
    assert found.options.epochs == 30
    assert found.report["kept"]
    assert [row["why"] for row in found.report["trials"]] == ["the time was up"]


def test_a_killed_search_goes_on(snapshot: Snapshot, world: Callable[..., World], tmp_path: Path) -> None:
    class KilledError(Exception):
        """Nobody catches it."""

    first = world(with_rate)
    kills = iter([False] * 5 + [True])

    def reached(options: LearnOptions) -> Values:
        if next(kills, False):
            raise KilledError
        return with_rate(options)

    first.reached = reached
    journal, plan = tmp_path / "x" / "tuning.log", TuningPlan(5, clock=Clock())
    with pytest.raises(KilledError):
        tune(snapshot, BASE, plan, journal=journal, key="a")
    second = world(with_rate)
    found = tune(snapshot, BASE, plan, journal=journal, key="a")
    rows = found.report["trials"]
    assert BASE not in second.asked, "the first trial is known already"
    assert rows[5]["state"] == "fail"
    assert [row["value"] for row in rows[:2]] == pytest.approx(
        [with_rate(one).mean() for one in first.asked[:2]], abs=1e-6
    )
    assert len(rows) > 8
    assert not {str(one) for one in first.asked} & {str(one) for one in second.asked}, "nothing is tried twice"
    third = world(with_rate)
    again = tune(snapshot, BASE, plan, journal=journal, key="a")
    assert third.asked == [], "a search that is done is not begun again"
    assert again.options == found.options
    assert again.report["trials"] == rows
    with pytest.raises(TrainingError, match="other options, another shop or another Modaloom"):
        tune(snapshot, BASE, plan, journal=journal, key="b")


def test_a_trial_that_fails_is_passed_over_but_not_the_first(snapshot: Snapshot, world: Callable[..., World]) -> None:
    def reached(options: LearnOptions) -> Values:
        if options != BASE:
            raise TrainingError("the loss is nan")
        return np.full(SHOPPERS, 0.5)

    world(reached)
    found = tune(snapshot, BASE, TuningPlan(0.5, clock=Clock()))
    assert found.options == BASE
    assert {row.get("why") for row in found.report["trials"][1:]} == {"the loss is nan"}

    def never(options: LearnOptions) -> Values:
        raise TrainingError("no shopper has two events to learn from")

    world(never)
    with pytest.raises(TrainingError, match="two events"):
        tune(snapshot, BASE, TuningPlan(0.5, clock=Clock()))


def test_a_log_too_short_for_validation_is_said() -> None:
    lines: list[str] = []
    found = tune(taste_world("image")[0], BASE, TuningPlan(1), tell=lines.append)
    assert found.options == BASE
    assert found.report["kept"]
    assert lines == ["the log is too short for validation: nothing to tune on"]


def test_the_real_learner_is_what_is_measured(snapshot: Snapshot) -> None:
    """The first trial reaches what training with the same options reaches on validation."""
    base = BASE.with_values({"epochs": 1})
    report = tune(snapshot, base, TuningPlan(0.4, frozenset({"fusion", "sequence"}), Clock())).report
    alone = Modaloom(base).fit(snapshot).validation
    assert report["defaults"] == pytest.approx(alone["recall@20"] + alone["ndcg@20"], abs=1e-5)
    assert report["shoppers"] == alone["shoppers"]
    assert len(report["trials"]) > 1


def test_without_optuna_it_is_said_what_to_install(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'modaloom\[tune\]'"):
        tune(snapshot, BASE, TuningPlan(1))


def test_wrong_plans_are_refused() -> None:
    for minutes in (0, -1, float("nan"), float("inf")):
        with pytest.raises(TrainingError, match="minutes"):
            TuningPlan(minutes)
    with pytest.raises(TrainingError, match="colour"):
        TuningPlan(1, frozenset({"colour"}))


def test_the_more_is_tried_the_more_is_asked() -> None:
    assert caution_for(1) == pytest.approx(tuning.CAUTION)
    assert caution_for(1) < caution_for(5) < caution_for(50) < 4


def test_the_start_is_part_of_the_space() -> None:
    odd = LearnOptions(epochs=50, size="small").with_values({"negatives": 77, "learning_rate": 0.5})
    values = plain_values(odd)
    assert set(values) == {*RANGES, *CHOICES}
    assert (values["epochs"], values["negatives"], values["learning_rate"]) == (50, 77, 0.5)
    assert differences(odd.to_dict(), BASE.to_dict()) == {"epochs": 50, "negatives": 77, "learning_rate": 0.5}
