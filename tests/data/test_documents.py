from __future__ import annotations

import json
from pathlib import Path

import pytest

from modaloom.data.problems import Problems
from modaloom.data.schema import FileSpec
from modaloom.data.tables import Reading
from modaloom.errors import ColumnError, ShopError

FEED = """<?xml version="1.0"?>
<rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><title>plain</title><g:title>Hat</g:title><g:id>1</g:id><g:pic>a</g:pic><g:pic>b</g:pic></item>
<item><g:id>2</g:id><g:ship><g:price>5</g:price></g:ship></item>
</channel></rss>"""


def read(root: Path, spec: FileSpec, *columns: str) -> tuple[Reading, list[tuple[object, ...]], list[int]]:
    reading = Reading(root, spec, columns, Problems())
    batches = [*reading.batches()]
    rows = [row for batch in batches for row in batch.frame.iter_rows()]
    return reading, rows, [line for batch in batches for line in batch.lines.tolist()]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_an_array_is_read_whatever_the_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('\n[{"id": 1, "n": "Skirt"},\n {"id": 2, "n": "Belt"}]\n')
    assert read(tmp_path, FileSpec(file=name), "id", "n")[1:] == ([(1, "Skirt"), (2, "Belt")], [2, 3])


def test_a_broken_array_is_read_up_to_the_break(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"id": 1},\n{"id": 2},\n5,\n{"id": 3')
    reading, rows, _ = read(tmp_path, FileSpec(file="a.json"), "id")
    assert rows == [(1,), (2,)]
    assert [problem.line for problem in reading.problems.of("unreadable row")] == [3, 4]


def test_records_below_an_object(tmp_path: Path) -> None:
    pretty = json.dumps({"count": 2, "data": {"goods": [{"id": 1}, {"id": 2}]}}, indent=1)
    (tmp_path / "a.json").write_text(pretty)
    assert read(tmp_path, FileSpec(file="a.json", records="data.goods"), "id")[1] == [(1,), (2,)]
    (tmp_path / "b.json").write_text('{"products": [{"id": 1}]}')
    assert read(tmp_path, FileSpec(file="b.json"), "id")[1] == [(1,)]
    (tmp_path / "c.json").write_text('{"a": [{"id": 1}], "b": [{"id": 1}]}')
    with pytest.raises(ShopError, match="which of its lists are the rows: 'a', 'b'"):
        read(tmp_path, FileSpec(file="c.json"), "id")
    (tmp_path / "d.json").write_text('{"id": 1,\n')
    with pytest.raises(ShopError, match="this is not JSON"):
        read(tmp_path, FileSpec(file="d.json"), "id")


def test_half_a_letter_is_one_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a"}\n{"id": "\\ud83d"}\n{"id": "c"}\n')
    reading, rows, lines = read(tmp_path, FileSpec(file="a.jsonl"), "id")
    assert (rows, lines) == ([("a",), ("c",)], [1, 3])
    assert str(reading.problems.of("unreadable row")[0]).startswith("a.jsonl:2: unreadable row: half of a pair")
    deep = "[" * 100_000
    (tmp_path / "b.jsonl").write_text(f'{{"id": "a"}}\n{{"id": {deep}\n')
    assert read(tmp_path, FileSpec(file="b.jsonl"), "id")[1] == [("a",)]


def test_feeds_are_read_without_prefixes(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(FEED)
    _, rows, lines = read(tmp_path, FileSpec(file="a.xml"), "id", "title", "pic", "ship.price")
    assert rows == [("1", "Hat", "a b", None), ("2", None, None, "5")]
    assert lines == [3, 4]
    (tmp_path / "b.xml").write_text("<all><hat code='7'><n>x</n></hat></all>")
    assert read(tmp_path, FileSpec(file="b.xml", records="hat"), "@code", "n")[1] == [("7", "x")]


def test_xml_that_breaks_off_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(FEED.replace("</channel></rss>", "<item>&nope;"))
    reading, rows, _ = read(tmp_path, FileSpec(file="a.xml"), "id")
    assert rows == [("1",), ("2",)]
    assert reading.problems.of("unreadable row")[0].line == 5
    (tmp_path / "b.xml").write_text("id,name\n")
    with pytest.raises(ShopError, match="this is not XML"):
        read(tmp_path, FileSpec(file="b.xml"), "id")
    (tmp_path / "c.xml").write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><rss><item><id>&a;</id></item></rss>')
    with pytest.raises(ShopError, match="declares entities"):
        read(tmp_path, FileSpec(file="c.xml"), "id")


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"user": {"id": 1}}\n')
    with pytest.raises(ColumnError, match=r"no column 'user\.name'.*optional = \[\"user\.name\"\]"):
        read(tmp_path, FileSpec(file="a.jsonl"), "user.name")
    spec = FileSpec(file="a.jsonl", optional=("user.name",))
    assert read(tmp_path, spec, "user.name", "user.id")[1] == [(None, 1)]
