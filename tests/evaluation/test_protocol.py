"""Every protocol, what warm and cold mean, and figures that come out the same twice."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import pytest

from modaloom.data.shop import Shop, load_shop
from modaloom.errors import EvaluationError, MissingExtraError, TrainingError
from modaloom.evaluation.protocol import PROTOCOLS, Evaluation, Protocol, Round, evaluate, recommend_lists
from modaloom.models.baselines import BASELINES
from modaloom.types import FloatArray, Histories, Snapshot, Tokens

SHOP_TOML = """
name = "hand"
[items]
file = "items.csv"
[items.columns]
item_id = "item"
[interactions]
file = "events.csv"
[interactions.columns]
user_id = "user"
item_id = "item"
timestamp = "day"
event = "event"
"""
PAST = [("ann", "a", 1), ("bob", "b", 2), ("cat", "a", 3)]
FUTURE = [("ann", "b", 9), ("ann", "d", 10), ("bob", "c", 10), ("dan", "a", 10)]


def test_without_a_log_there_is_nobody_to_ask(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(SHOP_TOML.split("[interactions]")[0])
    (tmp_path / "items.csv").write_text("item\na\nb\n")
    shop = load_shop(tmp_path)
    for name in ("rolling", "temporal", "random"):
        with pytest.raises(EvaluationError, match=r"hand: the shop has no behaviour log.*Train and serve it"):
            Protocol(name).require_log(shop)


class Fixed:
    """Lists a, b, c, d in this order; ``seeded`` ones add a little noise."""

    name = "fixed"

    def __init__(self, seed: int = 0, *, seeded: bool = False):
        self.seeded = seeded
        self.seed = seed

    def fit(self, snapshot: Snapshot) -> Self:
        self.n_items = snapshot.n_items
        return self

    def score(self, histories: Histories) -> FloatArray:
        scores = np.tile(np.arange(self.n_items, 0, -1, dtype=np.float32), (len(histories), 1))
        if self.seeded:
            scores += np.random.default_rng(self.seed).normal(0, 2, scores.shape).astype(np.float32)
        return scores


class Broken(Fixed):
    """Scores that are not numbers."""

    def score(self, histories: Histories) -> FloatArray:
        return np.full((len(histories), self.n_items), np.nan, dtype=np.float32)


@pytest.fixture
def hand_made(tmp_path: Path) -> Shop:
    """Four items and four shoppers: a and b were sold before the window, c was only looked at, d not even that."""
    (tmp_path / "shop.toml").write_text(SHOP_TOML)
    (tmp_path / "items.csv").write_text("item\na\nb\nc\nd\n")
    rows = [f"{user},{item},2024-01-{day:02},purchase" for user, item, day in PAST + FUTURE]
    rows.append("ann,c,2024-01-03,view")
    (tmp_path / "events.csv").write_text("\n".join(["user,item,day,event", *rows]) + "\n")
    return load_shop(tmp_path)


@pytest.fixture(scope="module")
def sample(sample_shop: Path) -> Shop:
    return load_shop(sample_shop)


def run(shop: Shop, protocol: Protocol, **models: object) -> Evaluation:
    return evaluate(shop, {}, protocol, models or {"fixed": Fixed})  # type: ignore[arg-type]


def test_warm_and_cold_look_at_the_same_lists(hand_made: Shop) -> None:
    """Ann is shown b and c, bob a and c: what they had is not shown again. Dan is unknown and is not asked."""
    result = run(hand_made, Protocol("rolling", n=2, windows=1, window_days=2))
    (only,) = result.rounds["fixed"]
    assert only.values["all"]["recall"].tolist() == [0.5, 1.0]
    warm, cold = only.values["warm"]["recall"], only.values["cold"]["recall"]
    assert warm[0] == 1.0, "ann took b, which was sold before"
    assert math.isnan(warm[1]), "bob took nothing that was sold before"
    assert cold.tolist() == [0.0, 1.0], "d and c were never sold"
    assert result.mean("fixed", "recall") == 0.75
    assert result.mean("fixed", "recall", "warm") == 1.0
    assert result.mean("fixed", "recall", "cold") == 0.5
    assert result.mean("fixed", "precision") == 0.5
    assert result.mean("fixed", "hit_rate") == 1.0
    assert only.coverage == 0.75


def test_the_past_ends_where_the_window_begins(hand_made: Shop) -> None:
    seen: list[Snapshot] = []

    class Spy(Fixed):
        def fit(self, snapshot: Snapshot) -> Self:
            seen.append(snapshot)
            return super().fit(snapshot)

    run(hand_made, Protocol("rolling", n=2, windows=1, window_days=2), spy=Spy)
    assert seen[0].interactions.height == 4
    assert set(seen[0].targets()["item_num"].to_list()) == {0, 1}


def test_the_summary_has_every_figure(hand_made: Shop) -> None:
    row = run(hand_made, Protocol("rolling", n=2, windows=1, window_days=2)).summary()["fixed"]
    figures = {"recall", "precision", "f1", "ndcg", "hit_rate", "map", "mrr"}
    assert set(row) == figures | {
        "novelty", "coverage", "fit_s", "recommend_s", "warm", "cold", "new_users", "intervals", "windows",
    }  # fmt: skip
    for group in ("warm", "cold"):
        part = row[group]
        assert isinstance(part, dict)
        assert set(part) == figures | {"intervals"}
    assert isinstance(row["intervals"], dict)
    assert isinstance(row["windows"], list)
    low, high = row["intervals"]["recall"]
    assert 0.5 <= low <= 0.75 <= high <= 1.0
    assert row["windows"] == [{"split": "2024-01-09 to 2024-01-10", "seed": 0, "shoppers": 2, "recall": 0.75,
                               "ndcg": row["windows"][0]["ndcg"]}]  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_asks_honest_questions(name: str, sample: Shop, tmp_path: Path) -> None:
    test_file = None
    if name == "file":
        test_file = tmp_path / "later.csv"
        users, items = sample.users["user_id"], sample.items["item_id"]
        rows = [f"{users[num]},{items[num]},purchase,1,2026-01-05T10:00:00,," for num in range(9)]
        test_file.write_text("\n".join(["user_id,item_id,event,value,timestamp,query,session_id", *rows]) + "\n")
    days = 120 if name == "new-users" else 30
    protocol = Protocol(name, n=5, windows=2, window_days=days, seeds=(0, 1), test_file=test_file)
    splits = list(protocol.splits(sample, {}))
    assert 1 <= len(splits) <= protocol.n_splits
    for split, _ in splits:
        lists = recommend_lists(Fixed().fit(split.snapshot), split, 5)
        assert lists.shape == (len(split.user_nums), 5)
        sold = split.snapshot.targets()
        for user, items_, truth in zip(split.user_nums.tolist(), lists, split.truth, strict=True):
            had = set(sold.filter(pl.col("user_num") == user)["item_num"].to_list())
            assert not had & set(items_.tolist()), "a list shows what the shopper has"
            assert not had & set(truth.tolist()), "the truth is in the past"
    result = evaluate(sample, {}, protocol, {"noisy": lambda seed: Fixed(seed, seeded=True), "plain": Fixed})
    seeds = {"random": [0, 1], "new-users": [0] * (len(splits) // 2) + [1] * (len(splits) // 2)}.get(
        name, [0, 1] * len(splits)
    )
    assert [round_.seed for round_ in result.rounds["noisy"]] == seeds
    assert len(result.rounds["plain"]) == len(splits), "a model without chance is run with one seed"
    assert 0 < result.mean("noisy", "recall") < 1
    assert set(result.summary()) == {"noisy", "plain"}


def test_the_same_seed_gives_the_same_figures(sample: Shop) -> None:
    protocol = Protocol("random", n=5, seeds=(3,))
    first, second = (run(sample, protocol, **{name: BASELINES[name] for name in ("bpr-mf", "ease")}) for _ in range(2))
    for name in ("bpr-mf", "ease"):
        assert timeless(first, name) == timeless(second, name)
    other = run(sample, Protocol("random", n=5, seeds=(4,)), **{"bpr-mf": BASELINES["bpr-mf"]})
    assert timeless(first, "bpr-mf") != timeless(other, "bpr-mf")


def timeless(result: Evaluation, name: str) -> str:
    """Every figure but the seconds, as text: no figure is equal to itself."""
    return json.dumps({key: value for key, value in result.summary()[name].items() if not key.endswith("_s")})


def test_what_cannot_work_is_left_out_where_everything_was_asked_for(sample: Shop) -> None:
    """There are no vectors, so what lives on content cannot be fitted; named on its own it is an error."""
    protocol = Protocol("last-out", n=5)
    said: list[tuple[str, int, int]] = []
    result = evaluate(sample, {}, protocol, BASELINES, tolerant=True, tell=lambda *what: said.append(what))
    assert {"content-knn", "content-knn-image", "content-knn-text", "content-knn-attributes"} <= set(result.skipped)
    assert not set(result.skipped) & set(result.summary())
    assert set(result.skipped) | set(result.summary()) == set(BASELINES)
    assert all(result.skipped.values())
    assert said[0] == ("last event of each user: popularity", 0, len(BASELINES))
    assert said[-1] == ("done", len(BASELINES), len(BASELINES))
    with pytest.raises((TrainingError, MissingExtraError), match="image"):
        run(sample, protocol, knn=BASELINES["content-knn-image"])
    with pytest.raises(EvaluationError, match=r"knn: .*Try other --models"):
        evaluate(sample, {}, protocol, {"knn": BASELINES["content-knn-image"]}, tolerant=True)


def test_a_model_that_fails_in_one_window_is_left_out_of_all(sample: Shop) -> None:
    """Else its mean would be over other windows than everybody else's."""
    fits: list[Snapshot] = []

    class Stubborn(Fixed):
        def fit(self, snapshot: Snapshot) -> Self:
            fits.append(snapshot)
            if len(fits) > 1:
                raise TrainingError("that is not my kind of log")
            return super().fit(snapshot)

    protocol = Protocol("rolling", n=2, windows=3, window_days=30)
    result = evaluate(sample, {}, protocol, {"fixed": Fixed, "stubborn": Stubborn}, tolerant=True)
    assert len(fits) == 2, "it is not asked again"
    assert result.skipped == {"stubborn": "that is not my kind of log."}
    assert list(result.summary()) == ["fixed"]


def test_scores_must_be_numbers(hand_made: Shop) -> None:
    with pytest.raises(EvaluationError, match="the model 'fixed' gave scores that are not finite"):
        run(hand_made, Protocol("rolling", n=2, windows=1, window_days=2), broken=Broken)


def test_diversity_reads_the_first_modality_that_is_there(hand_made: Shop) -> None:
    vectors = np.eye(4, dtype=np.float32)
    mask = np.array([True, True, True, False])
    tokens = {"attributes": Tokens("attributes", "hand/1", vectors, mask)}
    protocol = Protocol("rolling", n=2, windows=1, window_days=2)
    row = evaluate(hand_made, tokens, protocol, {"fixed": Fixed}).summary()["fixed"]
    assert isinstance(row["diversity"], float)
    assert 0 < row["diversity"] <= 2


def test_windows_count_the_same_however_many_shoppers_they_have() -> None:
    def round_(split: str, recall: list[float], seed: int = 0) -> Round:
        values = {"recall": np.array(recall), "ndcg": np.array(recall)}
        groups = {"all": values, "warm": values, "cold": {name: value * np.nan for name, value in values.items()}}
        return Round(split, seed, groups, 0.5, 1.0, 2.0)

    rounds = [round_("first", [1.0]), round_("second", [0.0, 0.0, 0.0]), round_("second", [1.0, 1.0, 1.0], 1)]
    row = Evaluation("hand", Protocol(), {"one": rounds}).summary()["one"]
    assert row["recall"] == 0.75, "the mean over windows of the mean over seeds"
    assert isinstance(row["cold"], dict)
    assert isinstance(row["intervals"], dict)
    assert math.isnan(row["cold"]["recall"])
    assert math.isnan(row["cold"]["intervals"]["recall"][0])
    low, high = row["intervals"]["recall"]
    assert low <= 0.75 <= high
    assert (row["fit_s"], row["recommend_s"], row["coverage"]) == (1.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "leave-one-out"}, "unknown protocol 'leave-one-out'. Choose temporal, rolling, last-out, random,"),
        ({"name": "file"}, "the protocol 'file' needs a file. Give --test FILE."),
        ({"name": "file", "test_file": Path("no-such.csv")}, "no-such.csv: no such file. Check --test."),
        ({"n": 0}, "must be at least 1"),
        ({"seeds": ()}, "must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        Protocol(**arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_log_that_is_too_short_is_said(hand_made: Shop) -> None:
    with pytest.raises(EvaluationError, match="6 windows of 28 days are longer than the log"):
        run(hand_made, Protocol())
    with pytest.raises(EvaluationError, match="no window has a known shopper who comes back"):
        evaluate(hand_made, {}, Protocol("rolling", windows=1, window_days=2), {})
