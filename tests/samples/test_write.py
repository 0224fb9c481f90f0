from __future__ import annotations

import csv
import errno
import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from modaloom.data.shop import load_shop
from modaloom.errors import ShopError
from modaloom.messages.stated import words_in
from modaloom.samples.goods import KINDS
from modaloom.samples.look import COLOURS, PRINTS
from modaloom.samples.world import HARMONIES, NEUTRALS, OUTFIT_PAIRS
from modaloom.samples.write import SHOP_TOML, write_sample
from modaloom.types import Event

N_ITEMS, N_USERS = 40, 30


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "shop"
    write_sample(folder, items=N_ITEMS, users=N_USERS)
    return folder


@pytest.fixture(scope="module")
def truth(shop: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((shop / "truth.json").read_text(encoding="utf-8"))
    return loaded


def test_the_same_seed_gives_the_same_bytes_and_may_be_written_again(shop: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    told: list[tuple[str, int, int]] = []
    write_sample(again, items=N_ITEMS, users=N_USERS, progress=lambda *step: told.append(step))
    assert _hashes(again) == _hashes(shop)
    assert told[-1] == ("pictures", 38, 38)
    write_sample(again, items=20, users=3, seed=1)
    assert len(_rows(again / "items.csv")) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_the_shop_is_read_without_a_problem(shop: Path, truth: dict[str, Any]) -> None:
    loaded = load_shop(shop)
    assert loaded.problems.total == 0
    assert (loaded.n_items, loaded.n_users, loaded.interactions.height) == (N_ITEMS, N_USERS, truth["n_events"])
    assert loaded.target_events == (Event.PURCHASE,)
    assert loaded.attribute_names == ["category", "material", "season", "audience", "size"]
    pictured = sum(path is not None for path in loaded.image_paths())
    assert pictured == len(list((shop / "images").iterdir()))
    assert pictured == N_ITEMS - sum(lacking == "image" for lacking in truth["missing"].values())


def test_what_is_missing_is_missing_and_no_more(shop: Path, truth: dict[str, Any]) -> None:
    missing = truth["missing"]
    assert len(missing) == round(0.15 * N_ITEMS)
    for row in _rows(shop / "items.csv"):
        lacks = missing.get(row["item_id"])
        assert (row["image"] == "") == (lacks == "image")
        assert (row["title_zh"] == row["title_en"] == row["description_zh"] == row["description_en"] == "") == (
            lacks == "text"
        )
        assert (row["category"] == row["material"] == row["price"] == row["audience"] == "") == (lacks == "attributes")
        assert row["image"] == "" or (shop / row["image"]).is_file()


def test_words_and_attributes_do_not_tell_colour_or_print(shop: Path) -> None:
    names = {name.replace("_", " ") for name in (*COLOURS, *PRINTS)} - {"solid"}
    for row in _rows(shop / "items.csv"):
        told = " ".join(row[key] for key in ("title_en", "description_en", "category", "material")).lower()
        words = set(told.replace(",", " ").replace(".", " ").split())
        assert words & names == set()
        assert "色" not in row["title_zh"] + row["description_zh"]


def test_the_log_is_coherent(shop: Path, truth: dict[str, Any]) -> None:
    events = _rows(shop / "events.csv")
    released = {row["item_id"]: row["released_at"] for row in _rows(shop / "items.csv")}
    times = [row["timestamp"] for row in events]
    assert times == sorted(times)
    assert times[0].startswith("2024-01-01")
    assert times[-1].startswith("2025-12-31")
    owned: set[tuple[str, str]] = set()
    sessions: dict[str, str] = {}
    for row in events:
        assert (row["item_id"] == "") == (row["event"] == "search") == (row["query"] != "")
        assert row["item_id"] == "" or released[row["item_id"]] <= row["timestamp"][:10]
        assert sessions.setdefault(row["session_id"], row["user_id"]) == row["user_id"]
        if row["event"] == "purchase":
            assert (row["user_id"], row["item_id"]) not in owned
            owned.add((row["user_id"], row["item_id"]))
        elif row["event"] in ("rating", "return"):
            assert (row["user_id"], row["item_id"]) in owned
        if row["event"] == "rating":
            assert 1 <= float(row["value"]) <= 5
    assert len(events) == truth["n_events"]
    assert {row["event"] for row in events} == {event.name.lower() for event in Event}


def test_shoppers_search_in_their_own_language(shop: Path) -> None:
    language = {row["user_id"]: row["language"] for row in _rows(shop / "users.csv")}
    searched = [(language[row["user_id"]], row["query"]) for row in _rows(shop / "events.csv") if row["query"]]
    assert {spoken for spoken, _ in searched} == {"zh", "en"}
    for spoken, words in searched:
        assert any("一" <= letter <= "鿿" for letter in words) == (spoken == "zh")


def test_outfits_follow_the_rules(truth: dict[str, Any]) -> None:
    assert truth["outfits"]
    for outfit in truth["outfits"]:
        items = [truth["items"][item_id] for item_id in outfit["items"]]
        for place, one in enumerate(items):
            for other in items[:place]:
                pair = (KINDS[one["category"]].group, KINDS[other["category"]].group)
                assert pair in OUTFIT_PAIRS or pair[::-1] in OUTFIT_PAIRS
                tones = (one["colour"], other["colour"])
                assert (
                    tones[0] == tones[1] or set(tones) & set(NEUTRALS) or tones in HARMONIES or tones[::-1] in HARMONIES
                )


def test_a_strange_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ShopError, match="not empty"):
        write_sample(tmp_path, items=20, users=3)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(ShopError, match="this is a file"):
        write_sample(tmp_path / "notes.txt", items=20, users=3)
    with pytest.raises(ShopError, match="too few"):
        write_sample(tmp_path / "new", items=2, users=3)


def test_a_stopped_run_leaves_nothing(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if what == "pictures":
            raise StoppedError

    with pytest.raises(StoppedError):
        write_sample(tmp_path / "shop", items=20, users=3, progress=stop)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, sys
from pathlib import Path
from modaloom.samples.write import write_sample
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
try:
    write_sample(Path(sys.argv[1]), items=20, users=3)
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="only POSIX can limit the size of files")
def test_a_full_disk_leaves_the_old_shop_and_is_told_of_its_folder(tmp_path: Path) -> None:
    """No file may be larger than 2 kB."""
    folder = tmp_path / "shop"
    write_sample(folder, items=20, users=3)
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    done = subprocess.run([sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == [str(errno.EFBIG), str(folder)], done.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_the_toml_is_shipped_as_it_is(shop: Path) -> None:
    written = (shop / "shop.toml").read_text(encoding="utf-8")
    assert written.startswith(SHOP_TOML)
    labels = load_shop(shop).spec.labels
    for language in ("zh", "en"):
        named = {name: set(words) for name, words in labels[language].items()}
        stated = {word for row in _rows(shop / "users.csv") for word in words_in(row["styles"])}
        assert stated <= named.pop("styles") | set(labels["zh"]["styles"].values())
        assert all({row[name] for row in _rows(shop / "items.csv")} - {""} <= words for name, words in named.items())
    assert labels["zh"]["category"]["dress"] == "连衣裙"


def test_stock_and_sizes_are_there(shop: Path) -> None:
    stock = Counter(row["stock"].isdigit() for row in _rows(shop / "items.csv"))
    assert stock == {True: N_ITEMS}
