from __future__ import annotations

import json

import pytest

from modaloom.errors import QueryError
from modaloom.trends.board import Board, read_board


def test_a_board_survives_json(full_board: Board) -> None:
    board = full_board
    assert read_board(board.to_json()) == board
    assert json.loads(board.to_json()) == board.to_dict()


def test_a_trend_is_found_by_its_id(full_board: Board) -> None:
    assert full_board.trend("colour=red") is full_board.trends[0]
    assert full_board.trend("colour=blue") is None


@pytest.mark.parametrize(
    ("text", "words"), [("{", "not a trend board"), ("{}", "overview"), ("[]", "not a trend board")]
)
def test_what_is_no_board_is_refused(text: str, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        read_board(text)


def test_another_version_is_refused(full_board: Board) -> None:
    text = full_board.to_json().replace('"version":1', '"version":99')
    with pytest.raises(QueryError, match="version 99"):
        read_board(text)
