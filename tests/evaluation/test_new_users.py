"""New shoppers: what a model is told, what it may not have seen, and what the reports say about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from modaloom.data.shop import Shop, load_shop
from modaloom.errors import EvaluationError
from modaloom.evaluation.protocol import KNOWN_EVENTS, Evaluation, Protocol, evaluate, recommend_lists
from modaloom.evaluation.report import print_report, write_html, write_json
from modaloom.models.baselines import BASELINES
from modaloom.types import FloatArray, Histories, Snapshot

ROLLING = Protocol("rolling", n=5, windows=2, window_days=60)


class Echo:
    """Ranks what resembles the past by number: near the newest event first; remembers what it was told."""

    name = "echo"
    seeded = False

    def __init__(self, seed: int = 0):
        self.told: list[Histories] = []
        self.fitted: list[Snapshot] = []

    def fit(self, snapshot: Snapshot) -> Self:
        self.fitted.append(snapshot)
        return self

    def score(self, histories: Histories) -> FloatArray:
        self.told.append(histories)
        n_items = self.fitted[-1].n_items
        scores = np.zeros((len(histories), n_items), dtype=np.float32)
        for row in range(len(histories)):
            if len(items := histories.of(row)):
                scores[row] = -np.abs(np.arange(n_items) - items[-1])
        return scores


class Closed(Echo):
    """Knows only the shoppers that it was fitted with."""

    name = "closed"
    reads_histories = False


@pytest.fixture(scope="module")
def sample(sample_shop: Path) -> Shop:
    return load_shop(sample_shop)


def test_only_the_newest_events_are_told_and_not_who_it_is(sample: Shop) -> None:
    model = Echo()
    evaluate(sample, {}, Protocol("rolling", n=5, windows=1, window_days=60), {"echo": lambda seed: model})
    whole, *cut = model.told
    assert len(cut) == len(KNOWN_EVENTS)
    assert (whole.user_nums >= 0).all()
    for number, told in zip(KNOWN_EVENTS, cut, strict=True):
        assert (told.user_nums == -1).all()
        assert (told.lengths() == np.minimum(whole.lengths(), number)).all()
        for row in range(len(whole)):
            assert told.of(row).tolist() == (whole.of(row)[-number:] if number else whole.of(row)[:0]).tolist()


def test_what_they_have_is_not_listed_however_little_is_known(sample: Shop) -> None:
    assert sample.exclude_seen
    for split, _ in ROLLING.splits(sample, {}):
        model = Echo().fit(split.snapshot)
        for number in KNOWN_EVENTS:
            lists = recommend_lists(model, split, 5, known_events=number)
            sold = split.snapshot.targets()
            for user, items in zip(split.user_nums.tolist(), lists, strict=True):
                assert not set(sold.filter(pl.col("user_num") == user)["item_num"].to_list()) & set(items.tolist())


def test_knowing_everything_is_the_figure_of_the_table(sample: Shop) -> None:
    """As many events as there are, and a model that does not care who asks: the same lists."""
    (split, _), *_ = ROLLING.splits(sample, {})
    model = Echo().fit(split.snapshot)
    assert (recommend_lists(model, split, 5) == recommend_lists(model, split, 5, known_events=10_000)).all()
    assert (recommend_lists(model, split, 5) != recommend_lists(model, split, 5, known_events=0)).any()


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_kept_out_shoppers_leave_no_trace_in_the_log(sample: Shop, seed: int) -> None:
    protocol = Protocol("new-users", n=5, windows=2, window_days=90, seeds=(seed,))
    model = Echo()
    result = evaluate(sample, {}, protocol, {"echo": lambda _: model})
    splits = [split for split, _ in protocol.splits(sample, {})]
    assert len(model.fitted) == len(splits) > 0
    for split, fitted in zip(splits, model.fitted, strict=True):
        assert not set(fitted.interactions["user_num"].to_list()) & set(split.user_nums.tolist())
        assert (fitted.interactions["timestamp"] < fitted.now).all()
        assert set(np.flatnonzero(split.ever_sold).tolist()) == set(fitted.targets()["item_num"].to_list())
        histories = split.histories()
        assert (histories.user_nums == -1).all()
        assert (histories.lengths() > 0).all(), "their own past comes with the question"
        assert (histories.timestamps < fitted.now).all()
    assert all((told.user_nums == -1).all() for told in model.told)
    assert 0 <= result.mean("echo", "recall") <= 1


def test_other_seeds_keep_other_shoppers_out(sample: Shop) -> None:
    protocol = Protocol("new-users", n=5, windows=1, window_days=120, seeds=(0, 1))
    (first, one), (second, other) = protocol.splits(sample, {})
    assert (one, other) == ((0,), (1,))
    assert first.name != second.name
    assert set(first.user_nums.tolist()) != set(second.user_nums.tolist())
    assert protocol.n_splits == 2


@pytest.mark.parametrize("name", ["popularity", "repurchase", "item-knn", "bpr-mf", "ials", "ease"])
def test_every_baseline_can_be_asked_about_somebody_unknown(name: str, sample: Shop) -> None:
    result = evaluate(sample, {}, Protocol("new-users", n=5, windows=1, window_days=120), {name: BASELINES[name]})
    rows = result.summary()[name]["new_users"]
    assert isinstance(rows, dict)
    assert list(rows) == ["0", "1", "2", "5"]
    for row in rows.values():
        low, high = row["intervals"]["recall"]
        assert 0 <= low <= row["recall"] <= high <= 1
        assert set(row["cold"]) == {"recall", "ndcg", "intervals"}
        assert row["shoppers"] > 0
    if name == "popularity":
        assert rows["0"]["recall"] == rows["5"]["recall"] == result.mean(name, "recall"), "it never looks at the past"


def test_negative_numbers_of_events_are_refused() -> None:
    with pytest.raises(EvaluationError, match="known_events must not be negative"):
        Protocol(known_events=(0, -1))


@pytest.fixture(scope="module")
def evaluation(sample: Shop) -> Evaluation:
    return evaluate(sample, {}, ROLLING, {"echo": Echo, "closed": Closed})


def test_the_reports_have_the_curves_and_who_has_none(evaluation: Evaluation, tmp_path: Path) -> None:
    console = Console(width=80)
    with console.capture() as out:
        print_report(evaluation, console)
    text = out.get()
    assert "new shoppers: recall when only their newest events are known" in text
    assert "0 events" in text
    assert "closed: knows only the shoppers that it was fitted with" in text
    assert "--protocol new-users keeps them out" in " ".join(text.split())
    write_html(evaluation, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "New shoppers: recall @ 5" in page
    assert page.count('aria-label="Recall by number of known events"') == 1
    assert "closed knows only the shoppers that it was fitted with" in page
    write_json(evaluation, tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["closed"]["new_users"] is None
    assert list(figures["echo"]["new_users"]) == ["0", "1", "2", "5"]


def test_a_report_of_kept_out_shoppers_says_so(sample: Shop, tmp_path: Path) -> None:
    result = evaluate(sample, {}, Protocol("new-users", n=5, windows=1, window_days=120), {"echo": Echo})
    console = Console(width=200)
    with console.capture() as out:
        print_report(result, console)
    assert "new users, never learned from, 1 windows of 120 days" in out.get()
    assert "nothing that they did was there" in out.get()
    write_json(result, tmp_path / "figures.json")
    how = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["echo"]["protocol"]
    assert (how["name"], how["windows"]) == ("new-users", 1)


def test_without_curves_there_is_no_chart(sample: Shop, tmp_path: Path) -> None:
    write_html(evaluate(sample, {}, ROLLING, {"closed": Closed}), tmp_path / "page.html")
    assert "New shoppers" not in (tmp_path / "page.html").read_text(encoding="utf-8")
