"""Files are written whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modaloom.files import sync, whole, write_bytes, write_json, write_text

FULL = """
import resource, sys
from pathlib import Path
from modaloom.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
try:
    write_bytes(Path(sys.argv[1]), b"n" * 5_000)
except OSError as error:
    sys.exit(7 if error.filename == sys.argv[1] else 8)
"""


def test_text_json_and_bytes(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "红\n")
    write_bytes(tmp_path / "a.bin", b"\r\n")
    write_json(tmp_path / "a.json", {"名": 1})
    assert (tmp_path / "new" / "a.txt").read_bytes() == "红\n".encode()
    assert (tmp_path / "a.bin").read_bytes() == b"\r\n"
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "名": 1\n}\n'


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"rows": [{"recall": float("nan")}, (1.5, float("-inf"))], "n": 3, "why": None})
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found == {"rows": [{"recall": None}, [1.5, None]], "n": 3, "why": None}


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
def test_what_is_private_is_never_anybody_elses_to_read(tmp_path: Path) -> None:
    modes = []
    for private in (False, True):
        with whole(tmp_path / "a.jpg", private=private, durable=True) as temporary:
            temporary.write_bytes(b"a")
            modes.append(temporary.stat().st_mode & 0o777)
        modes.append((tmp_path / "a.jpg").stat().st_mode & 0o777)
    umask = os.umask(0)
    os.umask(umask)
    assert modes == [0o666 & ~umask] * 2 + [0o600] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_folder_may_be_brought_to_the_disk_too(tmp_path: Path) -> None:
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "missing")


@pytest.mark.skipif(os.name != "posix", reason="only POSIX can limit the size of files")
def test_a_full_disk_leaves_what_stood_there(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    file.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", FULL, str(file)], timeout=60)
    assert done.returncode == 7
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]
