"""The catalogue in arrays: every rule is exact, whatever comes, changes and goes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.shop.catalogue import MASKS_KEPT, Catalogue, sizes_of
from modaloom.shop.requests import Rules
from modaloom.types import Item


def garment(item_id: str, **changes: object) -> Item:
    fields = {"title": item_id, "attributes": {"category": "dress"}, "price": 10.0, "stock": 3, **changes}
    return Item(item_id=item_id, **fields)  # type: ignore[arg-type]


def let_through(catalogue: Catalogue, **rules: object) -> set[str]:
    mask = catalogue.allowed(Rules(**rules))  # type: ignore[arg-type]
    return {catalogue.ids[num] for num in np.flatnonzero(mask)}


@pytest.fixture
def catalogue() -> Catalogue:
    made = Catalogue(["a", "b", "c"])
    for item in (
        garment("a", price=5.0, attributes={"category": "dress", "colour": "red", "size": "S M"}),
        garment("b", price=None, attributes={"category": "skirt", "sizes": "L, XL"}, group_id="g"),
        garment("c", stock=0, attributes={}, group_id="g"),
        garment("d", stock=None, price=20.0),
    ):
        made.put(item)
    return made


def test_known_items_keep_their_numbers_and_others_come_behind(catalogue: Catalogue) -> None:
    assert catalogue.ids == ["a", "b", "c", "d"]
    assert catalogue.nums["d"] == 3
    assert catalogue.arrived == [3]
    assert catalogue.n_known == 3


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {"a", "b", "d"}),
        ({"in_stock": False}, {"a", "b", "c", "d"}),
        ({"price_max": 10.0}, {"a"}),
        ({"price_min": 10.0}, {"d"}),
        ({"attributes": {"category": ("dress",)}}, {"a", "d"}),
        ({"attributes": {"category": ("dress", "skirt"), "colour": ("red",)}}, {"a"}),
        ({"attributes": {"category": ("nothing",)}}, set()),
        ({"attributes": {"smell": ("roses",)}}, set()),
        ({"sizes": ("M",)}, {"a", "d"}),  # nothing is known of the sizes of d
        ({"sizes": ("XL", "S")}, {"a", "b", "d"}),
        ({"exclude": frozenset({"a", "unknown"})}, {"b", "d"}),
    ],
)
def test_rules(catalogue: Catalogue, rules: dict[str, object], expected: set[str]) -> None:
    assert let_through(catalogue, **rules) == expected


def test_a_rule_sees_what_has_changed_since_it_was_asked_last(catalogue: Catalogue) -> None:
    assert "a" in let_through(catalogue, price_max=10.0)
    catalogue.put(garment("a", price=11.0))
    assert let_through(catalogue, price_max=10.0) == set()
    catalogue.put(garment("c", price=1.0))
    assert let_through(catalogue, price_max=10.0) == {"c"}
    catalogue.remove("c")
    assert let_through(catalogue, price_max=10.0) == set()
    assert catalogue.remove("never there") is None
    catalogue.put(garment("c", price=2.0))
    assert let_through(catalogue, price_max=10.0) == {"c"}


def test_variants_are_those_of_one_model_that_there_are(catalogue: Catalogue) -> None:
    b, c = catalogue.nums["b"], catalogue.nums["c"]
    assert catalogue.variants(b) == [c]
    assert catalogue.variants(catalogue.nums["a"]) == []
    catalogue.put(garment("e", group_id="g"))
    assert catalogue.variants(c) == [b, catalogue.nums["e"]]
    catalogue.remove("e")
    catalogue.put(garment("b"))  # no longer of that model
    assert catalogue.variants(c) == []


def test_values_and_what_a_key_speaks_of(catalogue: Catalogue) -> None:
    assert catalogue.value("colour", 0) == "red"
    assert catalogue.value("colour", 1) is None
    assert catalogue.value("smell", 0) is None
    assert catalogue.matching("category=dress").tolist() == [True, False, False, True]
    assert catalogue.matching("item=b").tolist() == [False, True, False, False]
    assert not catalogue.matching("colour=blue").any()
    assert not catalogue.matching("nonsense").any()
    assert catalogue.numbers(["d", "x", "a"]) == [3, 0]


def test_sizes_are_cut_at_any_separator() -> None:
    assert sizes_of({"size": "S, M/L|XL、40"}) == ("S", "M", "L", "XL", "40")
    assert sizes_of({"sizes": "36 37 38 37"}) == ("36", "37", "38")
    assert sizes_of({"sizes": "extra small, extra large"}) == ("extra small", "extra large")
    assert sizes_of({"size": "One size"}) == ("One size",)
    assert sizes_of({}) == ()


changes = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.one_of(
            st.none(),
            st.tuples(
                st.sampled_from(["dress", "skirt", ""]),
                st.sampled_from([0, 1, None]),
                st.sampled_from([None, 1.0, 2.0]),
                st.sampled_from([None, "g", "h"]),
                st.sampled_from(["", "S", "S M"]),
            ),
        ),
    ),
    max_size=30,
)


@given(changes)
def test_whatever_happened_rules_say_what_a_plain_search_says(
    history: list[tuple[str, tuple[str, int | None, float | None, str | None, str] | None]],
) -> None:
    catalogue, plain = Catalogue(["a", "b"]), dict[str, Item]()
    for item_id, change in history:
        if change is None:
            catalogue.remove(item_id)
            plain.pop(item_id, None)
            continue
        category, stock, price, group, sizes = change
        attributes = {name: value for name, value in (("category", category), ("size", sizes)) if value}
        plain[item_id] = garment(item_id, attributes=attributes, stock=stock, price=price, group_id=group)
        catalogue.put(plain[item_id])
    assert let_through(catalogue, in_stock=False) == set(plain)
    assert let_through(catalogue) == {name for name, item in plain.items() if item.stock != 0}
    for category in ("dress", "skirt"):
        expected = {name for name, item in plain.items() if item.attributes.get("category") == category}
        assert let_through(catalogue, in_stock=False, attributes={"category": (category,)}) == expected
    expected = {
        name for name, item in plain.items() if not item.attributes.get("size") or "M" in item.attributes["size"]
    }
    assert let_through(catalogue, in_stock=False, sizes=("M",)) == expected
    expected = {name for name, item in plain.items() if item.price is not None and item.price <= 1.5}
    assert let_through(catalogue, in_stock=False, price_max=1.5) == expected
    for name, item in plain.items():
        siblings = {
            other for other, one in plain.items() if other != name and item.group_id and one.group_id == item.group_id
        }
        assert {catalogue.ids[num] for num in catalogue.variants(catalogue.nums[name])} == siblings


def test_a_mask_that_is_kept_cannot_be_spoilt(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="read-only"):
        catalogue.allowed(Rules())[0] = False


def test_the_masks_that_are_asked_for_stay(catalogue: Catalogue) -> None:
    """However many filters shoppers think of, the one of every home page is not made anew each time."""
    kept = catalogue.allowed(Rules())
    for number in range(3 * MASKS_KEPT):
        catalogue.allowed(Rules(price_max=float(number)))
        assert catalogue.allowed(Rules()) is kept
    assert len(catalogue._masks) <= MASKS_KEPT + 1


def test_what_is_counted_of_sizes(catalogue: Catalogue) -> None:
    assert catalogue.size_counts() == {"S": 1, "M": 1, "L": 1, "XL": 1}
    catalogue.put(garment("e", attributes={"size": "M"}))
    catalogue.remove("a")
    assert {size: count for size, count in catalogue.size_counts().items() if count} == {"L": 1, "XL": 1, "M": 1}


@pytest.mark.parametrize("stock", [-1, -7])
def test_what_was_oversold_is_sold_out(catalogue: Catalogue, stock: int) -> None:
    catalogue.put(garment("a", stock=stock))
    assert "a" not in let_through(catalogue)
    assert "a" in let_through(catalogue, in_stock=False)


def test_numbers_without_end_are_taken(catalogue: Catalogue) -> None:
    catalogue.put(garment("a", price=1e300, stock=2**80, released_at=2**80))
    assert "a" in let_through(catalogue, price_min=1e30)
    assert "a" not in let_through(catalogue, price_max=1e30)


def test_models_that_nobody_has_any_more_are_forgotten(catalogue: Catalogue) -> None:
    before = len(catalogue.members)
    for number in range(50):
        catalogue.put(garment("f", group_id=f"passing-{number}"))
    catalogue.remove("f")
    assert len(catalogue.members) == before


def test_five_thousand_changes_are_taken_in_quickly() -> None:
    """Answers wait meanwhile. Making an array of the whole catalogue for each of them took twenty times as long."""
    catalogue = Catalogue([f"i{number}" for number in range(100_000)])
    items = [garment(f"i{number}", attributes={"category": "dress", "size": "S, M"}) for number in range(5_000)]
    catalogue.put(items[0])
    started = time.process_time()
    for item in items:
        catalogue.put(item)
    assert time.process_time() - started < 0.5


def test_what_is_told_alike_is_one_model_where_the_shop_gives_no_group() -> None:
    """Colours of one model become swatches; what has a group of the shop's keeps it; changes count at once."""

    def sweater(item_id: str, colour: str, **changes: object) -> Item:
        facts = {"category": "knitwear", "colour": colour}
        words = {"title": f"{colour.title()} sweater", "description": f"A {colour} sweater of merino wool."}
        return Item(**({"item_id": item_id, "attributes": facts} | words | changes))  # type: ignore[arg-type]

    catalogue = Catalogue([])
    red, blue = catalogue.put(sweater("r", "red")), catalogue.put(sweater("b", "blue"))
    other = catalogue.put(sweater("o", "green", description="A green sweater of cotton, with a hood."))
    own = catalogue.put(sweater("g", "grey", group_id="mine"))
    assert catalogue.variants(red) == [blue]
    assert catalogue.variants(other) == catalogue.variants(own) == []
    joined = catalogue.put(sweater("w", "white", group_id="double of r"))
    assert catalogue.variants(joined) == [], "what the bundle found is a group of its own"
    catalogue.put(sweater("b", "blue", description="A blue sweater, knitted by hand."))
    assert catalogue.variants(red) == []
