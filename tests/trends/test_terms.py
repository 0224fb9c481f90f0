from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import Shop
from modaloom.trends.board import Board, Term
from modaloom.trends.read import TrendOptions, read_trends
from modaloom.trends.terms import is_blocked
from modaloom.types import Event

World = Callable[..., Shop]
START_S, WEEK_S = 1_704_067_200, 604_800
PLAN: dict[str, Callable[[float], float]] = {
    "rising piece": lambda part: 1.0,
    "kimono": lambda part: 0.2 + 3.0 * part,
    "corset": lambda part: 2.5 - 2.2 * part,
    "balaclava": lambda part: 1.5 if part > 0.7 else 0.0,
    "羽绒服": lambda part: 1.0,
}
"""Searches and how much each is made, over the log from 0 to 1."""
SLIPS = {"羽绒服": ("羽絨服", "羽戎服"), "kimono": ("kimomo",)}


@pytest.fixture(scope="module")
def searched(world: World) -> Shop:
    """The small world, and what was searched for in it."""
    shop = world()
    rng = np.random.default_rng(0)
    rows = []
    for week in range(104):
        for text, wanted in PLAN.items():
            for _ in range(rng.poisson(6 * wanted(week / 104))):
                slips = SLIPS.get(text, ())
                typed = slips[int(rng.integers(len(slips)))] if slips and rng.random() < 0.08 else text
                when = START_S + week * WEEK_S + int(rng.integers(WEEK_S))
                rows.append((int(rng.integers(300)), None, int(Event.SEARCH), None, when, typed))
    rows += [(7, None, int(Event.SEARCH), None, START_S + week * WEEK_S, "my secret address") for week in range(90)]
    schema = {**shop.interactions.schema, "query": pl.String}
    searches = pl.DataFrame(rows, schema=schema, orient="row")
    log = pl.concat([shop.interactions.with_columns(query=pl.lit(None, pl.String)), searches]).sort("timestamp")
    return replace(shop, interactions=log)


@pytest.fixture(scope="module")
def board(searched: Shop) -> Board:
    return read_trends(shop_source(searched), TrendOptions(forecasts=False), settings=load_settings())


def term(board: Board, name: str) -> Term:
    return next(one for one in board.terms if one.term == name)


def test_new_rising_and_falling_terms(board: Board) -> None:
    assert term(board, "balaclava").state == "new"
    assert term(board, "kimono").state == "rising"
    assert term(board, "corset").state == "falling"


def test_what_the_shop_cannot_answer(board: Board) -> None:
    assert not term(board, "kimono").answered
    assert term(board, "rising piece").answered
    assert term(board, "rising piece").matches == 5
    assert {one.subject for one in board.alerts if one.kind == "unmet"} >= {"kimono", "balaclava"}
    assert next(one for one in board.alerts if one.subject == "balaclava").urgent


def test_spellings_are_one_term(board: Board) -> None:
    names = {one.term for one in board.terms}
    assert not names & {"羽絨服", "羽戎服", "kimomo"}
    assert dict(term(board, "羽绒服").spellings)["羽绒服"] > 400
    assert term(board, "羽绒服").language == "zh"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Corset", True),
        ("red  ＣＯＲＳＥＴ dress", True),
        ("corsets", False),
        ("轻薄羽絨服", True),
        ("羽毛球", False),
        ("", False),
    ],
)
def test_blocked_words_are_found_however_they_are_typed(query: str, found: bool) -> None:
    assert is_blocked(query, ("corset", "羽绒")) is found
    assert not is_blocked(query, ())


def test_what_is_blocked_is_on_no_board(searched: Shop) -> None:
    settings = load_settings(blocked_terms=("Balaclava", "羽"))
    board = read_trends(shop_source(searched), TrendOptions(forecasts=False), settings=settings)
    assert "kimono" in {one.term for one in board.terms}
    assert not [word for word in ("balaclava", "羽") if word in board.to_json()]


def test_what_one_person_types_is_told_to_nobody(board: Board) -> None:
    assert "secret" not in board.to_json()
    assert all(one.shoppers >= 20 for one in board.terms)
