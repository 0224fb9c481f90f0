"""The service's board: read once, made in a process of its own, one at a time, and told truly when that fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from modaloom.api.boards import DEAD_S, JOB_STATE, LEAST_DAYS, Boards
from modaloom.api.middleware.errors import Refused
from modaloom.api.schemas.trends import BoardState
from modaloom.config import Settings, load_settings
from modaloom.errors import QueryError
from modaloom.storage.contract import ShopUser, Store
from modaloom.storage.open import open_store
from modaloom.trends.kept import BOARD_STATE, STAMP_STATE, load_board, save_board
from modaloom.types import DAY_S, Event, Interaction
from tests.web.plausible import plausible_board

HERE = __name__


def make_small(store_url: str, settings: Settings) -> None:
    """A maker that needs no log."""
    with open_store(store_url) as store:
        save_board(store, plausible_board(["dress-red"]))


def make_nothing(store_url: str, settings: Settings) -> None:
    raise QueryError("the log is too short", hint="Wait")


def make_slowly(store_url: str, settings: Settings) -> None:
    time.sleep(60)


def make_a_mess(store_url: str, settings: Settings) -> None:
    raise ZeroDivisionError


@pytest.fixture
def begin(store: Store, tmp_path: Path) -> Iterator[Callable[..., Boards]]:
    made: list[Boards] = []

    def start(maker: str = "make_small", every_h: float = 24.0) -> Boards:
        made.append(
            Boards(store, load_settings(cache_dir=tmp_path / "cache"), every_h=every_h, maker=f"{HERE}:{maker}")
        )
        return made[-1]

    yield start
    for boards in made:
        boards.close()


def wait(boards: Boards, timeout_s: float = 60.0) -> BoardState:
    end_s = time.monotonic() + timeout_s
    while boards.state().running and time.monotonic() < end_s:
        time.sleep(0.05)
    return boards.state()


def test_none_yet_says_how_to_get_one(begin: Callable[..., Boards]) -> None:
    boards = begin()
    with pytest.raises(Refused) as refused:
        boards.board()
    assert refused.value.status_code == 404
    assert "modaloom trends" in (refused.value.hint or "")
    assert boards.state() == BoardState(
        made_at=None, running=False, started_at=None, finished_at=None, error=None, may_make=False, every_h=24.0
    )


def test_a_board_is_read_once_until_another_is_kept(begin: Callable[..., Boards], store: Store) -> None:
    boards, first = begin(), plausible_board(["dress-red"])
    save_board(store, first)
    assert boards.board() == first
    assert boards.board() is boards.board()
    second = replace(first, overview=replace(first.overview, made_at="2026-11-29T00:00:00"))
    save_board(store, second)
    assert boards.board() == second


def test_a_process_makes_it(begin: Callable[..., Boards], store: Store) -> None:
    boards = begin()
    assert boards.make()
    assert not boards.make(), "one at a time"
    told = wait(boards)
    assert told.error is None
    assert told.finished_at
    assert boards.board() == load_board(store)


@pytest.mark.parametrize(
    ("maker", "why"), [("make_nothing", "the log is too short"), ("make_a_mess", "the process that made it died")]
)
def test_a_failure_is_told(begin: Callable[..., Boards], maker: str, why: str) -> None:
    boards = begin(maker)
    boards.make()
    assert wait(boards).error == why
    assert boards.make(), "and does not stand in the way of the next try"


def test_another_worker_waits_for_the_one_who_is_at_it(begin: Callable[..., Boards]) -> None:
    slow, other = begin("make_slowly"), begin()
    assert slow.make()
    assert other.state().running
    assert not other.make()
    slow.close()
    told = other.state()
    assert not told.running
    assert told.error == "the service was stopped"
    assert not slow.make(), "closed"


def test_a_killed_one_does_not_stand_in_the_way(begin: Callable[..., Boards], store: Store) -> None:
    long_ago = int(time.time() - DEAD_S - 5)
    store.set_state(JOB_STATE, json.dumps({"token": "x", "started_at": long_ago, "beat_at": long_ago}))
    boards = begin()
    assert boards.state().error == "it was interrupted"
    assert boards.make()
    store.set_state(JOB_STATE, '{"of": "another version"}')
    assert boards.state().started_at is None


def test_when_the_service_makes_one_by_itself(begin: Callable[..., Boards], store: Store) -> None:
    boards, now = begin(), int(time.time())
    assert not boards.due(), "no log"

    def seen(days: int) -> None:
        event = Interaction("u1", "dress-red", Event.VIEW, timestamp=now - days * DAY_S)
        store.add_interactions([event])

    seen(LEAST_DAYS + 1)
    assert not boards.due(), "nobody may be counted"
    store.upsert_users([ShopUser("u1", declared=True)])
    assert boards.due()
    assert not begin(every_h=0).due()
    boards.keep_fresh()
    wait(boards)
    assert boards.board().overview.made_at.startswith(str(date(2026, 11, 22)))
    assert not boards.due(), "not before the hours are over"
    store.set_state(JOB_STATE, None)
    assert boards.due(), "somebody made one, but of what happened long ago"
    fresh = replace(boards.board().overview, made_at=datetime.now(UTC).isoformat(timespec="seconds"))
    save_board(store, replace(boards.board(), overview=fresh))
    assert not boards.due(), "the command made one of what happened just now"


def test_a_young_log_is_left_alone(begin: Callable[..., Boards], store: Store) -> None:
    store.add_interactions([Interaction("u1", "dress-red", Event.VIEW, timestamp=int(time.time()) - DAY_S)])
    assert not begin().due()


def test_a_damaged_board_is_told(begin: Callable[..., Boards], store: Store) -> None:
    store.set_state(BOARD_STATE, "no board")
    store.set_state(STAMP_STATE, "x")
    with pytest.raises(QueryError, match="damaged"):
        begin().board()
