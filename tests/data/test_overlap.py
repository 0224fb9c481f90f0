from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.data.overlap import overlap, spelling_hint
from modaloom.data.shop import load_shop
from modaloom.errors import TooManyBadRowsError


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [
        (["108775015"], ["0108775015"], "zeros in front"),
        (["a-1"], ["A-1"], "capitals"),
        (["AB-12"], ["AB12"], "hyphens"),
        (["product/12"], ["12"], "prefix"),
        (["SKU0012"], ["12"], "letters before the number"),
        (["12,0"], ["12"], "fraction"),
    ],
)
def test_a_spelling_is_named(here: list[str], there: list[str], why: str) -> None:
    hint = spelling_hint(here, there)
    assert hint is not None
    assert why in hint
    assert repr(here[0]) in hint
    assert repr(there[0]) in hint


def test_strangers_are_not_explained_away() -> None:
    assert spelling_hint(["x", "y"], ["a", "b"]) is None
    assert spelling_hint([], ["a"]) is None
    assert "rounded by a spreadsheet" in (spelling_hint(["1.23E+12"], ["1234567890123"]) or "")
    assert overlap(["a", "b"], {"a"}) == 0.5


def test_a_log_that_is_spelt_differently_is_refused_with_both_spellings(
    write_shop: Callable[..., Path], settings: Settings
) -> None:
    toml = '[items]\nfile="a.csv"\n[items.columns]\nitem_id="id"\n[interactions]\nfile="l.csv"\n'
    toml += '[interactions.columns]\nuser_id="u"\nitem_id="i"\n'
    folder = write_shop(toml, a__csv="id\n007\n008\n", l__csv="u,i\nx,7\ny,8\nz,7\n")
    with pytest.raises(TooManyBadRowsError, match=r"'7' here is '007' there: one has zeros in front"):
        load_shop(folder, settings=settings)


def test_whole_numbers_meet_however_a_tool_wrote_them(write_shop: Callable[..., Path], settings: Settings) -> None:
    toml = '[items]\nfile="a.csv"\n[items.columns]\nitem_id="id"\n[users]\nfile="u.csv"\nuser_id="id"\n'
    toml += '[interactions]\nfile="l.csv"\n[interactions.columns]\nuser_id="u"\nitem_id="i"\n'
    log = "u,i\n0.0,1003.0\n1.0,1004.0\n2,1003\n"
    shop = load_shop(write_shop(toml, a__csv="id\n1003\n1004\n", u__csv="id\n0\n1\n2\n", l__csv=log), settings=settings)
    assert (shop.n_users, shop.interactions["item_num"].to_list()) == (3, [0, 1, 0])
    sizes = "id\n12\n12.0\n12.5\n"
    shop = load_shop(write_shop(toml, a__csv=sizes, u__csv="id\n0\n", l__csv="u,i\n0,12.0\n0,12\n"), settings=settings)
    assert shop.interactions["item_num"].to_list() == [1, 0]
