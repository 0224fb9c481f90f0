"""Where a store keeps its newest board, for the page and for every process of the service."""

from __future__ import annotations

import base64
import binascii
import zlib

from modaloom.errors import QueryError
from modaloom.storage.contract import Store
from modaloom.trends.board import Board, read_board

BOARD_STATE = "trends.board"
"""Key of the board in the store's state."""
STAMP_STATE = "trends.stamp"
"""Key of a short text that changes with the board: cheap to ask for before reading the board again."""


def save_board(store: Store, board: Board) -> None:
    """Keeps a board in place of the one before."""
    packed = zlib.compress(board.to_json().encode(), level=6)
    store.set_state(BOARD_STATE, base64.b85encode(packed).decode())
    store.set_state(STAMP_STATE, f"{board.overview.made_at} {zlib.crc32(packed):08x}")


def board_stamp(store: Store) -> str | None:
    """What tells one kept board from the next; None where there is none."""
    return store.state(STAMP_STATE)


def load_board(store: Store) -> Board | None:
    """The kept board; None where there is none.

    Raises:
        QueryError: it is damaged, or of another version.
    """
    kept = store.state(BOARD_STATE)
    if kept is None:
        return None
    try:
        text = zlib.decompress(base64.b85decode(kept)).decode()
    except (ValueError, zlib.error, binascii.Error) as error:
        raise QueryError("the kept trend board is damaged", hint="Run 'modaloom trends STORE' again") from error
    return read_board(text)
