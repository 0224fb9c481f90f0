"""Times as shops write them. How a column writes them is decided once, from its first cells that tell.

Text times are ISO 8601 in all its spellings, slashed and dotted dates, and what web logs and feeds write; numbers are
seconds, milliseconds, microseconds or nanoseconds since 1970, by the size that is usual in the column.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from modaloom.data.cells import to_text
from modaloom.data.numbers import NumberColumn
from modaloom.errors import ColumnError
from modaloom.types import BoolArray

UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Ticks of a second."""
_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M",
    "%Y.%m.%d %H:%M:%S", "%Y.%m.%d", "%Y.%m.%d %H:%M", "%Y%m%dT%H%M%S", "%Y%m%d %H%M%S",
    "%Y年%m月%d日", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日 %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p",
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%d %b %Y %H:%M:%S", "%d %b %Y", "%b %d %Y %H:%M:%S", "%b %d, %Y", "%d-%b-%Y %H:%M:%S", "%d-%b-%Y",
)  # fmt: skip
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Dates written as one number, by its number of digits."""
_DAY_OR_MONTH = r"^(\d{1,2})([/-])(\d{1,2})[/-](\d{4})(.*)$"
_ZONE = (
    r"\s*(?P<zone>Z|UTC?|GMT|(?:UTC|GMT)?\s*[+\-−]\d\d?(?::?\d\d)?(?::\d\d)?)"
    r"(?:\s*\[[\w/+-]+\]|\s*\([^)]*\))?$"
)
_CLOCK_ZONE = r"(?i)(\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:\s*[AP]M)?)" + _ZONE
_TIME_DIRECTIVES = ("%H", "%I", "%T", "%R", "%k", "%l", "%s", "%r", "%X", "%c", "%+")
_NEVER_TEXT = (
    r"^(?:(?:0000-00-00|0001-01-01|9999-12-31|1900-01-0[01]).*"
    r"|1970-01-01[T ]00:00:00(?:\.0+)?Z?|0|-9223372036854775808)$"
)
_SMALLEST_INT = -(2**63)
_FIRST_S, _LAST_S = -2_208_988_800, 253_402_300_799  # 1900 to 9999
_EARLIEST_LOG = 10**8
"""A number of ticks that stands for less than 1973 tells no unit."""


class Times(NamedTuple):
    """One column of times, or a batch of it."""

    seconds: pl.Series
    """Int64 seconds since 1970 UTC; null where a cell is missing or bad."""
    bad: BoolArray
    """Which cells were there but are no time."""
    never: BoolArray
    """Which cells hold what tools write for no time at all: ``0000-00-00``, NaT as a number, 0."""


class TimeColumn:
    """One column of times, read batch by batch; what one batch decides holds for those that follow."""

    def __init__(self, column: str, date_format: str | None = None, zone: str | None = None, where: str = "the file"):
        """``date_format`` and ``zone`` (for times that name none) are what shop.toml says."""
        self.column = column
        self.zone = zone
        self.unit: str | None = date_format if date_format in UNITS else None
        self._format = None if date_format in UNITS else date_format
        self._where = where
        self._formats = list(_FORMATS)
        self._day_first: bool | None = None
        self._guessed = False

    def read(self, cells: pl.Series) -> Times:
        """The times of a batch.

        Raises:
            ColumnError: every date could be day or month first, and reading them either way would be a guess.
        """
        if cells.dtype in (pl.Date, pl.Datetime):
            return self._real(cells)
        if cells.dtype.is_numeric():
            if self._format is not None:  # 20200825 as a number
                return self._text(cells.cast(pl.Int64, strict=False).cast(pl.String))
            return self._ticks(cells, cells.is_not_null())
        text = to_text(cells)
        if self.unit is not None:
            return self._ticks(text, text.is_not_null())
        return self._text(text)

    def _real(self, cells: pl.Series) -> Times:
        naive = cells.dtype == pl.Date or getattr(cells.dtype, "time_zone", None) is None
        moments = (
            cells.cast(pl.Datetime("ms")) if naive else cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        )
        seconds = (self._to_utc(moments) if naive else moments).dt.epoch("s")
        return _within(seconds, cells.is_not_null(), (cells.is_null() & False).to_numpy())

    def _ticks(self, cells: pl.Series, there: pl.Series) -> Times:
        """Numbers since 1970, all in one unit; also dates that are written as numbers (20200825)."""
        ticks = cells if cells.dtype.is_integer() else NumberColumn(self.column, ".").read(cells).values
        sizes = ticks.cast(pl.Float64).abs()
        if self.unit is None:
            if self._compact(sizes):
                whole = ticks.cast(pl.Int64, strict=False).cast(pl.String)
                return self._text(pl.select(pl.when(ticks != 0).then(whole)).to_series())
            self.unit = _unit_of(sizes)
            self._guessed = self.unit is not None
        scale = UNITS[self.unit or "s"]
        never = ((ticks == 0) | _nat_in_larger_units(ticks)).fill_null(False)
        seconds = ticks // scale if ticks.dtype.is_integer() else (ticks / scale).floor()
        if self._guessed:  # a number in another unit than its column's would be a day in January 1970
            seconds = pl.select(pl.when(sizes > _EARLIEST_LOG * scale).then(seconds)).to_series()
        seconds = pl.select(pl.when(~never).then(seconds.cast(pl.Int64, strict=False))).to_series()
        return _within(seconds, there, never.to_numpy())

    def _compact(self, sizes: pl.Series) -> bool:
        """Whether a column of numbers holds dates such as 20200825 or 20200825120000."""
        middle = sizes.filter(sizes > 0).median()
        if not isinstance(middle, float):
            return False
        digits = len(f"{middle:.0f}")
        if digits not in _COMPACT:
            return False
        text = sizes.filter(sizes > 0).cast(pl.Int64, strict=False).cast(pl.String).drop_nulls().head(1000)
        if not _mostly_dates(text, _COMPACT[digits]):
            return False
        self._format = _COMPACT[digits]
        return True

    def _text(self, text: pl.Series) -> Times:
        never = text.str.contains(_NEVER_TEXT).fill_null(False)
        there, text = text.is_not_null(), pl.select(pl.when(~never).then(text)).to_series()
        if self._format is not None:
            parsed = _strptime(text, self._format)
            aware = "%z" in self._format or "%+" in self._format
            return _within((parsed if aware else self._to_utc(parsed)).dt.epoch("s"), there, never.to_numpy())
        numbers = text.str.contains(r"^-?\d+(?:\.\d+)?$").fill_null(False)
        if numbers.sum() > 0.5 * (len(text) - text.null_count()):
            return self._ticks_of_text(text, there, never)
        seconds = self._dates(text)
        return _within(seconds, there, never.to_numpy())

    def _ticks_of_text(self, text: pl.Series, there: pl.Series, never: pl.Series) -> Times:
        whole = text.str.replace(r"\.0*$", "")
        exact = whole.cast(pl.Int64, strict=False)
        fine = exact.null_count() == whole.null_count()
        times = self._ticks(exact if fine else text, there)
        return Times(times.seconds, times.bad & ~never.to_numpy(), times.never | never.to_numpy())

    def _dates(self, text: pl.Series) -> pl.Series:
        """Seconds of written dates and times; null where no way of writing fits."""
        zoned = text.str.extract(_CLOCK_ZONE, 2)
        plain = text
        if zoned.null_count() < len(zoned):
            plain = plain.str.replace(_CLOCK_ZONE, "$1")
        plain = plain.str.replace(r"(\d:\d\d)[.,]\d+", "$1")
        plain = plain.str.replace(r"^(\d{4}-\d\d-\d\d)[Tt_](\d)", "$1 $2")
        if plain.str.contains("^[A-Za-z]").any():
            plain = plain.str.replace(r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+", "")
        parsed = self._parsed(plain)
        offsets = _offsets(zoned)
        local = self._to_utc(parsed)
        moments = pl.select(pl.when(zoned.is_null()).then(local).otherwise(parsed - offsets)).to_series()
        return moments.dt.epoch("s").rename(text.name)

    def _parsed(self, plain: pl.Series) -> pl.Series:
        parsed = pl.Series(plain.name, [None], dtype=pl.Datetime("ms")).new_from_index(0, len(plain))
        for pattern in tuple(self._formats):
            found = _strptime(plain, pattern)
            if found.null_count() < len(found):
                if pattern != self._formats[0] and found.null_count() < 0.5 * len(found):
                    self._formats.remove(pattern)
                    self._formats.insert(0, pattern)
                parsed = pl.select(pl.coalesce(parsed, found)).to_series()
            if parsed.null_count() == plain.null_count():
                return parsed
        return self._slashed(plain, parsed)

    def _slashed(self, plain: pl.Series, parsed: pl.Series) -> pl.Series:
        """Dates such as 25/08/2020: whether the day or the month comes first is a matter of the whole column."""
        open_cells = pl.select(pl.when(parsed.is_null()).then(plain)).to_series()
        first = open_cells.str.extract(_DAY_OR_MONTH, 1).cast(pl.Int64)
        second = open_cells.str.extract(_DAY_OR_MONTH, 3).cast(pl.Int64)
        if first.null_count() == len(first):
            return parsed
        if self._day_first is None:
            day_first, month_first = int((first > 12).sum()), int((second > 12).sum())
            if bool(day_first) == bool(month_first):
                cell = open_cells.filter(first.is_not_null())[0]
                raise ColumnError(
                    f"{self.column!r} has dates such as {cell!r}, and nothing tells whether day or month comes first",
                    where=self._where,
                    hint='Say date_format = "%d/%m/%Y" or "%m/%d/%Y" in shop.toml (with %H:%M:%S for a time)',
                )
            self._day_first = day_first > 0
        order = "%d/%m/%Y" if self._day_first else "%m/%d/%Y"
        dates = open_cells.str.replace(_DAY_OR_MONTH, "$1/$3/$4$5")
        for clock in ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p"):
            parsed = pl.select(pl.coalesce(parsed, _strptime(dates, order + clock))).to_series()
        return parsed

    def _to_utc(self, moments: pl.Series) -> pl.Series:
        """Naive times in the shop's zone as naive times in UTC; an hour that is skipped in spring counts on."""
        if self.zone is None or self.zone == "UTC":
            return moments
        hour = pl.duration(hours=1)

        def localised(expression: pl.Expr) -> pl.Expr:
            zoned = expression.dt.replace_time_zone(self.zone, ambiguous="earliest", non_existent="null")
            return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)

        column = pl.lit(moments)
        return pl.select(pl.coalesce(localised(column), localised(column + hour))).to_series()


def _unit_of(sizes: pl.Series) -> str | None:
    """The unit in which the middle of the numbers lies between 1973 and 5138; None where there are no numbers."""
    middle = sizes.filter((sizes > _EARLIEST_LOG) & (sizes < 2.0**63)).median()
    if not isinstance(middle, float):
        return None
    return next((unit for unit, scale in UNITS.items() if middle < 10**11 * scale), "ns")


def _mostly_dates(text: pl.Series, pattern: str) -> bool:
    """Whether more than half of the cells are dates of our time in this format."""
    moments = _strptime(text, pattern)
    return int(moments.is_between(_moment(1950), _moment(2150)).sum()) > 0.5 * len(text)


def _nat_in_larger_units(ticks: pl.Series) -> pl.Series:
    """The smallest 64-bit number, which stands for no time, in nanoseconds or divided into larger units."""
    rounded = [-(2**63 // scale) - more for scale in UNITS.values() for more in (0, 1)]
    known = {float(number) for number in (_SMALLEST_INT, *rounded)}
    return ticks.cast(pl.Float64).is_in(list(known))


def _within(seconds: pl.Series, there: pl.Series, never: BoolArray) -> Times:
    """What lies outside of the years 1900 to 9999 is no time."""
    seconds = pl.select(pl.when(seconds.is_between(_FIRST_S, _LAST_S)).then(seconds.cast(pl.Int64))).to_series()
    bad = (there & seconds.is_null()).to_numpy() & ~never
    return Times(seconds, bad, np.asarray(never, dtype=bool))


def _moment(year: int) -> pl.Expr:
    return pl.datetime(year, 1, 1, time_unit="ms")


def _offsets(zoned: pl.Series) -> pl.Series:
    """``+08:00``, ``UTC+8`` or ``-0330`` as a duration; ``Z`` and ``UTC`` are none."""
    zoned = zoned.str.replace(r"(?i)^(?:UTC?|GMT|Z)\s*", "").str.replace("−", "-")
    sign = pl.select(pl.when(zoned.str.starts_with("-")).then(-1).otherwise(1)).to_series()
    hours = zoned.str.extract(r"^[+-](\d\d?)").cast(pl.Int64).fill_null(0)
    minutes = zoned.str.extract(r"^[+-]\d\d?:?(\d\d)").cast(pl.Int64).fill_null(0)
    return ((hours * 3600 + minutes * 60) * sign * 1000).cast(pl.Duration("ms"))


def _strptime(text: pl.Series, pattern: str) -> pl.Series:
    """Naive times, in UTC where the pattern has a zone; null where a cell does not follow the pattern."""
    if "%z" in pattern or "%+" in pattern:
        aware = text.str.strptime(pl.Datetime("ms", "UTC"), pattern, strict=False)
        return aware.dt.replace_time_zone(None)
    wanted = pl.Datetime("ms") if any(sign in pattern for sign in _TIME_DIRECTIVES) else pl.Date
    return text.str.strptime(wanted, pattern, strict=False).cast(pl.Datetime("ms"))


def no_times(name: str, rows: int) -> Times:
    """A column that a table does not have."""
    nothing = np.zeros(rows, dtype=bool)
    return Times(pl.Series(name, [None] * rows, dtype=pl.Int64), nothing, nothing)
