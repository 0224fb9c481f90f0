from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from modaloom.data.schema import FileSpec
from modaloom.data.sniff import sample_of, sniff


@pytest.mark.parametrize(
    ("name", "content", "fields"),
    [
        ("a.csv", b"id,name\n1,x\n", {}),
        ("a.csv", "id;name\n1;Größe\n".encode("cp1252"), {"separator": ";", "encoding": "cp1252"}),
        ("a.csv", "编号,名称\n1,连衣裙\n".encode("gb18030"), {"encoding": "gb18030"}),
        ("a.csv", "id,name\n1,x\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("a.tsv", b"id\tname\n1\tx\n", {}),
        ("a.csv", b"1,5,pv\n2,6,buy\n", {"header": False}),
        ("a.txt", b"id|name\n1|x\n", {"format": "csv", "separator": "|"}),
        ("a.inter", b"user_id:token\titem_id:token\nu\ti\n", {"typed_header": True}),
        ("a.json", b'{"id": 1}\n{"id": 2}\n', {"format": "jsonl"}),
        ("a.json", b'[{"id": 1}]', {}),
        ("a.csv.gz", gzip.compress(b"id;n\n1;2\n", mtime=0), {"separator": ";"}),
        ("a.csv", b"", {}),
    ],
)
def test_how_a_file_is_written(tmp_path: Path, name: str, content: bytes, fields: dict[str, Any]) -> None:
    (tmp_path / name).write_bytes(content)
    assert sniff(tmp_path / name) == FileSpec(file=name, **fields)


def test_what_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"")
    assert sniff(tmp_path / "a.pdf") is None
    assert sample_of(FileSpec(file="none.csv"), tmp_path, ("x",)) is None
