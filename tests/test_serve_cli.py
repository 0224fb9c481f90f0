"""``serve``, ``migrate`` and ``retrain`` as strangers use them: one clear line, exit code 2, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from modaloom.config import load_settings
from modaloom.errors import StoreError
from modaloom.shop.bundle import load_bundle
from modaloom.shop.folder import CHECKSUMS, checksum
from modaloom.shop.open import SEEDED, open_live_shop, prepare_store
from modaloom.shop.registry import BUNDLES, TRAFFIC, bundle_name
from modaloom.shop.requests import Ask
from modaloom.shop.shoppers import shoppers_folder
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[1]


def refused(ran: tuple[int, str, str]) -> str:
    """The one line on standard error."""
    code, out, err = ran
    assert code == 2, (code, out, err)
    assert "Traceback" not in out + err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    return line.removeprefix("error: ")


def address_of(file: Path) -> str:
    return f"sqlite:///{file}"


def whole(store: Store) -> tuple[Counter[str], int]:
    """Events by id, and the number of items."""
    events: Counter[str] = Counter()
    after = 0
    while page := store.interactions(after, limit=5_000, purpose=None):
        events.update(str(event.event_id).rpartition("/")[2] for _, event in page)
        after = page[-1][0]
    return events, len(store.item_changes(0, limit=10_000))


# The bundle


def test_no_such_bundle(tmp_path: Path, command: Command) -> None:
    line = refused(command("serve", tmp_path / "nope"))
    assert line == f"{tmp_path / 'nope'}: no such bundle. Run 'modaloom train SHOP --out BUNDLE' first."
    assert not list(tmp_path.iterdir()), "no store is left beside a bundle that is not there"


def test_a_spoilt_bundle(own_bundle: Path, command: Command) -> None:
    with (own_bundle / "tables.npz").open("ab") as stream:
        stream.write(b"x")
    assert "tables.npz was changed. Copy the bundle again" in refused(command("serve", own_bundle))
    assert not own_bundle.with_name("bundle.db").exists()


def test_a_bundle_of_another_format(own_bundle: Path, command: Command) -> None:
    config = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
    (own_bundle / "config.json").write_text(json.dumps(config | {"format": 99}), encoding="utf-8")
    sums = json.loads((own_bundle / CHECKSUMS).read_text(encoding="utf-8"))
    sums["config.json"] = checksum(own_bundle / "config.json")
    (own_bundle / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")
    line = refused(command("serve", own_bundle))
    assert "the bundle has format 99" in line
    assert line.endswith("Train it again.")


# The store


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlit:///x.db", "'sqlit' is no kind of store"),
        ("sqlite://x.db", "names no file"),
        ("x.db", "a store is named by a URL"),
        ("", "a store is named by a URL"),
        ("sqlite:///no/such/folder/x.db", "does not exist"),
    ],
)
@pytest.mark.parametrize("verb", ["serve", "migrate", "retrain", "renew-key"])
def test_a_store_with_a_typo(
    verb: str, url: str, said: str, sample_bundle: Path, tmp_path: Path, command: Command
) -> None:
    arguments = {
        "serve": (sample_bundle, "--port", 0),
        "migrate": (),
        "retrain": ("--out", tmp_path / "new"),
        "renew-key": ("admin",),
    }[verb]
    assert said in refused(command(verb, *arguments, "--store", url))


def test_a_password_is_never_told(sample_bundle: Path, command: Command) -> None:
    line = refused(command("serve", sample_bundle, "--port", 0, "--store", "postgresql://u:hushhush@127.0.0.1:1/x"))
    assert "hushhush" not in line


def test_a_folder_that_cannot_be_written(sample_bundle: Path, tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    line = refused(command("serve", sample_bundle, "--port", 0, "--store", address_of(folder / "x.db")))
    assert "cannot be opened" in line


@pytest.mark.parametrize("verb", ["serve", "migrate"])
def test_a_file_of_something_else_stays_as_it_is(
    verb: str, sample_bundle: Path, tmp_path: Path, command: Command
) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("a shopping list, longer than the head of any database " * 10)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    arguments = (sample_bundle, "--port", 0) if verb == "serve" else ()
    before = text.read_bytes()
    assert "is no SQLite database" in refused(command(verb, *arguments, "--store", address_of(text)))
    assert text.read_bytes() == before
    line = refused(command(verb, *arguments, "--store", address_of(other)))
    assert "it has a table 'recipes' that Modaloom did not make" in line
    with sqlite3.connect(other) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall() == [("recipes",)]
    connection.close()


def test_migrate_says_what_it_did(tmp_path: Path, command: Command) -> None:
    url = address_of(tmp_path / "new.db")
    code, out, _ = command("migrate", "--store", url)
    assert (code, out.startswith("done: 0001")) == (0, True), out
    code, out, _ = command("migrate", "--store", url)
    assert (code, out) == (0, "nothing to do: the schema is up to date\n")
    with sqlite3.connect(tmp_path / "new.db") as connection:
        connection.execute("INSERT INTO modaloom_migration VALUES ('9999_far_future', 'x', 0)")
    connection.close()
    line = refused(command("migrate", "--store", url))
    assert "was written by a newer Modaloom: its schema has 9999_far_future" in line


# The port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_said_before_anything_is_done(taken: int, own_bundle: Path, command: Command) -> None:
    line = refused(command("serve", own_bundle, "--port", taken))
    assert line.startswith(f"cannot listen on 127.0.0.1:{taken}: address already in use. Stop what is running there")
    assert not own_bundle.with_name("bundle.db").exists()


def test_a_start_that_fails_swaps_no_bundle(
    taken: int, sample_bundle: Path, own_bundle: Path, tmp_path: Path, command: Command
) -> None:
    """A running service on the same store follows what the store says."""
    url = address_of(tmp_path / "shop.db")
    with open_store(url) as store:
        name = prepare_store(store, sample_bundle, load_settings())
        refused(command("serve", own_bundle, "--store", url, "--port", taken))
        assert json.loads(store.state(TRAFFIC) or "") == {name: 1.0}
        assert list(json.loads(store.state(BUNDLES) or "")) == [name]


def test_an_unknown_host(sample_bundle: Path, command: Command) -> None:
    assert "unknown host 'no.such.host.invalid'" in refused(
        command("serve", sample_bundle, "--host", "no.such.host.invalid", "--port", 0)
    )


# A service that runs


class Service:
    """``modaloom serve`` in a process of its own."""

    def __init__(self, log: Path, *arguments: object):
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modaloom.cli", "serve", *map(str, arguments)],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )

    def address(self) -> str:
        end_s = time.monotonic() + 90
        while time.monotonic() < end_s and self.process.poll() is None:
            for line in self.log.read_text(encoding="utf-8").splitlines():
                if line.startswith("Serving on "):
                    return line.split()[2]
            time.sleep(0.05)
        raise AssertionError(self.log.read_text(encoding="utf-8"))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def test_two_workers_a_second_service_and_a_clean_end(
    sample_bundle: Path, own_bundle: Path, tmp_path: Path, command: Command
) -> None:
    url, key = address_of(tmp_path / "shop.db"), {"X-API-Key": "k" * 20}
    common = ("--store", url, "--port", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODALOOM_SERVE_ADMIN_KEYS", json.dumps(["k" * 20]))
        first = Service(tmp_path / "first.log", sample_bundle, *common, "--workers", 2)
        try:
            address = first.address()
            bundle = httpx.get(f"{address}/v1/recommendations?n=3&user_id=u", headers=key).json()["bundle"]
            port = address.rpartition(":")[2]
            assert "cannot listen" in refused(command("serve", own_bundle, "--store", url, "--port", port))
            second = Service(tmp_path / "second.log", sample_bundle, *common)
            try:
                answers = [
                    httpx.get(f"{where}/v1/recommendations?n=3&user_id=u", headers=key).json()
                    for where in (address, second.address(), address)
                ]
                assert {answer["bundle"] for answer in answers} == {bundle}
                assert len({json.dumps(answer["items"]) for answer in answers}) == 1
            finally:
                assert second.stop() == 0
            assert first.stop() == 0
        finally:
            first.process.kill()
    said = first.log.read_text(encoding="utf-8") + second.log.read_text(encoding="utf-8")
    assert "Traceback" not in said
    with open_store(url) as store:
        assert whole(store)[0].total() == load_bundle(sample_bundle).snapshot.interactions.height


# Killed while a new store is filled

FILLING = """
import os, signal, sys
from pathlib import Path
from modaloom.shop import open as live
from modaloom.config import load_settings
from modaloom.storage.open import open_store
bundle, url, stop_at, today = sys.argv[1:]
live.PAGE = 10
calls = 0
def tell(what, done, total):
    global calls
    calls += 1
    if calls == int(stop_at):
        os.kill(os.getpid(), signal.SIGKILL)
with open_store(url) as store:
    live.prepare_store(store, Path(bundle), load_settings(), today=today == "today", tell=tell)
"""


def fill(bundle: Path, url: str, stop_at: int, *, today: bool = False) -> int:
    """Fills a store ten rows at a time in another process, which dies at a step; its exit code."""
    arguments = [sys.executable, "-c", FILLING, str(bundle), url, str(stop_at), "today" if today else "as it is"]
    return subprocess.run(arguments, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode


@pytest.mark.parametrize("stop_at", [2, 20])  # among the items, among the events
def test_killed_while_the_store_is_filled(stop_at: int, own_bundle: Path, tmp_path: Path) -> None:
    """Started again as something else, even: the folder has another name now, and the calendar is not to be moved."""
    url, snapshot = address_of(tmp_path / "shop.db"), load_bundle(own_bundle).snapshot
    assert fill(own_bundle, url, stop_at, today=True) == -signal.SIGKILL
    with open_store(url) as store:
        assert store.state(SEEDED) is None
        assert whole(store) != (Counter(), 0)
        moved, pasts = own_bundle.rename(tmp_path / "other-name"), shoppers_folder(own_bundle)
        with pytest.raises(StoreError, match=r"half filled with shoppers' pasts.*Move other-name\.shoppers"):
            prepare_store(store, moved, load_settings())
        pasts.rename(shoppers_folder(moved))
        prepare_store(store, moved, load_settings())
        events, items = whole(store)
        assert items == snapshot.n_items, "nothing is lost"
        assert events.total() == len(events) == snapshot.interactions.height, "nothing is there twice"
        times = [event.timestamp for _, event in store.interactions(limit=100_000, purpose=None)]
        known = snapshot.interactions["timestamp"].to_list()
        assert min(times) - min(known) == max(times) - max(known) > 0, "all of it was moved by as much"
        prepare_store(store, moved, load_settings())
        assert whole(store) == (events, items)


def test_a_half_filled_store_is_not_filled_up_with_something_else(
    sample_bundle: Path, own_bundle: Path, tmp_path: Path, command: Command
) -> None:
    url = address_of(tmp_path / "shop.db")
    assert fill(sample_bundle, url, 20) == -signal.SIGKILL
    card = own_bundle / "README.md"
    card.write_text("another one", encoding="utf-8")
    sums = json.loads((own_bundle / CHECKSUMS).read_text(encoding="utf-8")) | {"README.md": checksum(card)}
    (own_bundle / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")
    line = refused(command("serve", own_bundle, "--store", url, "--port", 0))
    assert f"is half filled with what the bundle '{bundle_name(sample_bundle)}' knows. Serve that bundle first" in line


# A bundle that was moved


def test_a_bundle_that_was_moved(own_bundle: Path, tmp_path: Path, command: Command) -> None:
    url = address_of(tmp_path / "shop.db")
    with open_store(url) as store:
        old = prepare_store(store, own_bundle, load_settings())
        before = whole(store)
        new_place = own_bundle.rename(tmp_path / "new-place")
        assert "no such bundle" in refused(command("serve", own_bundle, "--store", url))
        line = refused(command("retrain", "--store", url, "--out", tmp_path / "out"))
        assert f"{own_bundle}: no such bundle" in line
        assert "in its new place" in line
        new = prepare_store(store, new_place, load_settings())
        assert new != old
        assert json.loads(store.state(BUNDLES) or "") == {new: str(new_place)}, "the old name is gone with its folder"
        assert json.loads(store.state(TRAFFIC) or "") == {new: 1.0}
        assert whole(store) == before
    live = open_live_shop(None, url, load_settings())
    try:
        assert live.home(Ask(n=3)).bundle == new
    finally:
        live.close()
        live.store.close()


def test_a_bundle_that_was_moved_keeps_its_share(sample_bundle: Path, own_bundle: Path, tmp_path: Path) -> None:
    with open_store(address_of(tmp_path / "shop.db")) as store:
        first = prepare_store(store, sample_bundle, load_settings())
        other = Path(shutil.copytree(sample_bundle, tmp_path / "other"))
        card = own_bundle / "README.md"
        card.write_text("another one", encoding="utf-8")
        sums = json.loads((own_bundle / CHECKSUMS).read_text(encoding="utf-8")) | {"README.md": checksum(card)}
        (own_bundle / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")
        second = bundle_name(own_bundle)
        store.set_state(BUNDLES, json.dumps({first: str(sample_bundle), second: str(own_bundle)}))
        store.set_state(TRAFFIC, json.dumps({first: 0.75, second: 0.25}))
        moved = prepare_store(store, own_bundle.rename(tmp_path / "moved"), load_settings())
        assert json.loads(store.state(TRAFFIC) or "") == {first: 0.75, moved: 0.25}
        prepare_store(store, other, load_settings())  # a copy, not a move: the first one is still there
        assert set(json.loads(store.state(BUNDLES) or "")) == {first, moved, bundle_name(other)}


# Retraining


def test_retrain_on_a_store_without_a_bundle(tmp_path: Path, command: Command) -> None:
    line = refused(command("retrain", "--store", address_of(tmp_path / "x.db"), "--out", tmp_path / "new"))
    assert "the store has no bundle, so nothing to be better than. Is it the one that 'modaloom serve' uses?" in line


def test_retrain_with_too_little(sample_bundle: Path, tmp_path: Path, command: Command) -> None:
    url = address_of(tmp_path / "shop.db")
    with open_store(url) as store:
        prepare_store(store, sample_bundle, load_settings())
        snapshot = load_bundle(sample_bundle).snapshot
        user, item = snapshot.users["user_id"][0], snapshot.items["item_id"][0]
        store.add_interactions([Interaction(user, item, Event.PURCHASE, snapshot.now + 60)])
    line = refused(command("retrain", "--store", url, "--out", tmp_path / "new"))
    assert "known shoppers took something new since the champion learned. At least 4 who may be learned from" in line
    assert not (tmp_path / "new").exists()


def test_retrain_does_not_write_over_anything(own_bundle: Path, tmp_path: Path, command: Command) -> None:
    url, out = address_of(tmp_path / "shop.db"), tmp_path / "photos"
    with open_store(url) as store:
        prepare_store(store, own_bundle, load_settings())
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"dear to somebody")
    line = refused(command("retrain", "--store", url, "--out", out))
    assert "the folder is not empty and not a bundle" in line
    assert (out / "holiday.jpg").read_bytes() == b"dear to somebody"
    line = refused(command("retrain", "--store", url, "--out", own_bundle))
    assert line == f"{own_bundle}: a bundle that answers lies here, and must stay as it is. Give --out another name."
    assert "1.5" in refused(command("retrain", "--store", url, "--out", tmp_path / "new", "--share", "1.5"))
