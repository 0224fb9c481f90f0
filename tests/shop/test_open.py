"""What a new store begins with: items, shoppers and events of the bundle, in its calendar or moved to today."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modaloom.config import load_settings
from modaloom.errors import BundleError
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.open import SEEDED, SEEDING, open_live_shop, prepare_store, worker_shop
from modaloom.shop.registry import BUNDLES, TRAFFIC
from modaloom.shop.requests import Ask
from modaloom.storage.contract import ShopUser, Store
from modaloom.storage.open import open_store
from modaloom.types import DAY_S, Event, Interaction, Item


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as opened:
        yield opened


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


def test_everything_the_bundle_knows_is_there(store: Store, sample_bundle: Path, bundle: Bundle) -> None:
    told: list[tuple[str, int, int]] = []
    name = prepare_store(store, sample_bundle, load_settings(), tell=lambda *said: told.append(said))
    snapshot = bundle.snapshot
    assert store.state(SEEDED) == name
    assert store.state(SEEDING) is None
    assert json.loads(store.state(BUNDLES) or "") == {name: str(sample_bundle.resolve())}
    assert ("items into the store", snapshot.n_items, snapshot.n_items) in told
    ids = snapshot.items["item_id"].to_list()
    kept = store.items(ids)
    assert set(kept) == set(ids)
    assert kept[ids[0]].images[0].is_file()
    user, log = snapshot.users["user_id"][0], snapshot.interactions.drop_nulls("item_num")
    own = log.filter(log["user_num"] == 0).sort("timestamp", maintain_order=True)
    history = store.history(user, limit=10_000)
    assert [event.item_id for event in history] == [ids[item] for item in own["item_num"]]
    assert [event.timestamp for event in history] == own["timestamp"].to_list()
    assert store.user(user) is not None


def test_the_calendar_is_moved_by_whole_weeks(store: Store, sample_bundle: Path, bundle: Bundle) -> None:
    prepare_store(store, sample_bundle, load_settings(), today=True)
    newest = max(event.timestamp for _, event in store.interactions(limit=100_000, purpose=None))
    shift = newest - int(bundle.snapshot.interactions["timestamp"].max())  # type: ignore[call-overload]
    assert shift > 0
    assert shift % (7 * DAY_S) == 0, "weekdays stay what they were, and so do whole weeks"
    assert 0 <= time.time() - newest < 9 * DAY_S
    dated = bundle.snapshot.items.filter(bundle.snapshot.items["released_at"].is_not_null())
    if dated.height:
        item = store.items([dated["item_id"][0]])[dated["item_id"][0]]
        assert item.released_at == dated["released_at"][0] + shift


def test_what_a_shop_brought_before_stays(store: Store, sample_bundle: Path, bundle: Bundle) -> None:
    """Then the bundle's own items are not put in beside them; its events are."""
    store.upsert_items([Item("own", title="the shop's own")])
    store.add_interactions([Interaction("somebody", "own", Event.VIEW, 5, event_id="mine")])
    prepare_store(store, sample_bundle, load_settings())
    assert [change.item_id for change in store.item_changes(0)] == ["own"]
    assert store.counts()["interaction"] == 1 + bundle.snapshot.interactions.height


def test_what_changed_since_is_not_put_back(store: Store, sample_bundle: Path, bundle: Bundle) -> None:
    prepare_store(store, sample_bundle, load_settings())
    user, item = bundle.snapshot.users["user_id"][0], bundle.snapshot.items["item_id"][0]
    store.upsert_users([ShopUser(user, personalise=False)])
    store.upsert_items([Item(item, title="other words")])
    store.set_state(TRAFFIC, json.dumps({"another": 0.5, store.state(SEEDED): 0.5}))
    prepare_store(store, sample_bundle, load_settings(), today=True)
    kept = store.user(user)
    assert kept is not None
    assert not kept.personalise
    assert store.items([item])[item].title == "other words"
    assert json.loads(store.state(TRAFFIC) or "")["another"] == 0.5, "who has a share keeps it"
    assert store.counts()["interaction"] == bundle.snapshot.interactions.height


def test_a_worker_opens_what_was_prepared(store: Store, sample_bundle: Path) -> None:
    with pytest.raises(BundleError, match="no bundle to answer with"):
        worker_shop(store.url)
    name = prepare_store(store, sample_bundle, load_settings())
    live = worker_shop(store.url, {"threads": 1})
    try:
        assert live.home(Ask(n=2)).bundle == name
    finally:
        live.close()
        live.store.close()


def test_what_cannot_be_opened_leaves_no_store_open(sample_bundle: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with pytest.raises(BundleError):
        open_live_shop(tmp_path / "none", url, load_settings())
    assert not (tmp_path / "shop.db-wal").exists(), "closed, SQLite puts its log away"
