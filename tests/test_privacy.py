"""What shoppers' data may be used for: the rule, that every way out of the store asks it, and a world of all cases."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from starlette.testclient import TestClient

from modaloom.api.app import create_app
from modaloom.api.middleware.logs import JsonLog
from modaloom.config import load_settings
from modaloom.counting.source import Facts, store_source
from modaloom.learning.retrain import shop_of
from modaloom.privacy import PURPOSES, is_anonymous, is_granted
from modaloom.shop.bundle import load_bundle
from modaloom.shop.live import LiveShop
from modaloom.shop.open import open_live_shop, prepare_store
from modaloom.shop.registry import Fleet
from modaloom.storage.contract import Consent, Feedback, ShopUser, Showing, Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction
from tests.api.conftest import PAGE, SHOP, serve_settings

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
    assert not users - world.new - set(world.store.user_ids(limit=10_000))


def test_popularity_and_comparisons_count_the_same(world: World, sample_bundle: Path) -> None:
    now = load_bundle(sample_bundle).snapshot.now + 3_600
    live = LiveShop(world.store, load_settings(), clock=lambda: now)
    known = {user for user in world.may if not is_anonymous(user)}
    counts = world.store.shopper_counts(now - 3_600, [Event.PURCHASE], purpose="research")
    assert counts == {world.item: len(known)}
    everybody = world.store.shopper_counts(now - 3_600, [Event.PURCHASE], purpose=None)
    assert everybody[world.item] > len(known)
    assert live._activity(now).counts[world.item] >= 5 * len(known)
    shown = {one.user_id for one in world.store.outcomes(0, purpose="research")}
    assert shown == world.may


@pytest.fixture
def jpeg() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (64, 96), (120, 40, 60)).save(stream, "JPEG")
    return stream.getvalue()


def files_with(folder: Path, *texts: str) -> list[str]:
    """Every file under a folder, by its name or content, that has one of the texts in it."""
    return [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and any(text in file.name or text.encode() in file.read_bytes() for text in texts)
    ]


def test_erasing_reaches_every_file(own_bundle: Path, tmp_path: Path, jpeg: bytes) -> None:
    """A customer of the shop's files and a visitor of the page live in a service, and go."""
    url, lines = f"sqlite:///{tmp_path / 'shop.db'}", list[str]()
    customer, stays = load_bundle(own_bundle).snapshot.users["user_id"][:2].to_list()
    live = open_live_shop(own_bundle, url, load_settings(cache_dir=tmp_path / "cache"))
    app = create_app(live, serve_settings(tmp_path), log=JsonLog(lines.append))
    with live.store, TestClient(app) as client:

        def ask(method: str, path: str, token: str, **values: Any) -> Any:
            headers = {"X-API-Key": PAGE, "X-Shopper-Token": token}
            answer = client.request(method, path, headers=headers, **values)
            assert answer.is_success, answer.text
            return answer.json()

        shop = {"X-API-Key": SHOP}
        visitor = client.post("/v1/shoppers", headers={"X-API-Key": PAGE}, json={}).json()
        tokens = {
            customer: client.post(f"/v1/users/{customer}/token", headers=shop).json()["token"],
            visitor["user_id"]: visitor["token"],
        }
        client.cookies.clear()
        for user, token in tokens.items():
            ask("PUT", "/v1/users/me/consents", token, json={"purpose": "photos", "granted": True})
            ask("PUT", "/v1/users/me/consents", token, json={"purpose": "research", "granted": True})
            wish = {"event": "search", "query": f"secret wish of {user}"}
            ask("POST", "/v1/interactions", token, json={"events": [wish, {"event": "view", "item_id": "M00003"}]})
            ask("PUT", "/v1/users/me/feedback/M00004/like", token)
            ask("POST", "/v1/users/me/wardrobe/photo", token, files={"file": ("a.jpg", jpeg)}, data={"title": user})
            ask("GET", "/v1/recommendations", token)
        assert len(files_with(tmp_path / "media", "")) == 2
        assert files_with(tmp_path, customer), "or the test shows nothing"
        erased = {user: ask("DELETE", "/v1/users/me", token)["erased"] for user, token in tokens.items()}
        assert {user: rows["pasts"] for user, rows in erased.items()} == {customer: 1, visitor["user_id"]: 0}
        app.state.service.exposures.flush()
        app.state.service.upkeep.run_due()
        assert not files_with(tmp_path, *tokens), "while it serves"
        assert not files_with(tmp_path / "media", "")
        assert not [line for line in lines if any(user in line for user in tokens)]
        assert client.get(f"/v1/users/{stays}/export", headers=shop).json()["interactions"]
    live.close()
    assert not files_with(tmp_path, *tokens), "and after that"
    with open_store(f"sqlite:///{tmp_path / 'next.db'}") as store:
        prepare_store(store, own_bundle, load_settings(cache_dir=tmp_path / "cache"))
        assert store.user(customer) is None, "nobody comes back with a new store"
        assert store.user(stays) is not None


def test_who_says_no_to_research_goes_from_what_is_learned_from(own_bundle: Path, tmp_path: Path) -> None:
    """Or a new store, filled from the bundle, would not know of the word."""
    customer = load_bundle(own_bundle).snapshot.users["user_id"][0]
    live = open_live_shop(own_bundle, f"sqlite:///{tmp_path / 'shop.db'}", load_settings())
    with live.store, TestClient(create_app(live, serve_settings(tmp_path))) as client:
        word = {"purpose": "research", "granted": False}
        assert client.put(f"/v1/users/{customer}/consents", headers={"X-API-Key": SHOP}, json=word).is_success
        assert live.store.history(customer), "the store keeps the past: it shapes the shopper's own lists"
    live.close()
    assert customer not in load_bundle(own_bundle).snapshot.users["user_id"].to_list()
