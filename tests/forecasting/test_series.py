"""Series from files: wide and long, CSV and Parquet, and what is said about files that cannot be used."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modaloom.errors import SeriesFileError
from modaloom.forecasting.contract import SeriesSet
from modaloom.forecasting.series import LongColumns, read_series

NAN = np.nan
WEEKLY = "date,red,blue\n2025-01-06,1,2\n2025-01-13,3,\n2025-01-27,5,6\n"
LONG = "date,name,value\n2025-01-06,red,1\n2025-01-13,red,3\n2025-01-06,blue,2\n2025-01-27,red,5\n2025-01-27,blue,6\n"


def write(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def check(series: SeriesSet) -> None:
    assert series.names == ("red", "blue")
    assert (series.start, series.step_days) == (date(2025, 1, 6), 7)
    np.testing.assert_array_equal(series.values, [[1, 3, NAN, 5], [2, NAN, NAN, 6]])


@pytest.mark.parametrize(
    "text",
    [
        WEEKLY,
        LONG,
        "\ufeff" + WEEKLY,
        WEEKLY.replace(",", ";"),
        WEEKLY.replace(",", "\t"),
        WEEKLY.replace("2025-01-06", "2025/01/06").replace("2025-01-27", "20250127"),
        WEEKLY.replace("2025-01-06", "06.01.2025").replace("2025-01-27", "2025-01-27T00:00:00Z"),
        WEEKLY.replace("date", "").replace("3,\n", "3,NaN\n"),
        WEEKLY.replace("\n", "\r\n"),
        "\n".join([WEEKLY.splitlines()[0], *reversed(WEEKLY.splitlines()[1:])]),
        LONG.replace("date,name,value", "ds,unique_id,y"),
    ],
)
def test_one_table_in_many_ways(tmp_path: Path, text: str) -> None:
    check(read_series(write(tmp_path, text)))


def test_parquet_is_read_too(tmp_path: Path) -> None:
    frame = pl.read_csv(write(tmp_path, WEEKLY), try_parse_dates=True)
    frame.write_parquet(tmp_path / "a.parquet")
    check(read_series(tmp_path / "a.parquet"))


def test_columns_of_a_long_table_by_name(tmp_path: Path) -> None:
    text = LONG.replace("date,name,value", "when,which,how_much")
    check(read_series(write(tmp_path, text), columns=LongColumns("which", "when", "how_much")))
    with pytest.raises(SeriesFileError, match=r"no column 'what'.*It has: when, which"):
        read_series(write(tmp_path, text), columns=LongColumns("what", "when", "how_much"))


def test_without_times_every_column_is_a_series(tmp_path: Path) -> None:
    series = read_series(write(tmp_path, "a,b\n1,2\n3,4\n"))
    assert series.names == ("a", "b")
    assert series.start is None
    np.testing.assert_array_equal(series.values, [[1, 3], [2, 4]])


def test_an_empty_row_is_unknown_and_empty_lines_are_nothing(tmp_path: Path) -> None:
    series = read_series(write(tmp_path, "a,b\n1,2\n,\n\n  \n3,4\n,\n\n"))
    np.testing.assert_array_equal(series.values, [[1, NAN, 3], [2, NAN, 4]])


def test_a_running_number_has_gaps_and_no_days(tmp_path: Path) -> None:
    series = read_series(write(tmp_path, "week,a\n3,1\n4,2\n6,3\n"))
    assert series.start is None
    np.testing.assert_array_equal(series.values, [[1, 2, NAN, 3]])


def test_days(tmp_path: Path) -> None:
    series = read_series(write(tmp_path, "day,a\n2025-01-01,1\n2025-01-02,2\n2025-01-04,3\n"))
    assert series.step_days == 1
    np.testing.assert_array_equal(series.values, [[1, 2, NAN, 3]])


def test_decimal_commas_and_thousands(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_series(write(tmp_path, "a;b\n0,5;1.000,25\n")).values, [[0.5], [1000.25]])
    np.testing.assert_array_equal(read_series(write(tmp_path, 'a,b\n"1,000",2.5\n')).values, [[1000], [2.5]])


def test_one_date_is_one_step(tmp_path: Path) -> None:
    assert read_series(write(tmp_path, "date,a\n2025-01-01,1\n")).length == 1


def test_a_second_signal_is_matched_by_name_and_date(tmp_path: Path) -> None:
    aux = write(tmp_path, "date,blue,other,red\n2024-12-30,0,0,0\n2025-01-06,20,0,10\n2025-01-13,40,0,30\n", "b.csv")
    series = read_series(write(tmp_path, WEEKLY), aux=aux)
    assert series.aux is not None
    np.testing.assert_array_equal(series.aux, [[10, 30, NAN, NAN], [20, 40, NAN, NAN]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("date,red\n2025-01-06,1\n2025-01-13,1\n", "1 series are missing: blue"),
        ("date,red,blue\n2025-01-07,1,1\n2025-01-14,1,1\n", "between those"),
        ("date,red,blue\n2025-01-06,1,1\n2025-01-07,1,1\n", "steps are 1 days, not 7"),
        ("red,blue\n1,1\n", "1 steps, the series have 4"),
    ],
)
def test_second_signals_that_do_not_match(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SeriesFileError, match=says):
        read_series(write(tmp_path, WEEKLY), aux=write(tmp_path, text, "b.csv"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("a,b\n", "no rows"),
        ("date\n2025-01-01\n", "no series"),
        ("a,a\n1,2\n", r"line 1: two columns are called 'a'"),
        ("a,b\n1,2\n3\n", r"line 3: 1 cells, the first line has 2"),
        ("date,a\n2025-01-01,1\n2025-01-02,one\n", r"line 3, column 'a': 'one' is no number.*empty"),
        ("a,b\n1,inf\n", r"line 2, column 'b': the value is infinite"),
        ("date,a\n2025-01-01,1\nyesterday,2\n", r"line 3, column 'date': 'yesterday' is no date"),
        ("date,a\nfirst,1\n", r"line 2, column 'date': 'first' is neither"),
        ("date,a\n2025-01-01,1\n2025-01-08,2\n2025-01-08,3\n", r"line 4, column 'date': '2025-01-08' comes twice"),
        ("date,a\n2025-01-31,1\n2025-02-28,2\n2025-03-31,3\n", "whole number of steps.*--season 12"),
        ("date,a\n0202-01-01,1\n2025-01-01,1\n2025-01-02,1\n2025-01-03,1\n", "steps after the first date"),
        ("week,a\n1,1\n999999999,2\n", "too far from 1"),
        ('a,b\n1,"' + 200_000 * "2", "line 2: the cells cannot be told apart.*quotes"),
        ("date,name,value\n2025-01-06,,1\n", r"line 2, column 'name': the name is empty"),
        ("date,name,value\n2025-01-06,a,1\n2025-01-06,a,2\n", "line 3.*two values for one step"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, request: pytest.FixtureRequest, text: str, says: str) -> None:
    before = csv.field_size_limit(131_072)  # some library may have raised what holds for the whole process
    request.addfinalizer(lambda: csv.field_size_limit(before))
    with pytest.raises(SeriesFileError, match=says):
        read_series(write(tmp_path, text))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SeriesFileError, match="no such file"):
        read_series(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(SeriesFileError, match="not UTF-8"):
        read_series(tmp_path / "a.csv")
    (tmp_path / "a.parquet").write_bytes(b"nothing")
    with pytest.raises(SeriesFileError, match="damaged"):
        read_series(tmp_path / "a.parquet")


def test_one_notation_for_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("step;a;b\n0;1,5;1.299\n1;2,25;7\n")
    assert read_series(file).values.tolist() == [[1.5, 2.25], [1299, 7]]
    file.write_text("step;a;b\n0;1.5;1.299\n1;2.25;7\n")
    assert read_series(file).values.tolist() == [[1.5, 2.25], [1.299, 7]]
    file.write_text("step,a\n0,1.299\n1,2.499\n")
    with pytest.raises(SeriesFileError, match=r"'1\.299' can be read both ways.*--decimal"):
        read_series(file)
    assert read_series(file, decimal=",").values.tolist() == [[1299, 2499]]
    assert read_series(file, decimal=".").values.tolist() == [[1.299, 2.499]]
