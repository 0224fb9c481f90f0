"""Bundles beside each other: shares of the traffic, swaps, and what a store begins with."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom.config import load_settings
from modaloom.errors import BundleError, ModaloomError, NotFoundError, QueryError, StoreError
from modaloom.ranking import kernels
from modaloom.shop.live import LiveShop
from modaloom.shop.open import open_live_shop
from modaloom.shop.registry import BUNDLES, bundle_name, change, recalled
from modaloom.shop.requests import Ask
from modaloom.storage.contract import Exposure, ShopUser
from modaloom.types import Event, Interaction

Open = Callable[[], LiveShop]


def test_traffic_is_split_and_compared(live: LiveShop, open_shop: Open, sample_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sample_bundle, tmp_path / "challenger"))
    (old,), new = live.bundles(), live.add_bundle(copy)
    assert live.traffic == {old: 1.0}, "a second bundle waits for its share"
    live.set_traffic({old: 1, new: 1})
    users = [f"u{num}" for num in range(60)]
    arms = {user: live.home(Ask(user_id=user, n=3)).bundle for user in users}
    assert set(arms.values()) == {old, new}
    other = open_shop()
    assert {user: other.home(Ask(user_id=user, n=3)).bundle for user in users} == arms
    assert other.home(Ask(bundle=new)).bundle == new
    with pytest.raises(NotFoundError, match="no bundle 'x'"):
        live.home(Ask(bundle="x"))
    item = live.home(Ask(n=1)).cards[0].item_id
    now = live.clock()
    live.store.add_exposures([Exposure("r", user, item, "home", 0, arm, False, now - 10) for user, arm in arms.items()])
    for user, arm in arms.items():
        if arm == new:
            live.store.add_interactions([Interaction(user, item, Event.VIEW, live.clock())])
    with pytest.raises(QueryError, match="nothing was shown"):
        live.compare(old)  # none of them may be looked at for this
    live.store.upsert_users([ShopUser(user, declared=True) for user in users])
    (found,) = live.compare(old)
    assert found.bundle == new
    assert found.rate == (1.0, 0.0)
    with pytest.raises(QueryError, match="still has traffic"):
        live.remove_bundle(new)
    live.set_traffic({old: 1})
    live.remove_bundle(new)
    assert live.bundles() == [old]
    with pytest.raises(NotFoundError):
        live.remove_bundle(new)


def test_a_name_that_no_disk_can_have_is_no_bundle(live: LiveShop, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        live.add_bundle(tmp_path / ("x" * 300))


def test_another_process_swaps_to_a_new_bundle_by_itself(live: LiveShop, open_shop: Open, own_bundle: Path) -> None:
    other = open_shop()
    new = live.add_bundle(own_bundle)
    live.set_traffic({new: 1.0})
    deadline = time.monotonic() + 20
    while other.home(Ask(n=1)).bundle != new:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_broken_bundle_is_refused_and_nothing_changes(live: LiveShop, own_bundle: Path, tmp_path: Path) -> None:
    before = live.bundles(), live.traffic
    (own_bundle / "tables.npz").write_bytes(b"broken")
    for folder in (own_bundle, tmp_path / "nothing"):
        with pytest.raises(BundleError):
            live.add_bundle(folder)
    assert (live.bundles(), live.traffic) == before
    assert live.home(Ask(n=3)).cards


def test_a_store_begins_with_what_the_bundle_knows_and_only_once(live: LiveShop, open_shop: Open) -> None:
    counts = live.store.counts()
    assert counts["item"] == 56
    live.store.delete_items([live.store.item_changes(0)[0].item_id])
    again = open_shop()
    assert again.store.counts()["item"] == 55, "what was deleted does not come back with the next start"
    assert again.store.counts()["interaction"] == counts["interaction"]
    newest = max(event.timestamp for user in live.store.user_ids() for event in live.store.history(user, limit=5))
    assert abs(newest - live.clock()) < 8 * 86_400, "the calendar was moved to this week"


def test_without_a_bundle_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle to answer with"):
        open_live_shop(None, f"sqlite:///{tmp_path / 'shop.db'}", load_settings())
    with pytest.raises(ModaloomError):
        open_live_shop(tmp_path / "none", f"sqlite:///{tmp_path / 'shop.db'}", load_settings())


def test_a_bundle_that_cannot_be_loaded_is_told_once(
    live: LiveShop, own_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The watcher looks every second; reading a spoilt bundle through, and saying so, each time would be too much."""
    (own_bundle / "tables.npz").write_bytes(b"broken")
    named = json.loads(live.store.state(BUNDLES) or "")
    spoilt = bundle_name(own_bundle)
    live.store.set_state(BUNDLES, json.dumps(named | {spoilt: str(own_bundle)}))
    for _ in range(5):
        live.fleet._follow()
    assert [record.getMessage() for record in caplog.records if spoilt in record.getMessage()] == [
        f"bundle {spoilt} cannot be loaded: {own_bundle}: tables.npz was changed. "
        "Copy the bundle again, or train it again."
    ]
    assert live.bundles() == list(named)
    live.remove_bundle(spoilt)
    assert json.loads(live.store.state(BUNDLES) or "") == named


def test_a_folder_that_holds_another_bundle_now_is_not_taken_for_the_old_one(
    live: LiveShop, own_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    named = json.loads(live.store.state(BUNDLES) or "")
    live.store.set_state(BUNDLES, json.dumps(named | {"bundle-000000": str(own_bundle)}))
    live.fleet._follow()
    assert live.bundles() == list(named)
    assert "is not the bundle 'bundle-000000' any more" in caplog.text


def test_the_watcher_leaves_a_bundle_alone_that_is_being_added(live: LiveShop, own_bundle: Path) -> None:
    end = threading.Event()

    def watch() -> None:
        while not end.is_set():
            live.fleet._follow()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(3):
            new = live.add_bundle(own_bundle)
            assert new in live.bundles()
            live.remove_bundle(new)
            assert new not in live.bundles()
    finally:
        end.set()
        watcher.join()


def test_a_catalogue_that_cannot_be_read_leaves_no_thread_behind(
    live: LiveShop, own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("away")

    before = [thread for thread in threading.enumerate() if thread.name == "modaloom-placing"]
    with monkeypatch.context() as patch:
        patch.setattr(live.store, "item_changes", away)
        with pytest.raises(StoreError):
            live.add_bundle(own_bundle)
    assert [thread for thread in threading.enumerate() if thread.name == "modaloom-placing"] == before
    assert live.add_bundle(own_bundle) in live.bundles()


def test_bundles_that_are_added_in_one_instant_are_all_kept(live: LiveShop) -> None:
    """Two processes change the same entry; between reading and writing of the one the other one is faster."""
    faster = iter([True])

    def made(named: dict[str, str]) -> dict[str, str]:
        if next(faster, False):
            change(live.store, "bundles", lambda now: now | {"theirs": "there"})
        return named | {"ours": "here"}

    change(live.store, "bundles", made)
    assert set(recalled(live.store, "bundles")) >= {"ours", "theirs", *live.bundles()}


def test_a_large_bundle_has_its_loops_before_anybody_asks(
    live: LiveShop, open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = live.home(Ask(user_id="u3"))
    for module in ("shop.neighbours", "ranking.ranker"):
        monkeypatch.setattr(f"modaloom.{module}.SMALL_CATALOGUE", 0)
    other = open_shop()
    compiled = {name: len(loop.signatures) for name, loop in vars(kernels).items() if hasattr(loop, "signatures")}
    assert compiled["select_candidates"] >= 1
    quick = other.home(Ask(user_id="u3"))
    after = {name: len(getattr(kernels, name).signatures) for name in compiled}
    assert after == compiled, "nothing is compiled while somebody waits"
    assert quick.cards == plain.cards
