from __future__ import annotations

from pathlib import Path

import pytest

from modaloom.errors import QueryError
from modaloom.storage.open import open_store
from modaloom.trends.board import Board
from modaloom.trends.kept import BOARD_STATE, board_stamp, load_board, save_board


def test_a_store_keeps_the_newest_board(tmp_path: Path, full_board: Board) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        assert load_board(store) is None
        assert board_stamp(store) is None
        save_board(store, full_board)
        assert load_board(store) == full_board
        assert board_stamp(store)


def test_a_damaged_board_says_what_to_do(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        store.set_state(BOARD_STATE, "no board")
        with pytest.raises(QueryError, match="modaloom trends"):
            load_board(store)
