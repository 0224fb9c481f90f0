from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.data.cells import to_text, to_time

NOON = int(datetime(2020, 8, 25, 12, tzinfo=UTC).timestamp())
DAY = int(datetime(2020, 8, 25, tzinfo=UTC).timestamp())


def test_text_is_trimmed_and_empty_is_null() -> None:
    assert to_text(pl.Series([" a ", "", "  ", None, "裙子"])).to_list() == ["a", None, None, None, "裙子"]


def test_text_of_lists_is_joined() -> None:
    assert to_text(pl.Series([["a", None, "b"], [], None])).to_list() == ["a b", None, None]


def test_text_of_categories_and_numbers() -> None:
    assert to_text(pl.Series(["x", None], dtype=pl.Categorical)).to_list() == ["x", None]
    assert to_text(pl.Series([5, None])).to_list() == ["5", None]


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("2020-08-25", DAY),
        ("20200825", DAY),
        ("2020/08/25", DAY),
        ("2020-08-25 12:00", NOON),
        ("2020-08-25 12:00:00", NOON),
        ("2020-08-25T12:00:00Z", NOON),
        ("2020-08-25T12:00:00.123Z", NOON),
        ("2020-08-25T20:00:00+08:00", NOON),
        ("2020-08-25 07:00:00-0500", NOON),
        (str(NOON), NOON),
        (str(NOON * 1000), NOON),
        (f"{NOON}.25", NOON),
    ],
)
def test_times_are_guessed(cell: str, seconds: int) -> None:
    times, bad = to_time(pl.Series("t", [cell, None, "  "]), None)
    assert times.to_list() == [seconds, None, None]
    assert not bad.any()


def test_mixed_times_are_read_one_by_one() -> None:
    times, bad = to_time(pl.Series([str(NOON), "2020-08-25", "soon", None]), None)
    assert times.to_list() == [NOON, DAY, None, None]
    assert bad.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("cell", "pattern", "seconds"),
    [
        ("25.08.2020", "%d.%m.%Y", DAY),
        ("08/25/2020 12:00 PM", "%m/%d/%Y %I:%M %p", NOON),
        ("2020-08-25 20:00 +0800", "%Y-%m-%d %H:%M %z", NOON),
        ("2020-08-25 12:00:00", "%F %T", NOON),
        (str(NOON), "s", NOON),
        (str(NOON * 1000 + 999), "ms", NOON),
    ],
)
def test_times_with_a_format(cell: str, pattern: str, seconds: int) -> None:
    times, bad = to_time(pl.Series([cell, "31.13.2020"]), pattern)
    assert times.to_list() == [seconds, None]
    assert bad.tolist() == [False, True]


@pytest.mark.parametrize("pattern", ["%d.%m.%Y", "s", None])
def test_real_dates_need_no_format(pattern: str | None) -> None:
    for cells in ([date(2020, 8, 25)], [datetime(2020, 8, 25)], [datetime(2020, 8, 25, tzinfo=UTC)]):
        times, bad = to_time(pl.Series(cells), pattern)
        assert times.to_list() == [DAY]
        assert not bad.any()


def test_a_number_beyond_all_dates_is_bad() -> None:
    for cells in (pl.Series(["1e300", str(NOON)]), pl.Series([1e300, float(NOON)])):
        times, bad = to_time(cells, "s")
        assert times.to_list() == [None, NOON]
        assert bad.tolist() == [True, False]


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))
def test_any_iso_time_is_read(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    times, _ = to_time(pl.Series([whole.isoformat()]), None)
    assert times.to_list() == [int(whole.replace(tzinfo=UTC).timestamp())]


@given(st.lists(st.none() | st.text(max_size=12), max_size=20))
def test_any_text_is_either_read_null_or_bad(cells: list[str | None]) -> None:
    series = pl.Series(cells, dtype=pl.String)
    text = to_text(series)
    for values, bad in (to_time(series, None), to_time(series, "%Y-%m-%d")):
        assert len(values) == len(bad) == len(cells)
        assert (values.is_null().to_numpy() == (text.is_null().to_numpy() | bad)).all()


def test_dates_written_as_whole_numbers() -> None:
    assert to_time(pl.Series([20200825, None]), "%Y%m%d")[0].to_list() == [DAY, None]
    assert to_time(pl.Series([NOON, NOON * 1000, None]), None)[0].to_list() == [NOON, NOON, None]
