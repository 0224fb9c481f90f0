from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.data.splits import (
    Split,
    ask,
    earlier_splits,
    file_split,
    held_out_split,
    keep_out,
    last_out_split,
    newest_events,
    random_split,
    rolling_splits,
    take_snapshot,
    temporal_split,
    window_split,
)
from modaloom.errors import EvaluationError
from modaloom.learning import validation_splits
from modaloom.types import DAY_S, Event, Histories

Load = Callable[..., Shop]
START = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
LOG = (
    "u,a,2020-01-01\nv,a,2020-01-02\nu,b,2020-01-03\nv,b,2020-01-11\nu,a,2020-01-12\nu,c,2020-01-12\nnew,a,2020-01-13\n"
)
TIMED = """
name = "Random"
[items]
file = "items.csv"
[items.columns]
item_id = "id"
released_at = "day"
[interactions]
file = "log.csv"
date_format = "s"
[interactions.columns]
user_id = "user"
item_id = "item"
event = "event"
timestamp = "time"
[evaluation]
exclude_seen = {exclude_seen}
"""


def _truth(split: Split) -> dict[int, list[int]]:
    return {int(user): items.tolist() for user, items in zip(split.user_nums, split.truth, strict=True)}


def test_a_snapshot_ends_before_now(log_shop: Load) -> None:
    shop = log_shop(LOG)
    assert take_snapshot(shop, {}).interactions.height == 7
    past = take_snapshot(shop, {}, now=START + 2 * DAY_S)
    assert past.interactions["timestamp"].to_list() == [START, START + DAY_S]
    assert take_snapshot(shop, {}, now=START).interactions.height == 0


def test_window_asks_known_users_for_new_items(log_shop: Load) -> None:
    split = window_split(log_shop(LOG), {}, START + 5 * DAY_S, START + 30 * DAY_S)
    assert _truth(split) == {0: [2], 1: [1]}  # u had a before; nobody knows "new"
    assert split.ever_sold.tolist() == [True, True, False]
    assert split.name == "2020-01-06 to 2020-01-30"


def test_window_may_ask_for_repetitions(log_shop: Load) -> None:
    shop = log_shop(LOG, "[evaluation]\nexclude_seen=false\n")
    split = window_split(shop, {}, START + 5 * DAY_S, START + 30 * DAY_S)
    assert _truth(split) == {0: [0, 2], 1: [1]}


def test_rolling_windows_each_have_their_own_past(log_shop: Load) -> None:
    splits = list(rolling_splits(log_shop(LOG), {}, windows=3, window_days=2))
    names = ["2020-01-10 to 2020-01-11", "2020-01-12 to 2020-01-13"]
    assert [split.name for split in splits] == names  # in the first two days nobody came back
    assert [_truth(split) for split in splits] == [{1: [1]}, {0: [2]}]
    for split in splits:
        assert split.snapshot.interactions["timestamp"].max() < split.snapshot.now
    with pytest.raises(EvaluationError, match="3 windows of 10 days are longer than the log"):
        list(rolling_splits(log_shop(LOG), {}, windows=3, window_days=10))


def test_temporal_cut(log_shop: Load) -> None:
    split = temporal_split(log_shop(LOG), {}, test_share=0.5)
    assert split.snapshot.interactions.height == 3
    assert _truth(split) == {0: [2], 1: [1]}
    with pytest.raises(EvaluationError, match="no known user"):
        temporal_split(log_shop(LOG), {}, test_share=0.0)


def test_last_out_hides_each_users_last(log_shop: Load) -> None:
    split = last_out_split(log_shop(LOG), {})
    assert _truth(split) == {0: [2], 1: [1]}
    past = split.snapshot.interactions.select("user_num", "item_num").rows()
    assert past == [(0, 0), (1, 0), (0, 1), (0, 0), (2, 0)]  # "new" has one event only and keeps it


LOOKED_AT = (
    "user,item,event,time\nu,i0,purchase,{0}\nu,i1,view,{1}\nu,i0,view,{2}\nu,i1,cart,{2}\nu,i2,view,{2}\n"
    "u,i1,purchase,{3}\nu,i3,view,{4}\n"
)


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_last_out_hides_that_the_item_was_looked_at(tmp_path: Path, exclude_seen: bool) -> None:
    shop = _random_shop(tmp_path, [], [0] * 6, exclude_seen, LOOKED_AT.format(*range(START, START + 5)))
    split = last_out_split(shop, {})
    assert _truth(split) == {0: [1]}
    past = split.snapshot.interactions
    assert past["item_num"].to_list() == [0, 0, 2], "what else was looked at stays"
    assert split.snapshot.last_out
    assert past["timestamp"].to_list() == [START, START + 2, START + 2]


def test_last_out_keeps_earlier_purchases_of_the_same(log_shop: Load) -> None:
    rows = "u,a,2020-01-01\nu,b,2020-01-02\nu,a,2020-01-03\nv,a,2020-01-01\nv,b,2020-01-05\n"
    assert _truth(last_out_split(log_shop(rows, "[evaluation]\nexclude_seen=false\n"), {})) == {0: [0], 1: [1]}
    assert _truth(last_out_split(log_shop(rows), {})) == {1: [1]}  # what was had before is not asked for


def test_random_asks_outside_time(tmp_path: Path) -> None:
    rows = [(user, item, event, item) for user in range(6) for item in range(6) for event in ("view", "purchase")]
    shop = _random_shop(tmp_path, rows, [0] * 6, True)
    split = random_split(shop, {}, test_share=0.4, seed=1)
    past = split.snapshot.interactions
    assert not past["timestamp"].max(), "the newest is no nearer to the question than the oldest"
    asked = {(user, item) for user, items in _truth(split).items() for item in items}
    kept = shop.interactions.filter(
        ~pl.Series([pair in asked for pair in shop.interactions.select("user_num", "item_num").rows()])
    )
    assert past.drop("timestamp").equals(kept.drop("timestamp")), "in the log's order"
    assert split.snapshot.catalogue.all()


def test_random_share_is_reproducible(log_shop: Load) -> None:
    shop = log_shop(LOG)
    first, second = (random_split(shop, {}, test_share=0.5, seed=3) for _ in range(2))
    assert _truth(first) == _truth(second)
    assert first.snapshot.interactions.equals(second.snapshot.interactions)


def test_file_split_keeps_the_whole_log(log_shop: Load) -> None:
    shop = log_shop(LOG)
    (shop.root / "test.csv").write_text("user,item,time\nv,c,2020-02-01\nv,a,2020-02-01\nx,c,2020-02-01\n")
    split = file_split(shop, {}, shop.root / "test.csv")
    assert _truth(split) == {1: [2]}
    assert split.name == "test.csv"
    assert split.snapshot.interactions.height == 7


def _written(shop: Shop, rows: pl.DataFrame, name: str) -> Path:
    """Interactions as a file of questions, under the shop's own column names."""
    file = shop.root / name
    users, items = shop.users["user_id"].to_list(), shop.items["item_id"].to_list()
    lines = [
        f"{users[user]},{items[item]},purchase,{time}\n"
        for user, item, time in rows.select("user_num", "item_num", "timestamp").rows()
    ]
    file.write_text("user,item,event,time\n" + "".join(lines))
    return file


@pytest.mark.parametrize(
    ("cut", "name", "last_out", "timeless"),
    [
        ("later", "q.csv", False, False),
        ("last", "q.csv, after each user's own past", True, False),
        ("random", "q.csv, from any day", False, True),
        ("untimed", "q.csv", False, False),
    ],
)
def test_a_file_of_questions_tells_how_it_was_cut(
    tmp_path: Path, cut: str, name: str, last_out: bool, timeless: bool
) -> None:
    rng = np.random.default_rng(5)
    owners = rng.integers(0, 30, 400)
    times = np.sort(rng.integers(START, START + 90 * DAY_S, 400))
    lines = [
        f"u{user},i{item},purchase,{time}\n"
        for user, item, time in zip(owners, rng.integers(0, 40, 400), times, strict=True)
    ]
    whole = _random_shop(tmp_path / "whole", [], [0] * 40, False, "user,item,event,time\n" + "".join(lines))
    log = whole.interactions.with_row_index("row")
    newest = log.group_by("user_num").agg(pl.col("row").max())["row"].implode()
    held = {
        "later": pl.col("row") >= 320,
        "last": pl.col("row").is_in(newest),
        "random": pl.col("row").is_in(rng.choice(400, 80, replace=False).tolist()),
        "untimed": pl.col("row") % 5 == 0,
    }[cut]
    kept = [line for line, out in zip(lines, log.select(held).to_series(), strict=True) if not out]
    shop = _random_shop(tmp_path / "cut", [], [0] * 40, False, "user,item,event,time\n" + "".join(kept))
    future = log.filter(held).with_columns(timestamp=pl.lit(0)) if cut == "untimed" else log.filter(held)
    questions = _written(whole, future, "q.csv").rename(shop.root / "q.csv")
    split = file_split(shop, {}, questions)
    assert split.name == name
    assert split.snapshot.last_out == last_out
    assert (split.snapshot.interactions["timestamp"].max() == 0) == timeless
    assert split.snapshot.interactions.height == shop.interactions.height, "the whole log, however it was cut"
    (first, *_), kinds = validation_splits(split.snapshot), {"q.csv": "to", "q.csv, from any day": "held out"}
    assert kinds.get(name, "last event") in first.name


@pytest.mark.parametrize("protocol", [lambda shop: list(rolling_splits(shop, {}, windows=1, window_days=1)), None])
def test_protocols_in_time_need_times(
    write_shop: Callable[..., Path], settings: Settings, protocol: Callable[[Shop], object] | None
) -> None:
    toml = '[interactions]\nfile="log.csv"\n[interactions.columns]\nuser_id="u"\nitem_id="i"\n'
    shop = load_shop(write_shop(toml, log__csv="u,i\nu,a\nu,b\nv,a\n"), settings=settings)
    with pytest.raises(EvaluationError, match=r"needs times.*Use --protocol"):
        (protocol or (lambda shop: temporal_split(shop, {})))(shop)
    assert _truth(last_out_split(shop, {})) == {0: [1]}


def test_without_a_clock_everything_is_released(write_shop: Callable[..., Path], settings: Settings) -> None:
    toml = '[items]\nfile="items.csv"\n[items.columns]\nitem_id="id"\nreleased_at="day"\n'
    shop = load_shop(write_shop(toml, items__csv="id,day\na,2020-01-01\n"), settings=settings)
    assert take_snapshot(shop, {}).catalogue.tolist() == [True]


def test_items_that_come_later_are_unreachable(write_shop: Callable[..., Path], settings: Settings) -> None:
    rows = f"u,a,purchase,{START}\nu,b,purchase,{START + 9 * DAY_S}\nu,c,purchase,{START + 9 * DAY_S}\n"
    toml = TIMED.format(exclude_seen="true").replace('name = "Random"', "")
    folder = write_shop(
        toml, items__csv="id,day\na,\nb,2020-01-08\nc,2020-01-01\n", log__csv="user,item,event,time\n" + rows
    )
    split = window_split(load_shop(folder, settings=settings), {}, START + 5 * DAY_S, START + 30 * DAY_S)
    assert split.snapshot.catalogue.tolist() == [True, False, True]
    assert _truth(split) == {0: [2]}
    assert split.unreachable == 1


_EVENTS = st.tuples(
    st.integers(0, 5), st.integers(0, 5), st.sampled_from(["view", "purchase"]), st.integers(0, 40 * DAY_S)
)


def _random_shop(
    folder: Path, rows: list[tuple[int, int, str, int]], released: list[int], exclude_seen: bool, log: str = ""
) -> Shop:
    folder.mkdir(exist_ok=True)
    days = [(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day)).strftime("%Y-%m-%d") for day in released]
    (folder / "items.csv").write_text("id,day\n" + "".join(f"i{num},{day}\n" for num, day in enumerate(days)))
    lines = [f"u{user},i{item},{event},{START + time}\n" for user, item, event, time in rows]
    (folder / "log.csv").write_text(log or "user,item,event,time\n" + "".join(lines))
    (folder / "shop.toml").write_text(TIMED.format(exclude_seen=str(exclude_seen).lower()))
    return load_shop(folder, settings=Settings(cache_dir=folder, threads=1))


def _every_split(shop: Shop) -> list[Split]:
    splits = [window_split(shop, {}, START + 20 * DAY_S, shop.end)]
    attempts: list[Callable[[], list[Split]]] = [
        lambda: list(rolling_splits(shop, {}, windows=2, window_days=7)),
        lambda: [temporal_split(shop, {}, test_share=0.3)],
        lambda: [last_out_split(shop, {})],
        lambda: [random_split(shop, {}, test_share=0.4, seed=1)],
    ]
    for attempt in attempts:
        try:
            splits += attempt()
        except EvaluationError:  # too little to ask for: a fair answer
            continue
    snapshot = take_snapshot(shop, {})
    return [*splits, *earlier_splits(snapshot, windows=3, window_days=5), held_out_split(snapshot, share=0.4)]


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(_EVENTS, min_size=1, max_size=40),
    released=st.lists(st.integers(0, 40), min_size=6, max_size=6),
    exclude_seen=st.booleans(),
)
def test_nothing_leaks(rows: list[tuple[int, int, str, int]], released: list[int], exclude_seen: bool) -> None:
    with TemporaryDirectory() as folder:
        shop = _random_shop(Path(folder), rows, released, exclude_seen)
    for split in _every_split(shop):
        snapshot = split.snapshot
        past = snapshot.interactions
        assert not (past["timestamp"] >= snapshot.now).any()
        days = shop.items["released_at"].to_numpy()
        assert (snapshot.catalogue == (days <= snapshot.now)).all()
        sold = past.filter(pl.col("event").is_in([int(event) for event in shop.target_events]))
        assert set(np.flatnonzero(split.ever_sold).tolist()) == set(sold["item_num"].to_list())
        assert len(set(split.user_nums.tolist())) == len(split.user_nums)
        known = set(past["user_num"].to_list())
        for user, truth in zip(split.user_nums.tolist(), split.truth, strict=True):
            assert user in known
            assert len(truth) == len(set(truth.tolist())) > 0
            assert snapshot.catalogue[truth].all()
            seen = set(sold.filter(pl.col("user_num") == user)["item_num"].to_list())
            assert not (exclude_seen and seen & set(truth.tolist()))


@hypothesis_settings(max_examples=20, deadline=None)
@given(rows=st.lists(_EVENTS, min_size=1, max_size=40), now=st.integers(1, 40 * DAY_S))
def test_the_past_never_depends_on_the_future(rows: list[tuple[int, int, str, int]], now: int) -> None:
    """A snapshot of the whole log equals that of a log that ended then."""
    early = [row for row in rows if row[3] < now] or [(0, 0, "view", 0)]
    with TemporaryDirectory() as folder:
        whole = _random_shop(Path(folder), [*early, *(row for row in rows if row[3] >= now)], [0] * 6, True)
        cut = _random_shop(Path(folder), early, [0] * 6, True)
    past = take_snapshot(whole, {}, now=START + now).interactions
    assert past.equals(cut.interactions)


def test_asking_ignores_other_events(log_shop: Load) -> None:
    shop = log_shop(LOG)
    snapshot = take_snapshot(shop, {}, now=START + 5 * DAY_S)
    views = shop.interactions.with_columns(event=pl.lit(int(Event.VIEW), dtype=pl.UInt8))
    assert _truth(ask("views", snapshot, views)) == {}


@hypothesis_settings(max_examples=60, deadline=None)
@given(pasts=st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=5), number=st.integers(0, 7))
def test_the_newest_events_are_the_last_ones(pasts: list[list[int]], number: int) -> None:
    cut = newest_events(Histories.from_lists(pasts, now=9), number)
    assert [cut.of(row).tolist() for row in range(len(cut))] == [past[max(len(past) - number, 0) :] for past in pasts]
    assert len(cut.events) == len(cut.timestamps) == len(cut.item_nums)


@hypothesis_settings(max_examples=30, deadline=None)
@given(rows=st.lists(_EVENTS, min_size=1, max_size=40), held=st.lists(st.booleans(), min_size=6, max_size=6))
def test_who_is_kept_out_changes_nothing_for_the_others(
    rows: list[tuple[int, int, str, int]], held: list[bool]
) -> None:
    """The log that is left equals that of a shop where they never were; what they know is all of their own past."""
    with TemporaryDirectory() as folder:
        shop = _random_shop(Path(folder), rows, [0] * 6, True)
    split = window_split(shop, {}, START + 20 * DAY_S, shop.end)
    marked = np.array(held)[[int(name[1:]) for name in shop.users["user_id"]]]
    asked = keep_out(split, marked)
    left = asked.snapshot.interactions
    assert left.equals(split.snapshot.interactions.filter(~pl.Series(marked[split.snapshot.interactions["user_num"]])))
    assert set(asked.user_nums.tolist()) == {user for user in split.user_nums.tolist() if marked[user]}
    whole = split.histories()
    places = {user: row for row, user in enumerate(split.user_nums.tolist())}
    for row, user in enumerate(asked.user_nums.tolist()):
        assert asked.histories().of(row).tolist() == whole.of(places[user]).tolist()
        assert asked.truth[row].tolist() == split.truth[places[user]].tolist()
