from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from modaloom.data import formats
from modaloom.data.problems import Problems
from modaloom.data.schema import FileSpec
from modaloom.data.tables import Reading, columns_of
from modaloom.errors import ColumnError, MissingExtraError, ShopError


def read(root: Path, spec: FileSpec, *columns: str) -> list[tuple[object, ...]]:
    return [row for batch in Reading(root, spec, columns, Problems()).batches() for row in batch.frame.iter_rows()]


def lines(root: Path, spec: FileSpec, *columns: str) -> list[int]:
    return [line for batch in Reading(root, spec, columns, Problems()).batches() for line in batch.lines.tolist()]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("odd", ["", '"q, r",s\n', "1\n", "1,2,3\n", "\n"])
def test_blocks_and_cells_are_read_alike(
    tmp_path: Path, odd: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read the same whether its lines go through Polars at once or one by one."""
    monkeypatch.setattr(formats, "BLOCK_LETTERS", 40)
    text = (
        "x,y\n" + "".join(f"a{n},b{n}\n" for n in range(20)) + odd + "".join(f"c{n},d{n}\n" for n in range(9)) + "e,f"
    )
    (tmp_path / "a.csv").write_bytes(text.replace("\n", ending).encode())
    fast = read(tmp_path, FileSpec(file="a.csv"), "y", "x"), lines(tmp_path, FileSpec(file="a.csv"), "x")
    monkeypatch.setattr(formats, "_plain_frame", lambda *_, **__: None)
    slow = read(tmp_path, FileSpec(file="a.csv"), "y", "x"), lines(tmp_path, FileSpec(file="a.csv"), "x")
    assert fast == slow
    assert fast[0][-1] == ("f", "e")


def test_a_name_that_is_there_twice_is_refused_where_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,price,price\n1,2,3\n")
    with pytest.raises(ColumnError, match=r"2 columns are called 'price' \(the columns 2, 3\)"):
        read(tmp_path, FileSpec(file="a.csv"), "price")
    assert read(tmp_path, FileSpec(file="a.csv"), "id") == [("1",)]


def test_parquet_with_records_and_odd_kinds(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2], "goods": [[{"sku": "a"}, {"sku": "b"}], []], "raw": [b"x\xff", None]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path, FileSpec(file="a.parquet"), "id", "goods[].sku") == [(1, "a"), (1, "b"), (2, None)]
    assert read(tmp_path, FileSpec(file="a.parquet"), "raw") == [("x\ufffd",), (None,)]


def test_workbooks_need_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'modaloom\[xlsx\]'"):
        read(tmp_path, FileSpec(file="a.xlsx"), "id")


def test_workbooks(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["id", "name", "price", "day"])
    book.active.append([1003, "Hat", 39.9, datetime(2024, 1, 5)])
    book.active.append([None, None, None, None])
    book.active.append([1004, "Cap", 5, None])
    book.create_sheet("more").append(["x"])
    book.save(tmp_path / "a.xlsx")
    spec = FileSpec(file="a.xlsx")
    assert read(tmp_path, spec, "price", "id", "day") == [(39.9, 1003, datetime(2024, 1, 5)), (5.0, 1004, None)]
    assert lines(tmp_path, spec, "id") == [2, 4]
    assert columns_of(spec, tmp_path) == ["id", "name", "price", "day"]
    with pytest.raises(ShopError, match=r"no sheet 'none'.*'Sheet', 'more'"):
        read(tmp_path, FileSpec(file="a.xlsx", sheet="none"), "id")
    (tmp_path / "b.xlsx").write_bytes(b"no workbook")
    with pytest.raises(ShopError, match="not a readable workbook"):
        read(tmp_path, FileSpec(file="b.xlsx"), "id")
