"""Attributes: shared values bring items together, unknown ones are ignored, state survives."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.encoders.attributes import AttributeEncoder
from modaloom.numerics import unit_rows
from modaloom.testing import EncoderSuite

COLOURS, KINDS = ("red", "blue", "green"), ("dress", "jeans", "coat", "hat")


def shop(n: int = 48, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "price": np.round(rng.uniform(10, 200, n), 2),
            "group_id": [f"model-{num // 3}" for num in range(n)],
            "attributes.colour": [COLOURS[num] for num in rng.integers(0, 3, n)],
            "attributes.kind": [KINDS[num] for num in rng.integers(0, 4, n)],
            "attributes.maker": ["us"] * n,  # says nothing
        }
    )


class TestAttributeEncoder(EncoderSuite):
    def make_encoder(self) -> AttributeEncoder:
        return AttributeEncoder().fit(shop())

    def make_inputs(self) -> list[dict[str, object]]:
        return [
            {"colour": "red", "kind": "dress", "price": 20.0},
            {"colour": "blue", "kind": "coat", "group_id": "model-3"},
            {"colour": "red"},
            {"colour": "violet"},
            {},
        ]


@pytest.fixture(scope="module")
def encoder() -> AttributeEncoder:
    return AttributeEncoder().fit(shop())


def test_shared_values_bring_items_together(encoder: AttributeEncoder) -> None:
    vectors = unit_rows(
        encoder.encode(
            [
                {"colour": "red", "kind": "dress"},
                {"colour": "red", "kind": "coat"},
                {"colour": "blue", "kind": "coat"},
            ]
        )
    )
    similar = vectors @ vectors.T
    assert similar[0, 1] > similar[0, 2] + 0.2
    assert similar[0, 2] == pytest.approx(0, abs=0.05)


def test_a_table_and_dictionaries_are_one(encoder: AttributeEncoder) -> None:
    items = shop().head(5)
    vectors, mask = encoder.encode_frame(items)
    rows = [{name.removeprefix("attributes."): value for name, value in row.items()} for row in items.rows(named=True)]
    assert mask.all()
    assert np.allclose(encoder.encode(rows), vectors, atol=1e-5)


def test_inner_products_add_up_the_information_of_shared_values(encoder: AttributeEncoder) -> None:
    """The axes only turn the weighted columns; nothing is lost while there are fewer values than axes."""
    matrix, _ = encoder.matrix(shop())
    vectors, _ = encoder.encode_frame(shop())
    assert np.allclose(vectors @ vectors.T, (matrix @ matrix.T).toarray(), atol=1e-3)


def test_rare_values_weigh_more_and_universal_ones_nothing(encoder: AttributeEncoder) -> None:
    rare, common, universal = encoder.encode([{"group_id": "model-1"}, {"colour": "red"}, {"maker": "us"}])
    assert np.linalg.norm(rare) > np.linalg.norm(common) > 0
    assert np.linalg.norm(universal) == 0


def test_unknown_values_columns_and_items_are_ignored(encoder: AttributeEncoder) -> None:
    known, with_unknown = encoder.encode([{"colour": "red"}, {"colour": "red", "kind": "spaceship", "smell": "roses"}])
    assert np.array_equal(known, with_unknown)
    items = pl.DataFrame({"price": [5.0, None], "attributes.colour": ["violet", None]})
    vectors, mask = encoder.encode_frame(items)
    assert mask.tolist() == [False, False]
    assert (vectors == 0).all()


def test_values_that_are_no_text_are_read_as_text() -> None:
    items = shop().with_columns(pl.Series("attributes.waist", ["38", "40"] * 24))
    encoder = AttributeEncoder().fit(items)
    assert np.array_equal(encoder.encode([{"waist": 38}]), encoder.encode([{"waist": "38"}]))
    assert np.linalg.norm(encoder.encode([{"waist": 38}])) > 0


def test_a_missing_price_counts_as_an_ordinary_one(encoder: AttributeEncoder) -> None:
    cheap, usual, dear, absurd, free = encoder.encode(
        [
            {"colour": "red", **price}
            for price in ({"price": 10.0}, {}, {"price": 200.0}, {"price": 1e9}, {"price": 0.0})
        ]
    )
    assert np.linalg.norm(cheap - dear) > np.linalg.norm(usual - dear)
    assert np.array_equal(usual, free)
    assert np.linalg.norm(absurd) < 5


def test_state_survives_json_and_gives_the_same_vectors(encoder: AttributeEncoder) -> None:
    state = encoder.state()
    axes = state.pop("axes")
    again = AttributeEncoder.from_state({**json.loads(json.dumps(state)), "axes": axes.copy()})
    assert again.encoder_id == encoder.encoder_id
    rows = [{"colour": "red", "price": 33.0}, {"kind": "hat", "group_id": "model-2"}, {}]
    assert np.array_equal(again.encode(rows), encoder.encode(rows))


def test_equal_ids_mean_equal_vectors() -> None:
    """Two shops with as many values are still two encoders."""
    assert AttributeEncoder().fit(shop(seed=1)).encoder_id != AttributeEncoder().fit(shop(seed=2)).encoder_id
    assert AttributeEncoder().fit(shop()).encoder_id == AttributeEncoder().fit(shop()).encoder_id


def test_fitting_again_forgets_the_first_shop() -> None:
    other = shop().with_columns(pl.col("attributes.colour").replace("red", "pink"))
    again = AttributeEncoder().fit(shop()).fit(other)
    assert again.encoder_id == AttributeEncoder().fit(other).encoder_id


@pytest.mark.parametrize(
    "items",
    [
        pl.DataFrame({"price": pl.Series([None, None], dtype=pl.Float64)}),
        pl.DataFrame({"price": [1.0, 2.0, 3.0]}),
        pl.DataFrame({"price": [1.0, 2.0], "attributes.colour": ["red", "blue"]}),  # no value twice
    ],
)
def test_a_shop_without_usable_attributes_gives_no_vectors(items: pl.DataFrame) -> None:
    encoder = AttributeEncoder().fit(items)
    vectors, mask = encoder.encode_frame(items)
    assert not mask.any()
    assert vectors.shape == (items.height, encoder.dim)
    assert encoder.dim == 0
    assert encoder.encode([{"colour": "red"}]).shape == (1, 0)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["colour", "kind", "smell"]), st.sampled_from([*COLOURS, *KINDS, "", None, 7])),
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_anything_goes_in_and_numbers_come_out(rows: list[dict[str, object]]) -> None:
    encoder = TestAttributeEncoder().encoder()
    vectors = encoder.encode(rows)
    assert vectors.shape == (len(rows), encoder.dim)
    assert np.isfinite(vectors).all()
