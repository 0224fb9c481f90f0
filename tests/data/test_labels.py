"""Labels out of a shop: what counts as liked, what was known before, and honest parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modaloom.config import load_settings
from modaloom.data.labels import (
    LabelledData,
    View,
    earlier_sums,
    even_threshold,
    facts,
    read_labels,
    split_labels,
)
from modaloom.data.shop import Shop, load_shop
from modaloom.errors import EvaluationError
from modaloom.types import DAY_S, Tokens

MakeShop = Callable[[list[tuple[str, str, str, float | None, int]]], Shop]


@pytest.fixture
def make_shop(tmp_path: Path) -> MakeShop:
    """A shop of 40 items in two colours from rows (user, item, event, value, day)."""

    def make(rows: list[tuple[str, str, str, float | None, int]]) -> Shop:
        items = {
            "id": [f"i{n}" for n in range(40)],
            "colour": ["red" if n % 2 else "blue" for n in range(40)],
            "one": ["same"] * 40,
            "family": [f"f{n // 2}" for n in range(40)],
        }
        pl.DataFrame(items).write_csv(tmp_path / "items.csv")
        names = ("user", "item", "event", "value", "day")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        log = pl.DataFrame(columns).with_columns(time=pl.col("day") * DAY_S + 1_600_000_000 * (pl.col("day") > 0))
        log.write_csv(tmp_path / "log.csv")
        users = sorted({row[0] for row in rows})
        pl.DataFrame({"user": users, "age": [20 + n for n in range(len(users))]}).write_csv(tmp_path / "users.csv")
        (tmp_path / "shop.toml").write_text(
            'name = "Labels"\n[items]\nfile = "items.csv"\n[items.columns]\nitem_id = "id"\ngroup_id = "family"\n'
            'title = "id"\n[items.attributes]\ncolour = "colour"\none = "one"\n'
            '[users]\nfile = "users.csv"\nuser_id = "user"\n[users.attributes]\nage = "age"\n'
            '[interactions]\nfile = "log.csv"\n[interactions.columns]\nuser_id = "user"\nitem_id = "item"\n'
            'event = "event"\nvalue = "value"\n' + ('timestamp = "time"\n' if any(columns["day"]) else "")
        )
        return load_shop(tmp_path, settings=load_settings())

    return make


def tokens(n: int = 40, dim: int = 8) -> dict[str, Tokens]:
    vectors = np.random.default_rng(0).standard_normal((n, dim)).astype(np.float32)
    return {"image": Tokens("image", "test/1", vectors, np.ones(n, dtype=bool))}


def test_what_counts_as_liked(make_shop: MakeShop) -> None:
    rows = [("u1", "i1", "like", None, 1), ("u1", "i2", "dislike", None, 2), ("u2", "i1", "return", None, 3)]
    rows += [("u2", f"i{n}", "rating", float(n % 5 + 1), 4 + n) for n in range(3, 13)]
    rows += [("u1", "i3", "purchase", 9.0, 30), ("u1", "i4", "view", None, 31)]
    data = read_labels(make_shop(rows), tokens(), threshold=4.0)
    expected = [1, 0, 0] + [int(n % 5 + 1 >= 4) for n in range(3, 13)]
    assert data.labels.tolist() == expected
    assert data.classes == ("disliked", "liked")
    assert data.binary
    assert "4 or more" in data.notes[0]
    assert data.users is not None
    assert {"image", "shopper", "item record", "shopper record", "affinity"} == set(data.views)


def test_the_value_of_any_event_can_be_the_label(make_shop: MakeShop) -> None:
    rows = [("u1", f"i{n}", "purchase", float(n % 3), n + 1) for n in range(30)]
    shop = make_shop(rows)
    with pytest.raises(EvaluationError, match="--label value"):
        read_labels(shop, tokens())
    data = read_labels(shop, tokens(), "value")
    assert len(data) == 30
    assert set(data.labels.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2, 3, 4, 5], 3.0), ([10, 10, 10, 8, 6], 10.0), ([4, 5, 5, 5, 5, 3], 5.0), ([0, 0, 0, 100], 100.0)],
)
def test_the_threshold_splits_most_evenly_on_any_scale(values: list[int], expected: float) -> None:
    assert even_threshold(np.array(values, dtype=float)) == expected


def test_the_threshold_is_read_off_the_older_part_only(make_shop: MakeShop) -> None:
    rows = [("u1", f"i{n}", "rating", float(2 + n % 2), n + 1) for n in range(28)]
    rows += [("u2", f"i{n}", "rating", 5.0, 40 + n) for n in range(12)]
    assert "3 or more" in read_labels(make_shop(rows), tokens()).notes[0]


def test_equal_ratings_are_refused() -> None:
    with pytest.raises(EvaluationError, match="all ratings are 5"):
        even_threshold(np.full(9, 5.0))


def test_earlier_sums_by_hand() -> None:
    keys, times = np.array([1, 1, 2, 1, 1]), np.array([5, 3, 1, 5, 9])
    number, total = earlier_sums(keys, times, np.array([1.0, 10.0, 100.0, 2.0, 0.0]))
    assert number.tolist() == [1, 0, 0, 1, 3]  # two events of one moment do not see one another
    assert total.tolist() == [10, 0, 0, 10, 13]
    assert [len(part) for part in earlier_sums(keys[:0], times[:0], np.zeros(0))] == [0, 0]


def test_nothing_later_changes_what_was_known(make_shop: MakeShop) -> None:
    rng = np.random.default_rng(3)
    rows = [
        (f"u{rng.integers(4)}", f"i{rng.integers(40)}", str(rng.choice(["like", "dislike", "view"])), None, day)
        for day in range(1, 121)
    ]
    other = rows[:90] + [(user, item, "dislike", None, day) for user, item, _, _, day in rows[90:]]
    first = read_labels(make_shop(rows), tokens())
    second = read_labels(make_shop(other), tokens())
    before = int((first.times < 1_600_000_000 + 91 * DAY_S).sum())
    assert before > 40
    for name in ("shopper record", "item record", "affinity"):
        one, two = (made.views[name].tokens.vectors[:before] for made in (first, second))
        share = 0.0 if name == "affinity" else 0.5  # the share of all may differ a little, the counts may not
        assert np.allclose(one[:, 1:], two[:, 1:]) if share else np.allclose(one, two), name


def test_the_past_knows_the_likes_but_not_the_item_itself(make_shop: MakeShop) -> None:
    rows = [("u1", "i1", "like", None, 1), ("u1", "i2", "view", None, 2), ("u1", "i2", "dislike", None, 3)]
    made = tokens()
    vectors = made["image"].vectors
    vectors[2] = vectors[1]
    views = read_labels(make_shop(rows), made).views["affinity"].tokens
    assert not views.mask[0]  # the first label has no past
    liked, _, taken = views.vectors[1].reshape(3, 3)
    assert liked.tolist() == pytest.approx([np.log(2), 1.0, 1.0], abs=1e-4)
    assert taken.tolist() == [0, 0, 0]  # a look at the very item does not count


def test_a_log_without_times_hides_what_may_be_later(make_shop: MakeShop) -> None:
    rows = [("u1", f"i{n}", "like" if n % 2 else "dislike", None, 0) for n in range(40)]
    shop = make_shop([*rows, ("u1", "i0", "view", None, 0)])
    assert not shop.has_times
    one, two = (read_labels(shop, tokens(), seed=seed) for seed in (0, 1))
    assert sorted(one.times.tolist()) == list(range(1, 41))
    assert one.times.tolist() != two.times.tolist()
    counts = np.expm1(one.views["shopper record"].tokens.vectors[:, 1])
    assert np.allclose(counts, one.times - 1)
    assert not one.views["affinity"].tokens.vectors.reshape(40, 3, 3)[:, 2].any()


def data_of(labels: list[int], *, times: list[int] | None = None, groups: list[int] | None = None) -> LabelledData:
    n = len(labels)
    nothing = Tokens("text", "test/1", np.ones((n, 2), dtype=np.float32), np.ones(n, dtype=bool))
    return LabelledData(
        name="likes",
        views={"text": View(nothing, np.arange(n))},
        labels=np.array(labels),
        classes=("no", "yes"),
        groups=np.array(groups if groups is not None else range(n)),
        times=np.array(times if times is not None else [0] * n),
        items=np.arange(n),
    )


def test_parts_follow_the_clock() -> None:
    times = np.random.default_rng(0).permutation(200) // 3
    data = data_of([n % 2 for n in range(200)], times=times.tolist())
    parts = split_labels(data)
    assert times[parts.train].max() < times[parts.validation].min()
    assert times[parts.validation].max() < times[parts.test].min()
    assert sorted(np.concatenate([parts.train, parts.validation, parts.test]).tolist()) == list(range(200))
    assert abs(len(parts.test) - 40) <= 3


def test_groups_stay_together() -> None:
    rng = np.random.default_rng(1)
    groups = np.concatenate([np.zeros(60, dtype=int), rng.integers(1, 60, 540)])
    data = data_of(rng.integers(0, 2, 600).tolist(), groups=groups.tolist())
    parts = split_labels(data, seed=2)
    sides = [set(groups[rows].tolist()) for rows in (parts.train, parts.validation, parts.test)]
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]
    assert [len(rows) / 600 for rows in (parts.train, parts.validation, parts.test)] == pytest.approx(
        [0.7, 0.1, 0.2], abs=0.1
    )
    assert split_labels(data, seed=3).test.tolist() != parts.test.tolist()


def test_one_class_is_refused_with_its_name() -> None:
    with pytest.raises(EvaluationError, match="only 'yes'"):
        split_labels(data_of([1] * 50))


def test_an_attribute_as_label(make_shop: MakeShop) -> None:
    shop = make_shop([("u1", "i1", "like", None, 1)])
    attributes = Tokens("attributes", "test/2", np.ones((40, 3), dtype=np.float32), np.ones(40, dtype=bool))
    data = read_labels(shop, {**tokens(), "attributes": attributes}, "colour")
    assert data.classes == ("blue", "red")
    assert data.labels.tolist() == [n % 2 for n in range(40)]
    assert set(data.views) == {"image"}  # attributes repeat one another
    assert len(np.unique(data.groups)) == 20  # models in two colours stay together
    assert data.users is None


@pytest.mark.parametrize(("label", "words"), [("colours", "colour, one"), ("one", "1 values"), ("likes", "colour")])
def test_what_cannot_be_predicted_is_explained(make_shop: MakeShop, label: str, words: str) -> None:
    shop = make_shop([("u1", "i1", "view", None, 1)])
    with pytest.raises(EvaluationError, match=words):
        read_labels(shop, tokens(), label)


def test_facts_are_numbers_or_words() -> None:
    n = 60
    frame = pl.DataFrame(
        {
            "age": [str(20 + k) if k else None for k in range(n)],
            "size": ["M" if k % 2 else "S" for k in range(n - 1)] + ["XXL"],
        }
    )
    made = facts(frame, "shopper")
    assert made is not None
    assert made.vectors.shape == (n, 4)  # age, its square, M, S; one XXL is too rare
    assert made.vectors[0, 0] == 0
    assert made.vectors[1, 0] < made.vectors[40, 0]
    assert made.vectors[:, 2].sum() + made.vectors[:, 3].sum() == n - 1
    assert facts(pl.DataFrame({"empty": [None, None]}), "shopper") is None
