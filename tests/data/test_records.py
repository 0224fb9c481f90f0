from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from modaloom.data.records import RecordColumns, column_of, parse_path

ORDER = {"user": {"id": 7}, "products": [{"sku": "a", "n": 1, "tags": ["x", "y"]}, {"sku": "b"}], "a.b": "plain"}


def rows(record: dict[str, Any], *paths: str, lists: tuple[str, ...] = ()) -> list[list[Any]]:
    return [*RecordColumns(paths, paths, lists).rows(record)]


def test_a_dotted_path_goes_down() -> None:
    assert rows(ORDER, "user.id", "user.name", "nowhere.id", "a.b") == [[7, None, None, "plain"]]


def test_a_list_makes_rows() -> None:
    assert rows(ORDER, "user.id", "products[].sku", "products[].n") == [[7, "a", 1], [7, "b", None]]
    assert rows({"user": {"id": 7}, "products": []}, "user.id", "products[].sku") == [[7, None]]
    assert rows({"user": {"id": 7}}, "user.id", "products[].sku") == [[7, None]]
    assert rows({"products": {"sku": "a"}}, "products[].sku") == [["a"]]


def test_lists_that_make_no_rows_stay_in_their_cell() -> None:
    columns = RecordColumns(("id", "images[].src", "tags"), ("id",), ("images[].src",))
    record = {"id": 1, "images": [{"src": "1.jpg"}, {"src": "2.jpg"}], "tags": ["new", "red"]}
    assert [*columns.rows(record)] == [[1, "1.jpg\n2.jpg", "new red"]]
    assert columns.found == {"id", "images[].src", "tags"}


def test_an_element_by_its_key() -> None:
    record = {"params": [{"key": "page", "value": {"text": "home"}}, {"key": "term", "value": {"text": "red"}}]}
    assert rows(record, "params[key=term].value.text", "params[key=none].value.text") == [["red", None]]


@pytest.mark.parametrize("path", ["In stock?", "a..b", ".a", "a[", "[]", "Body (HTML)"])
def test_what_is_no_path_is_a_name(path: str) -> None:
    assert [step.name for step in parse_path(path)] == [path] or path == "Body (HTML)"
    assert rows({path: 1}, path) == [[1]]


def test_columns_keep_their_kind() -> None:
    assert column_of("x", [1, None, 2]).dtype == pl.Int64
    assert column_of("x", [1, 2.5]).dtype == pl.Float64
    assert column_of("x", [True, None]).to_list() == ["true", None]
    assert column_of("x", [1, "a", 2.5]).to_list() == ["1", "a", "2.5"]
    assert column_of("x", [2**70]).to_list() == [str(2**70)]
    assert column_of("x", [datetime(2024, 1, 2)]).dtype == pl.Datetime("us")
    assert column_of("x", [None]).dtype == pl.String
    with pytest.raises(UnicodeEncodeError):
        column_of("x", ["\ud83d"])
