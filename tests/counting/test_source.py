from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from modaloom.counting.ledger import read_ledger
from modaloom.counting.source import Facts, shop_source, store_source
from modaloom.data.shop import items_of, load_shop
from modaloom.errors import ShopError
from modaloom.storage.contract import Consent, ShopUser, Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction


def fill(store: Store, folder: Path) -> None:
    """The shop's items, shoppers and events, as a live shop has them."""
    shop = load_shop(folder)
    store.upsert_items(list(items_of(shop.items, folder)))
    users, items = shop.users["user_id"].to_list(), shop.items["item_id"].to_list()
    genders = shop.users["attributes.gender"].to_list()
    store.upsert_users(
        [ShopUser(user, {"gender": gender or ""}, declared=True) for user, gender in zip(users, genders, strict=True)]
    )
    columns = ("user_num", "item_num", "event", "timestamp", "query")
    store.add_interactions([
        Interaction(users[user], None if item is None else items[item], Event(kind), when, None, query)
        for user, item, kind, when, query in shop.interactions.select(columns).iter_rows()
    ])  # fmt: skip


def test_a_store_tells_what_the_files_tell(sample_shop: Path, tmp_path: Path) -> None:
    shop = load_shop(sample_shop)
    files = shop_source(shop)
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        fill(store, sample_shop)
        live = store_source(store, Facts("Live"))
        assert live.total == files.total
        one = read_ledger(files.batches(), shop.n_items)
        other = read_ledger(live.batches(), live.shop.n_items)
        assert len(one) == len(other)
        assert one.counts().sum(axis=0).tolist() == other.counts().sum(axis=0).tolist()
        assert sorted(one.queries) == sorted(other.queries)
        order = [live.shop.items["item_id"].to_list().index(item_id) for item_id in shop.items["item_id"]]
        assert (one.counts()[: shop.n_items] != other.counts()[order]).nnz == 0


def test_who_refused_is_left_out(sample_shop: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        fill(store, sample_shop)
        everybody = pl.concat(store_source(store, Facts()).batches())
        busiest = everybody["user_num"].mode()[0]
        source = store_source(store, Facts())
        user_id = source.shop.users["user_id"][busiest]
        store.add_consent(Consent(user_id, "research", False, 1))
        left = pl.concat(store_source(store, Facts()).batches())
        assert left.height == everybody.height - (everybody["user_num"] == busiest).sum()


def test_anonymous_shoppers_count_for_nothing_whatever_they_agree_to(sample_shop: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        fill(store, sample_shop)
        before = pl.concat(store_source(store, Facts()).batches())
        for num in range(21):
            user = f"anon-{num}"
            store.add_interactions([Interaction(user, None, Event.SEARCH, 1_700_000_000, query="a slur")])
            store.add_consent(Consent(user, "research", True, 1))
        source = store_source(store, Facts())
        assert pl.concat(source.batches()).equals(before)
        assert not source.shop.users["user_id"].str.starts_with("anon-").any()


def test_a_store_of_nobody_who_agreed_is_refused(sample_shop: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        store.upsert_items(list(items_of(load_shop(sample_shop).items, sample_shop)))
        store.add_interactions([Interaction("u", None, Event.SEARCH, 1_700_000_000, query="red")])
        with pytest.raises(ShopError, match="no shopper of this store may be counted"):
            store_source(store, Facts())


def test_an_empty_store_and_a_log_without_times_are_refused(sample_shop: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store, pytest.raises(ShopError, match="no items"):
        store_source(store, Facts())
    shop = load_shop(sample_shop)
    object.__setattr__(shop, "interactions", shop.interactions.with_columns(timestamp=pl.lit(0, pl.Int64)))
    with pytest.raises(ShopError, match="no times"):
        shop_source(shop)
    object.__setattr__(shop, "interactions", shop.interactions.clear())
    with pytest.raises(ShopError, match="no behaviour log"):
        shop_source(shop)
