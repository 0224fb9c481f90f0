"""The vector cache: keys, damage, kills and many writers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from modaloom.encoders.cache import VectorCache, file_key, text_key
from modaloom.errors import EncoderError

KEYS = [text_key(f"text {number}") for number in range(6)]
VECTORS = np.arange(18, dtype=np.float32).reshape(6, 3)


def test_what_was_added_is_there_for_the_next_reader(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "e/1", 3)
    assert KEYS[0] not in cache
    cache.add(KEYS, VECTORS)
    again = VectorCache(tmp_path, "e/1", 3)
    assert len(again) == 6
    assert np.array_equal(again.get(KEYS[::-1]), VECTORS[::-1])
    assert again.get([]).shape == (0, 3)
    with pytest.raises(KeyError):
        again.get([text_key("another")])


def test_rounding_is_the_same_on_the_first_use_as_later(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    cache = VectorCache(tmp_path, "e/1", 3)
    cache.add(KEYS, vectors)
    first = cache.get(KEYS)
    assert first.dtype == np.float32
    assert np.array_equal(first, VectorCache(tmp_path, "e/1", 3).get(KEYS))
    assert np.allclose(first, vectors, rtol=1e-3)


def test_the_encoder_is_part_of_the_key(tmp_path: Path) -> None:
    VectorCache(tmp_path, "e/1", 3).add(KEYS, VECTORS)
    assert len(VectorCache(tmp_path, "e/2", 3)) == 0
    assert len(VectorCache(tmp_path, "e_1", 3)) == 0, "ids that look alike as folder names are still two"
    long = "x" * 100
    assert VectorCache(tmp_path, long + "a", 3).folder != VectorCache(tmp_path, long + "b", 3).folder


def test_text_keys_know_one_spelling_and_file_keys_the_bytes(tmp_path: Path) -> None:
    assert text_key("red  dress\n") == text_key("red dress") == text_key("ｒｅｄ dress")
    assert text_key("red dress") != text_key("Red dress")
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    assert file_key(one) == file_key(two)
    two.write_bytes(b"other")
    assert file_key(one) != file_key(two)


def test_fill_encodes_each_missing_content_once_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked: list[int] = []
    seen: list[int] = []

    def encode(rows: list[int]) -> tuple[list[int], np.ndarray]:
        if len(asked) >= 4:
            raise KeyboardInterrupt
        asked.extend(rows)
        return rows, VECTORS[rows]

    keys = [*KEYS, KEYS[0], KEYS[3]]
    with pytest.raises(KeyboardInterrupt):
        VectorCache(tmp_path, "e/1", 3).fill(keys, encode, batch_size=2, advance=seen.append)
    assert asked == [0, 1, 2, 3]
    asked.clear()
    cache = VectorCache(tmp_path, "e/1", 3)
    cache.fill(keys, encode, batch_size=2, advance=seen.append)
    assert asked == [4, 5]
    assert np.array_equal(cache.get(keys), VECTORS[[0, 1, 2, 3, 4, 5, 0, 3]])
    seen.clear()
    cache.fill(keys, encode, batch_size=2, advance=seen.append)
    assert seen == [8], "everything was there"


def test_what_cannot_be_encoded_is_left_out(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "e/1", 3)
    cache.fill(KEYS, lambda rows: ([], np.zeros((0, 3), dtype=np.float32)), batch_size=4, advance=lambda number: None)
    assert len(cache) == 0
    assert not list(tmp_path.rglob("*.npz"))


def test_a_damaged_shard_is_thrown_away_and_never_believed(tmp_path: Path) -> None:
    """Every bit flip either leaves the vectors right or makes them missing."""
    VectorCache(tmp_path, "e/1", 3).add(KEYS[:2], VECTORS[:2])
    shard = next(tmp_path.rglob("*.npz"))
    sound = shard.read_bytes()
    for place in range(0, len(sound), 3):
        shard.write_bytes(sound[:place] + bytes([sound[place] ^ 0x41]) + sound[place + 1 :])
        cache = VectorCache(tmp_path, "e/1", 3)
        if len(cache):
            assert np.array_equal(cache.get(KEYS[:2]), VECTORS[:2]), place
    for length in (0, 1, 30, len(sound) // 2, len(sound) - 1):
        shard.write_bytes(sound[:length])
        assert len(VectorCache(tmp_path, "e/1", 3)) == 0
        assert not shard.exists()
    VectorCache(tmp_path, "e/1", 3).add(KEYS, VECTORS)
    assert len(VectorCache(tmp_path, "e/1", 3)) == 6


def test_a_shard_of_another_width_is_not_used(tmp_path: Path) -> None:
    VectorCache(tmp_path, "e/1", 3).add(KEYS, VECTORS)
    assert len(VectorCache(tmp_path, "e/1", 4)) == 0


WRITER = """
import sys
import numpy as np
from pathlib import Path
from modaloom.encoders.cache import VectorCache, text_key

folder, start, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = VectorCache(folder, "e/1", 3)
for number in range(start, stop):
    cache.add([text_key(f"text {number}")], np.full((1, 3), number, dtype=np.float32))
    print(number, flush=True)
"""


def start_writer(folder: Path, start: int, stop: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(start), str(stop)], stdout=subprocess.PIPE, text=True
    )


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, 0, 100_000)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(0.2)
    os.kill(writer.pid, signal.SIGKILL)
    said = writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    cache = VectorCache(tmp_path, "e/1", 3)
    last = int(said[-1]) if said else 0
    assert last > 3
    expected = np.repeat(np.arange(last + 1, dtype=np.float32)[:, None], 3, axis=1)
    keys = [text_key(f"text {number}") for number in range(last + 1)]
    assert np.allclose(cache.get(keys), expected, rtol=1e-3)
    assert len(list(tmp_path.rglob("*.tmp"))) <= 1


def test_many_may_write_at_once(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, start, start + 30) for start in (0, 20, 40)]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    cache = VectorCache(tmp_path, "e/1", 3)
    assert len(cache) == 70
    assert cache.get([text_key("text 25")]).tolist() == [[25.0] * 3]


def test_a_cache_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "encoder", 3)
    cache.add([text_key("first")], np.ones((1, 3), dtype=np.float32))
    shutil.rmtree(cache.folder)
    cache.folder.write_text("in the way")
    with pytest.raises(EncoderError, match="cannot keep vectors here") as caught:
        cache.add([text_key("second")], np.ones((1, 3), dtype=np.float32))
    assert str(cache.folder) in str(caught.value)
    assert "MODALOOM_CACHE_DIR" in str(caught.value)
    assert text_key("second") not in cache
    assert text_key("first") in cache


def test_vectors_that_need_not_be_kept_are_held_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "vectors").write_text("in the way")
    cache = VectorCache(tmp_path, "some/1", 2, must_keep=False)
    key = text_key("dress")
    cache.add([key], np.ones((1, 2), dtype=np.float32))
    assert cache.get([key]).tolist() == [[1.0, 1.0]]
    (record,) = caplog.records
    assert "will be encoded again after the next start" in record.getMessage()
    assert "set MODALOOM_CACHE_DIR" in record.getMessage()
