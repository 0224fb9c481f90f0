from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.data.times import TimeColumn
from modaloom.errors import ColumnError

NOON = int(datetime(2020, 8, 25, 12, tzinfo=UTC).timestamp())
DAY = int(datetime(2020, 8, 25, tzinfo=UTC).timestamp())
NAT = -(2**63)


def seconds(cells: list[object], date_format: str | None = None, zone: str | None = None) -> list[int | None]:
    """The times of a column; every cell that was there is a time, bad, or stands for none."""
    series = pl.Series("t", cells)
    times = TimeColumn("t", date_format, zone).read(series)
    there = [cell is not None and str(cell).strip() != "" for cell in cells]
    known = times.seconds.is_not_null().to_list()
    assert [a or b or c for a, b, c in zip(known, times.bad.tolist(), times.never.tolist(), strict=True)] == there
    return times.seconds.to_list()


@pytest.mark.parametrize(
    "cell",
    [
        "2020-08-25 12:00", "2020-08-25 12:00:00", "2020-08-25T12:00:00Z", "2020-08-25T12:00:00.123Z",
        "2020-08-25T20:00:00+08:00", "2020-08-25T20:00:00 +08", "2020-08-25 07:00:00-0500", "2020-08-25 12:00:00 UTC",
        "2020-08-25 12:00:00.123456 UTC", "2020-08-25T14:00+02:00[Europe/Berlin]", "2020/08/25 12:00",
        "25.08.2020 12:00",
        "Tue, 25 Aug 2020 14:00:00 +0200", "Tue Aug 25 2020 14:00:00 GMT+0200 (Central European Summer Time)",
        "2020年08月25日 12:00", "20200825120000", "202008251200", "20200825T120000", "2020-08-25 12:00:00 PM",
        "25/08/2020 12:00", "08/25/2020 12:00 PM", str(NOON), str(NOON * 10**3), str(NOON * 10**6), str(NOON * 10**9),
        f"{NOON}.25", NOON, NOON * 1000, float(NOON * 1000),
    ],
)  # fmt: skip
def test_times_are_guessed(cell: object) -> None:
    assert seconds([cell, None]) == [NOON, None]


@pytest.mark.parametrize("cell", ["2020-08-25", "20200825", "2020/08/25", "25.08.2020", 20200825])
def test_days_are_guessed(cell: object) -> None:
    assert seconds([cell, None]) == [DAY, None]


@pytest.mark.parametrize(
    ("cell", "pattern", "moment"),
    [
        ("25.08.2020", "%d.%m.%Y", DAY), ("08/25/2020 12:00 PM", "%m/%d/%Y %I:%M %p", NOON),
        ("2020-08-25 20:00 +0800", "%Y-%m-%d %H:%M %z", NOON), ("2020-08-25 12:00:00", "%F %T", NOON),
        (str(NOON), "s", NOON), (str(NOON * 1000 + 999), "ms", NOON), (str(NOON * 10**6), "us", NOON),
    ],
)  # fmt: skip
def test_times_with_a_format(cell: str, pattern: str, moment: int) -> None:
    assert seconds([cell, "31.13.2020"], pattern) == [moment, None]


@pytest.mark.parametrize(
    "cell", [str(NAT), NAT, 0, "0", "0000-00-00 00:00:00", "9999-12-31", "0001-01-01T00:00:00", NAT // 10**9]
)
def test_what_stands_for_no_time_is_missing(cell: object) -> None:
    good = NOON if isinstance(cell, int) or str(cell).lstrip("-").isdecimal() else "2020-08-25 12:00:00"
    times = TimeColumn("t").read(pl.Series([good if isinstance(cell, int) else str(good)] * 3 + [cell]))
    assert times.seconds.to_list() == [NOON] * 3 + [None]
    assert times.never.tolist() == [False] * 3 + [True]
    assert not times.bad.any()


def test_a_column_has_one_unit() -> None:
    assert seconds([str(NOON * 1000)] * 3 + [str(NOON)]) == [NOON] * 3 + [None]
    assert seconds([NOON] * 3 + [NOON * 10**6]) == [NOON] * 3 + [None]
    assert seconds(["1e300", str(NOON)], "s") == [None, NOON]
    column = TimeColumn("t")
    assert column.read(pl.Series([NOON * 1000])).seconds.to_list() == [NOON]
    assert column.read(pl.Series([NOON])).bad.tolist() == [True]


def test_a_shops_own_zone() -> None:
    assert seconds(["2020-08-25 14:00:00", "2020-08-25T12:00:00Z"], zone="Europe/Berlin") == [NOON, NOON]
    assert seconds([datetime(2020, 8, 25, 20)], zone="Asia/Shanghai") == [NOON]
    skipped = int(datetime(2024, 3, 31, 1, 30, tzinfo=UTC).timestamp())
    assert seconds(["2024-03-31 02:30:00"], zone="Europe/Berlin") == [skipped]


def test_day_and_month_are_told_apart_by_the_column_or_asked_about() -> None:
    assert seconds(["03/04/2020", "25/08/2020"])[1] == DAY
    assert seconds(["03/04/2020", "08/25/2020"])[1] == DAY
    assert seconds(["03/04/2020", "25/08/2020"])[0] != seconds(["03/04/2020", "08/25/2020"])[0]
    for cells in (["03/04/2020", "05/06/2020"], ["13/04/2020", "04/13/2020"]):
        with pytest.raises(ColumnError, match=r"'03/04/2020'|'13/04/2020'.*date_format"):
            seconds(list(cells))


@pytest.mark.parametrize("pattern", ["%d.%m.%Y", "s", None])
def test_real_dates_need_no_format(pattern: str | None) -> None:
    for cells in ([date(2020, 8, 25)], [datetime(2020, 8, 25)], [datetime(2020, 8, 25, tzinfo=UTC)]):
        assert seconds(list(cells), pattern) == [DAY]


def test_what_is_no_time_is_bad() -> None:
    for cells in (["soon"], [timedelta(days=1)], ["2020-13-45"], [True], ["2024-02-30 10:00"]):
        times = TimeColumn("t").read(pl.Series(cells))
        assert times.bad.tolist() == [True]


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["", "Z", "+00:00", " UTC"]))
def test_any_iso_time_is_read(moment: datetime, zone: str) -> None:
    whole = moment.replace(microsecond=0)
    assert seconds([whole.isoformat() + zone]) in ([int(whole.replace(tzinfo=UTC).timestamp())], [None])
    assert seconds([whole.strftime("%Y-%m-%d %H:%M:%S") + zone])[0] in (
        int(whole.replace(tzinfo=UTC).timestamp()),
        None,
    )


@given(st.lists(st.none() | st.text("0123456789-/:.TZ +eE", max_size=22), max_size=20))
def test_any_text_is_read_null_or_bad(cells: list[str | None]) -> None:
    for pattern in (None, "%Y-%m-%d", "ms"):
        try:
            seconds(list(cells) or [None], pattern)
        except ColumnError:
            continue
