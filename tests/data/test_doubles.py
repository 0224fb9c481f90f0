"""Near-duplicates: the same garment under several numbers, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.config import load_settings
from modaloom.data import doubles
from modaloom.data.doubles import borrow_words, group_doubles, model_keys, near_duplicates
from modaloom.data.shop import Shop, load_shop
from modaloom.data.splits import take_snapshot
from modaloom.encoders.encode import encode_items
from modaloom.types import BoolArray, FloatArray, IntArray, Snapshot, Tokens

DIM = 64


def made(modality: str, vectors: FloatArray, mask: BoolArray | None = None) -> Tokens:
    mask = np.ones(len(vectors), dtype=bool) if mask is None else mask
    return Tokens(modality, "hand/1", (vectors * mask[:, None]).astype(np.float32), mask)


def world(number: int, copies: IntArray, seed: int = 0) -> tuple[dict[str, Tokens], IntArray]:
    """Random garments and near copies of some, in a random order; and who is a copy of whom."""
    rng = np.random.default_rng(seed)
    looks, words = rng.normal(size=(number, DIM)), rng.normal(size=(number, DIM))
    kind = np.concatenate([np.arange(number), copies])
    order = rng.permutation(len(kind))
    kind = kind[order]
    noise = rng.normal(0, 0.02, (len(kind), DIM))
    return {"image": made("image", looks[kind] + noise), "text": made("text", words[kind] + noise)}, kind


@given(
    number=st.integers(1, 40),
    copies=st.lists(st.integers(0, 39), max_size=30),
    seed=st.integers(0, 99),
    small=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_copies_are_found_and_nothing_else(number: int, copies: list[int], seed: int, small: bool) -> None:
    """Also where only buckets are compared, each of a few items."""
    tokens, kind = world(number, np.array([copy % number for copy in copies], dtype=np.int64), seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doubles, "EXACT_ITEMS", 16 if small else 1_024)
        patch.setattr(doubles, "CELLS_AT_ONCE", 5 * DIM if small else 4_000_000)
        leaders = near_duplicates(tokens, len(kind))
    assert (kind[leaders] == kind).all(), "different garments in one group"
    assert len(set(leaders.tolist())) == len(set(kind.tolist())), "a copy was not found"
    assert (leaders <= np.arange(len(kind))).all()
    assert (leaders[leaders] == leaders).all(), "a first item is its own"


def test_the_same_picture_with_other_words_is_another_garment() -> None:
    rng = np.random.default_rng(0)
    look = np.tile(rng.normal(size=DIM), (3, 1))
    words = np.stack([rng.normal(size=DIM)] * 2 + [rng.normal(size=DIM)])
    both = {"image": made("image", look), "text": made("text", words)}
    assert near_duplicates(both, 3).tolist() == [0, 0, 2]
    silent = {**both, "text": made("text", words, np.array([True, True, False]))}
    assert near_duplicates(silent, 3).tolist() == [0, 0, 0], "nothing speaks against it"


def test_a_picture_that_stands_in_for_many_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = np.random.default_rng(0).normal(size=(9, DIM))
    looks[[0, 2, 3, 5, 7]] = looks[0]
    looks[8] = looks[1]
    assert near_duplicates({"image": made("image", looks)}, 9).tolist() == [0, 1, 0, 0, 4, 0, 6, 0, 1]
    monkeypatch.setattr(doubles, "STAND_IN", 4)
    assert near_duplicates({"image": made("image", looks)}, 9).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 1]
    assert near_duplicates({"image": made("image", np.tile(looks[0], (9, 1)))}, 9).tolist() == list(range(9))


def test_a_picture_of_half_the_shop_takes_no_time() -> None:
    """Thousands of items wait for their pictures; compared with each other they would be millions of pairs."""
    looks = np.random.default_rng(0).normal(size=(4_000, DIM))
    looks[:3_000] = looks[0]
    tokens = made("image", looks)
    near = doubles._near(doubles.unit_rows(tokens.vectors[doubles._with_a_picture_of_their_own(tokens)]))
    assert sum(len(one) for one, _ in near) == 0
    looks += np.random.default_rng(1).normal(0, 0.001, looks.shape)  # saved anew for each item, so no two are equal
    near = doubles._near(doubles.unit_rows(made("image", looks).vectors))
    assert sum(len(one) for one, _ in near) == 0


def test_words_alone_make_no_double() -> None:
    words = np.tile(np.random.default_rng(0).normal(size=DIM), (3, 1))
    assert near_duplicates({"text": made("text", words)}, 3).tolist() == [0, 1, 2]
    unseen = made("image", words, np.array([True, False, False]))
    assert near_duplicates({"text": made("text", words), "image": unseen}, 3).tolist() == [0, 1, 2]


def test_small_steps_do_not_lead_far() -> None:
    """Each picture is like the next, the first is not like the last: groups end where likeness to their first ends."""
    angles = np.arange(40) * 0.05
    turning = np.zeros((40, DIM))
    turning[:, 0], turning[:, 1] = np.cos(angles), np.sin(angles)
    leaders = near_duplicates({"image": made("image", turning)}, 40)
    assert 1 < len(set(leaders.tolist())) < 40
    cosines = np.cos(angles - angles[leaders])
    assert (cosines >= doubles.SAME_PICTURE_ALONE).all()


@pytest.fixture(scope="module")
def sample(sample_shop: Path) -> Shop:
    return load_shop(sample_shop)


def plain(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, items=snapshot.items.with_columns(group_id=pl.lit(None, pl.String)))


def test_doubles_share_a_group_and_known_groups_stay(sample: Shop) -> None:
    tokens = {"image": made("image", np.random.default_rng(0).normal(size=(sample.n_items, DIM)))}
    vectors = tokens["image"].vectors.copy()
    vectors[5] = vectors[3] + 0.01
    snapshot = plain(take_snapshot(sample, {"image": made("image", vectors)}))
    grouped = group_doubles(snapshot).items["group_id"]
    assert grouped.null_count() == sample.n_items - 2
    assert grouped[3] == grouped[5] == f"double of {sample.items['item_id'][3]}"
    own = take_snapshot(sample, {"image": made("image", vectors)})
    assert group_doubles(own).items.equals(own.items), "this shop says itself what belongs together"
    half = replace(
        snapshot,
        items=snapshot.items.with_columns(
            group_id=pl.when(pl.col("item_id") == sample.items["item_id"][3]).then(pl.lit("mine"))
        ),
    )
    assert group_doubles(half).items["group_id"][3] == "mine"


def test_the_built_in_garments_are_different_things(sample: Shop) -> None:
    """Real pictures and words: colours of one model are no doubles, a copied garment is one."""
    tokens = encode_items(sample, settings=load_settings(), modalities=("image", "text"))
    leaders = near_duplicates(tokens, sample.n_items)
    assert (leaders == np.arange(sample.n_items)).mean() > 0.95
    twice = {
        name: made(name, np.vstack([one.vectors, one.vectors]), np.tile(one.mask, 2)) for name, one in tokens.items()
    }
    again = near_duplicates(twice, 2 * sample.n_items)
    assert (again[sample.n_items :] < sample.n_items)[tokens["image"].mask].all()


def test_colours_are_told_by_what_the_shop_says_of_them() -> None:
    red, blue = {"colour": "red", "category": "dress"}, {"colour": "blue", "category": "dress"}

    def alike(one: tuple[str, str, dict[str, str]], other: tuple[str, str, dict[str, str]]) -> bool:
        return bool(set(model_keys(*one)) & set(model_keys(*other)))

    first = ("Red linen dress", "A red dress of soft linen.", red)
    assert alike(first, ("Blue  Linen Dress", "A blue dress of soft linen.", blue))
    assert not alike(first, ("Blue linen dress", "A blue dress of soft cotton.", blue)), "other cloth, another model"
    assert not alike(first, ("Blue linen dress", "A blue dress of soft linen.", {**blue, "category": "skirt"}))
    assert alike(first, ("Red linen dress", "A red dress of soft linen.", blue)), "the very same words"
    chinese = ("红色连衣裙", "柔软的红色亚麻连衣裙，适合夏天穿着", {"colour": "红色"})
    assert alike(chinese, ("蓝色连衣裙", "柔软的蓝色亚麻连衣裙，适合夏天穿着", {"colour": "蓝色"}))
    for title, told in (("T-shirt", ""), ("T-shirt", "Nice."), ("", "A shirt of soft cotton.")):
        assert not model_keys(title, told, red), "too little to tell models apart by"


def test_the_built_in_shop_has_no_false_groups(sample: Shop) -> None:
    """Its own groups, hidden and found again by words: nothing of another model may be among them."""
    own = take_snapshot(sample, {})
    found = group_doubles(plain(own)).items["group_id"]
    both = pl.DataFrame({"found": found, "truth": own.items["group_id"].fill_null(own.items["item_id"])}).drop_nulls()
    assert (both.group_by("found").agg(pl.col("truth").n_unique())["truth"] == 1).all()


def test_links_of_both_kinds_hang_together() -> None:
    together = doubles._together(np.array([0, 1, 1, 3, 4]), np.array([0, 0, 2, 3, 3]))
    assert together.tolist() == [0, 0, 0, 3, 3]


def test_items_without_words_borrow_those_of_their_models_other_colours() -> None:
    items = pl.DataFrame({"item_id": list("abcdefg"), "group_id": ["m", "m", "m", "n", "n", None, None]})
    there = np.array([True, True, False, False, False, True, False])
    vectors = np.arange(14, dtype=np.float32).reshape(7, 2)
    tokens = {name: made(name, vectors, there) for name in ("image", "text")}
    empty = pl.DataFrame()
    snapshot = Snapshot(items, empty, empty, tokens, np.ones(7, dtype=bool), 0)
    found = borrow_words(snapshot).tokens
    assert found["text"].mask.tolist() == [True, True, True, False, False, True, False], "nobody to borrow from"
    np.testing.assert_allclose(found["text"].vectors[2], (vectors[0] + vectors[1]) / 2)
    np.testing.assert_array_equal(found["text"].vectors[there], vectors[there])
    assert found["image"] is tokens["image"], "colours look different"
    assert not tokens["text"].mask[2], "what was given stays as it was"
