from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from modaloom.data import documents, formats
from modaloom.data.problems import Problems
from modaloom.data.schema import ExtractSpec, FileSpec
from modaloom.data.tables import Reading, columns_of
from modaloom.errors import ColumnError, ShopError, ShopNotFoundError


def _reading(root: Path, spec: FileSpec, *columns: str) -> Reading:
    return Reading(root, spec, columns, Problems())


def _all(reading: Reading) -> list[tuple[object, ...]]:
    return [row for batch in reading.batches() for row in batch.frame.iter_rows()]


def _lines(reading: Reading) -> list[int]:
    return [line for batch in reading.batches() for line in batch.lines.tolist()]


def test_columns_are_picked_by_name_in_the_order_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n4,5,6\n")
    reading = _reading(tmp_path, FileSpec(file="a.csv"), "z", "x")
    assert _all(reading) == [("3", "1"), ("6", "4")]
    assert reading.rows == 2
    assert reading.bad == 0


def test_lines_are_physical_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('x,y\n1,"two\nlines"\n\n3,4\n')
    assert _lines(_reading(tmp_path, FileSpec(file="a.csv"), "x")) == [2, 5]
    (tmp_path / "b.csv").write_text("made by\nsome tool\nx,y\n1,2\n")
    assert _lines(_reading(tmp_path, FileSpec(file="b.csv", skip_lines=2), "x")) == [4]


def test_wrong_number_of_fields_is_skipped_and_listed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n1\n1,2,3\n\n5,6\n")
    reading = _reading(tmp_path, FileSpec(file="a.csv"), "x")
    assert _all(reading) == [("1",), ("5",)]
    assert (reading.rows, reading.bad) == (4, 2)
    assert [str(problem) for problem in reading.problems.of("wrong number of fields")] == [
        "a.csv:3: wrong number of fields: 1 instead of 2",
        "a.csv:4: wrong number of fields: 3 instead of 2",
    ]


def test_an_unclosed_quotation_mark_is_not_one_bad_row(tmp_path: Path) -> None:
    rows = [f"{number},x" for number in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(["x,y", "a,b", '"oops,b', *rows]) + "\n")
    reading = _reading(tmp_path, FileSpec(file="a.csv"), "x")
    assert _all(reading) == [("a",)]
    assert (reading.rows, reading.bad) == (33, 32)  # the last line break counts as one
    rows = [f"{number},x" for number in range(formats.MAX_LINES_PER_ROW)]
    (tmp_path / "b.csv").write_text("\n".join(["x,y", "a,b", 'b,"oops', *rows]) + "\n")
    reading = _reading(tmp_path, FileSpec(file="b.csv"), "x")
    assert _all(reading) == [("a",)]
    assert reading.bad == formats.MAX_LINES_PER_ROW + 1
    assert reading.problems.of("unclosed quotation mark")[0].line == 3
    plain = _reading(tmp_path, FileSpec(file="b.csv", quoted=False), "y")
    assert _all(plain)[1] == ('"oops',)
    assert (plain.rows, plain.bad) == (formats.MAX_LINES_PER_ROW + 2, 0)


def test_no_header_gives_numbered_columns(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("u\ti\nv\tj\n")
    spec = FileSpec(file="a.tsv", header=False)
    assert _all(_reading(tmp_path, spec, "column_2")) == [("i",), ("j",)]
    assert _lines(_reading(tmp_path, spec, "column_2")) == [1, 2]
    assert columns_of(spec, tmp_path) == ["column_1", "column_2"]


def test_typed_header_and_own_separator(tmp_path: Path) -> None:
    (tmp_path / "a.inter").write_text("user_id:token\titem_id:token\nu\ti\n")
    assert _all(_reading(tmp_path, FileSpec(file="a.inter", typed_header=True), "item_id")) == [("i",)]
    (tmp_path / "b.csv").write_text("x;y\n1,5;2\n")
    assert _all(_reading(tmp_path, FileSpec(file="b.csv", separator=";"), "x")) == [("1,5",)]


def test_blank_separated_lists(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("2\nimage_name   item_id\nimg/a.jpg    id_1\nimg/b.jpg  id_2\n")
    reading = _reading(tmp_path, FileSpec(file="a.txt", skip_lines=1), "item_id")
    assert _all(reading) == [("id_1",), ("id_2",)]
    assert _lines(_reading(tmp_path, FileSpec(file="a.txt", skip_lines=1), "item_id")) == [3, 4]


def test_wrong_column_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("article_id,prod_name\n1,2\n")
    with pytest.raises(ColumnError, match=r"no column 'articleid' \(did you mean 'article_id'\?\).*Its columns are"):
        _all(_reading(tmp_path, FileSpec(file="a.csv"), "articleid"))
    (tmp_path / "a.jsonl").write_text('{"title": "x"}\n')
    with pytest.raises(ColumnError, match="did you mean 'title'"):
        _all(_reading(tmp_path, FileSpec(file="a.jsonl"), "titel"))
    pl.DataFrame({"title": ["x"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(ColumnError, match="did you mean 'title'"):
        _all(_reading(tmp_path, FileSpec(file="a.parquet"), "titel"))


def test_no_such_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "articles.csv").write_text("x\n")
    with pytest.raises(ShopNotFoundError, match=r"no such file: article\.csv\. The folder has: articles\.csv"):
        _all(_reading(tmp_path, FileSpec(file="article.csv"), "x"))
    with pytest.raises(ShopNotFoundError, match=r"no such file: \*\.tsv"):
        _all(_reading(tmp_path, FileSpec(file="*.tsv"), "x"))
    with pytest.raises(ShopNotFoundError, match="empty or missing"):
        _all(_reading(tmp_path / "nowhere", FileSpec(file="a.csv"), "x"))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(ShopError, match="the file is empty"):
        _all(_reading(tmp_path, FileSpec(file=name), "x"))


def test_not_parquet_and_damaged_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(ShopError, match="not a readable Parquet file"):
        _all(_reading(tmp_path, FileSpec(file="a.parquet"), "x"))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"x\n" + b"12345\n" * 5000)[:-20])
    with pytest.raises(ShopError, match="the file is damaged"):
        _all(_reading(tmp_path, FileSpec(file="b.csv.gz"), "x"))
    (tmp_path / "c.csv.gz").write_text("x\n1\n")
    with pytest.raises(ShopError, match="the file is damaged"):
        _all(_reading(tmp_path, FileSpec(file="c.csv.gz"), "x"))


def test_unknown_ending_asks_for_a_format(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("x\n1\n")
    with pytest.raises(ShopError, match=r"cannot tell the format from the ending '\.dat'"):
        _all(_reading(tmp_path, FileSpec(file="a.dat"), "x"))
    assert _all(_reading(tmp_path, FileSpec(file="a.dat", format="csv"), "x")) == [("1",)]


def test_gzip_jsonl_and_parquet_read_alike(tmp_path: Path) -> None:
    rows = [{"x": "1", "y": "a"}, {"x": "2", "y": "裙"}]
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("x,y\n1,a\n2,裙\n".encode()))
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    for name in ("a.csv.gz", "a.jsonl", "a.parquet"):
        assert _all(_reading(tmp_path, FileSpec(file=name), "y", "x")) == [("a", "1"), ("裙", "2")]
        assert columns_of(FileSpec(file=name), tmp_path) == ["x", "y"]


def test_jsonl_with_bad_lines_and_odd_values(tmp_path: Path) -> None:
    lines = ['{"x": ["a", "b"]}', "[1]", "{broken", '{"y": 1}', '{"x": {"k": "值"}}', '{"x": 5}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    reading = _reading(tmp_path, FileSpec(file="a.jsonl"), "x")
    assert _all(reading) == [("a b",), (None,), ('{"k": "值"}',), ("5",)]
    assert (reading.rows, reading.bad) == (6, 2)
    assert [problem.line for problem in reading.problems.of("unreadable row")] == [2, 3]


def test_letters_that_are_not_utf8_are_kept_and_listed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("x,y\n1,ok\n2,红色连衣裙\n".encode("gb18030"))
    reading = _reading(tmp_path, FileSpec(file="a.csv"), "x", "y")
    assert [row[0] for row in _all(reading)] == ["1", "2"]
    assert reading.bad == 0
    assert [problem.line for problem in reading.problems.of("letters not readable")] == [3]
    right = _reading(tmp_path, FileSpec(file="a.csv", encoding="gb18030"), "y")
    assert _all(right) == [("ok",), ("红色连衣裙",)]
    assert right.problems.total == 0


def test_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeffx,y\r\n1,2\r\n".encode())
    assert _all(_reading(tmp_path, FileSpec(file="a.csv"), "x", "y")) == [("1", "2")]


def test_columns_cut_out_of_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path\nimg/WOMEN/Dresses/id_1/a.jpg\nother\n")
    extract = (ExtractSpec(column="path", pattern=r"img/(?P<gender>[^/]+)/(?P<kind>[^/]+)/"),)
    reading = _reading(tmp_path, FileSpec(file="a.csv", extract=extract), "kind", "gender")
    assert _all(reading) == [("Dresses", "WOMEN"), (None, None)]
    assert reading.raw_columns == ("path",)


def test_pictures_are_rows(tmp_path: Path) -> None:
    for name in ("shirt/1.png", "shirt/2.PNG", "coat/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    spec = FileSpec(file="**/*.[pP][nN][gG]")
    reading = _reading(tmp_path, spec, "folder", "path", "name")
    assert _all(reading) == [("coat", "coat/1.png", "1"), ("shirt", "shirt/1.png", "1"), ("shirt", "shirt/2.PNG", "2")]
    assert columns_of(spec, tmp_path) == ["path", "name", "folder"]
    with pytest.raises(ColumnError, match="did you mean 'folder'"):
        _all(_reading(tmp_path, spec, "folders"))


def test_several_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "2.csv").write_text("x\nb\n")
    (tmp_path / "1.csv").write_text("x\na\n")
    reading = _reading(tmp_path, FileSpec(file="*.csv"), "x")
    assert [(batch.file, batch.frame["x"][0]) for batch in reading.batches()] == [("1.csv", "a"), ("2.csv", "b")]


def test_names_with_brackets_and_absolute_patterns(tmp_path: Path) -> None:
    (tmp_path / "items [2025].csv").write_text("x\na\n")
    assert _all(_reading(tmp_path, FileSpec(file="items [2025].csv"), "x")) == [("a",)]
    assert _all(_reading(tmp_path, FileSpec(file=f"{tmp_path}/*.csv"), "x")) == [("a",)]
    with pytest.raises(ShopError, match=r"no usable name or pattern of files: '\*\*items\*\.csv'"):
        _all(_reading(tmp_path, FileSpec(file="**items*.csv"), "x"))
    with pytest.raises(ShopError, match=r"no usable name or pattern|no such file"):
        _all(_reading(tmp_path, FileSpec(file="a\0b"), "x"))


def test_the_first_filled_column_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("known,visitor\nu,v\n,w\nNA,x\n")
    assert _all(_reading(tmp_path, FileSpec(file="a.csv"), "known | visitor")) == [("u",), ("w",), ("x",)]
    assert _all(_reading(tmp_path, FileSpec(file="a.csv"), "user | known")) == [("u",), ("",), (None,)]
    with pytest.raises(ColumnError, match=r"no column 'a \| b'"):
        _all(_reading(tmp_path, FileSpec(file="a.csv"), "a | b"))


def test_columns_that_an_export_may_lack(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert _all(_reading(tmp_path, FileSpec(file="a.csv", optional=("y",)), "x", "y")) == [("1", None)]
    with pytest.raises(ColumnError, match=r'optional = \["y"\] for this file'):
        _all(_reading(tmp_path, FileSpec(file="a.csv"), "x", "y"))


def test_rows_that_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,kind,shown\n1,Variant,yes\n2,parent,yes\n3,variant,no\n4,,yes\n")

    def read(**conditions: dict[str, tuple[str, ...]]) -> list[object]:
        reading = _reading(tmp_path, FileSpec(file="a.csv", **conditions), "x")  # type: ignore[arg-type]
        rows = [row[0] for row in _all(reading)]
        assert reading.left_out == 4 - len(rows)
        return rows

    assert read(where={"kind": ("variant",)}) == ["1", "3"]
    assert read(where={"kind": ("variant", ""), "shown": ("yes",)}) == ["1", "4"]
    assert read(where_not={"kind": ("parent",)}) == ["1", "3", "4"]


def test_words_with_a_meaning_and_words_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\nIn Shop\nsold\n-\n n/a\n7\n")
    spec = FileSpec(file="a.csv", values={"x": {"in shop": "1", "sold": "0"}}, null_words=("-", "n/a"))
    reading = _reading(tmp_path, spec, "x")
    assert _all(reading) == [("1",), ("0",), (None,), (None,), ("7",)]
    assert [str(problem) for problem in reading.problems.of("word for nothing")] == [
        "a.csv:4: word for nothing: x = '-'",
        "a.csv:5: word for nothing: x = 'n/a'",
    ]
    assert _all(_reading(tmp_path, FileSpec(file="a.csv", null_words=()), "x"))[2] == ("-",)


_CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00\ufffd"), max_size=6)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(_CELLS.filter(lambda cell: cell.strip() != ""), _CELLS), min_size=1, max_size=7))
def test_what_was_written_is_read_in_batches_of_any_size(
    tmp_path: Path, rows: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "BATCH_ROWS", 3)
    frame = pl.DataFrame(rows, schema={"x": pl.String, "y": pl.String}, orient="row")
    frame.write_csv(tmp_path / "a.csv", quote_style="always")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        reading = _reading(tmp_path, FileSpec(file=name, null_words=()), "y", "x")
        assert _all(reading) == [(y, x) for x, y in rows]
        assert (reading.rows, reading.bad) == (len(rows), 0)
