"""What shoppers' data may be used for: the rule, that every way out of the store asks it, and a world of all cases."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from modaloom.build.live import prepare_store
from modaloom.build.retrain import shop_of
from modaloom.config import load_settings
from modaloom.counting.source import Facts, store_source
from modaloom.live.fleet import Fleet
from modaloom.live.shop import LiveShop
from modaloom.privacy import PURPOSES, is_anonymous, is_granted
from modaloom.recommend.bundle import load_bundle
from modaloom.storage.contract import Consent, Feedback, Showing, ShopUser, Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction

PACKAGE = Path(__file__).parents[1] / "modaloom"
BULK_READS = {"interactions", "event_rows", "user_rows", "shopper_counts", "outcomes"}
WORDS: tuple[tuple[bool, ...], ...] = ((), (True,), (False,), (True, False), (False, True))


@pytest.mark.parametrize(
    ("purpose", "word", "personalise", "declared", "granted"),
    [
        ("research", None, True, False, False),
        ("research", None, True, True, True),
        ("research", False, True, True, False),
        ("research", True, False, False, True),
        ("photos", None, True, True, False),
        ("photos", True, False, False, True),
        ("personalise", None, True, False, True),
        ("personalise", True, False, True, False),
    ],
)
def test_the_rule(purpose: str, word: bool | None, personalise: bool, declared: bool, granted: bool) -> None:
    assert is_granted(purpose, word, personalise=personalise, declared=declared) is granted


def test_whom_only_a_page_has_met_is_anonymous() -> None:
    assert is_anonymous("anon-5f")
    assert not is_anonymous("u7")


def test_every_bulk_read_names_a_purpose() -> None:
    """Nothing in the package reads many shoppers' data for no purpose; the store and its suites may."""
    faults = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.relative_to(PACKAGE).parts[0] in ("storage", "testing"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BULK_READS:
                said = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if said.get("purpose") not in ("RESEARCH", *(repr(one) for one in PURPOSES)):
                    faults.append(f"{file.name}:{node.lineno}")
    assert not faults


@dataclass(frozen=True)
class World:
    """A live store with one shopper of every kind, each of whom bought and liked one item yesterday."""

    store: Store
    item: str
    may: frozenset[str]
    """Of the new shoppers: who may be learned from."""
    new: frozenset[str]


@pytest.fixture
def world(sample_bundle: Path, tmp_path: Path) -> Iterator[World]:
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        name = prepare_store(store, sample_bundle, load_settings())
        snapshot = load_bundle(sample_bundle).snapshot
        item, now = snapshot.items["item_id"][3], snapshot.now
        may, new = set[str](), set[str]()
        cases = itertools.product(WORDS, (True, False), (True, False), ("cust", "anon"), (True, False))
        for number, (words, declared, personalise, kind, erased) in enumerate(cases):
            user = f"{kind}-{number}"
            store.upsert_users([ShopUser(user, declared=declared, personalise=personalise)])
            buy(store, user, item, now)
            store.add_showings([Showing("r", user, "home", name, now, (item,))])
            for when, granted in enumerate(words):
                store.add_consent(Consent(user, "research", granted, when))
                store.add_consent(Consent(user, "photos", not granted, when))
            new.add(user)
            if erased:
                store.erase_user(user)
            elif words[-1] if words else declared:
                may.add(user)
        buy(store, "unknown", item, now)
        yield World(store, item, frozenset(may), frozenset(new | {"unknown"}))


def buy(store: Store, user: str, item: str, now: int) -> None:
    store.add_interactions([Interaction(user, item, Event.PURCHASE, now + 60)])
    store.set_feedback(Feedback(user, item, "like", now + 61))


def test_training_learns_from_those_alone_who_may_be_learned_from(world: World) -> None:
    fleet = Fleet(world.store, load_settings(), lambda: 0)
    fleet.open()
    try:
        shop, _ = shop_of(world.store, fleet.main, lambda what, done, total: None)
    finally:
        fleet.close()
    users = shop.users["user_id"].to_list()
    assert set(users) & world.new == world.may
    events = shop.interactions.filter(pl.col("user_num").is_in([users.index(user) for user in world.may]))
    assert sorted(events["event"].to_list()) == sorted([int(Event.PURCHASE), int(Event.LIKE)] * len(world.may))
    declared = dict(zip(users, shop.users["declared"].to_list(), strict=True))
    assert all(declared[user] for user in users if user not in world.new), "those of the shop's files are"
    assert {user for user in world.may if declared[user]} != world.may


def test_trends_count_those_alone_whom_the_shop_knows_and_who_may_be_counted(world: World) -> None:
    source = store_source(world.store, Facts())
    counted = pl.concat(source.batches())["user_num"].unique()
    users = {source.shop.users["user_id"][num] for num in counted}
    assert users & world.new == {user for user in world.may if not is_anonymous(user)}
    assert not users - world.new - {user for user in world.store.user_ids(limit=10_000)}


def test_popularity_and_comparisons_count_the_same(world: World, sample_bundle: Path) -> None:
    now = load_bundle(sample_bundle).snapshot.now + 3_600
    live = LiveShop(world.store, load_settings(), clock=lambda: now)
    known = {user for user in world.may if not is_anonymous(user)}
    counts = world.store.shopper_counts(now - 3_600, [Event.PURCHASE], purpose="research")
    assert counts == {world.item: len(known)}
    everybody = world.store.shopper_counts(now - 3_600, [Event.PURCHASE], purpose=None)
    assert everybody[world.item] > len(known)
    assert live._counts(now)[world.item] >= 5 * len(known)
    shown = {one.user_id for one in world.store.outcomes(0, purpose="research")}
    assert shown == world.may
