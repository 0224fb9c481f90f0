"""Learning from a store: the gate lets only the better one through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.errors import TrainingError
from modaloom.learning import LearnOptions
from modaloom.learning.bundle_writer import train_bundle
from modaloom.learning.retrain import Verdict, columns_of, retrain, shop_of
from modaloom.metrics import top_n
from modaloom.shop.bundle import load_bundle
from modaloom.shop.open import open_live_shop, prepare_store
from modaloom.shop.registry import Fleet
from modaloom.shop.requests import Ask
from modaloom.storage.contract import Consent, Feedback, ShopUser, Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction, Item

OPTIONS = LearnOptions(size="small", epochs=1)


@pytest.fixture
def store(sample_bundle: Path, tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as opened:
        opened.migrate()
        prepare_store(opened, sample_bundle, load_settings())
        yield opened


def buy_on(store: Store, bundle: Path, *, seed: int = 0) -> None:
    """A new fashion: three weeks in which everybody buys out of a few items that come first for nobody."""
    snapshot = load_bundle(bundle).snapshot
    rng = np.random.default_rng(seed)
    counts = snapshot.targets()["item_num"].value_counts()
    sold = dict(counts.iter_rows())
    rare = [
        snapshot.items["item_id"][num] for num in sorted(range(snapshot.n_items), key=lambda num: sold.get(num, 0))[:8]
    ]
    events = []
    for day in range(40):
        for user in snapshot.users["user_id"].to_list():
            if rng.random() < 0.15:
                when = snapshot.now + day * 86_400 + int(rng.integers(0, 86_400))
                events.append(Interaction(user, str(rng.choice(rare)), Event.PURCHASE, when))
    store.add_interactions(events)


def test_too_little_new_is_said_so(store: Store, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="only 0 known shoppers took something new"):
        retrain(store, tmp_path / "new", OPTIONS, settings=load_settings())
    with pytest.raises(TrainingError, match="share"):
        retrain(store, tmp_path / "new", OPTIONS, settings=load_settings(), share=0)


def test_a_better_challenger_answers(store: Store, sample_bundle: Path, tmp_path: Path) -> None:
    """It keeps the pasts of those alone who may be learned from, as it is when it is written."""
    buy_on(store, sample_bundle)
    refuses, goes, *stay = store.user_ids(limit=1_000)
    store.add_consent(Consent(refuses, "research", False, 1))

    def tell(what: str, done: int, total: int) -> None:
        if what == "writing the bundle":
            store.erase_user(goes)

    verdict, name = retrain(store, tmp_path / "new", OPTIONS, settings=load_settings(), share=0.25, tell=tell)
    kept = load_bundle(tmp_path / "new").snapshot.users
    assert sorted(kept["user_id"]) == stay
    assert kept["declared"].all()
    assert verdict.better
    assert verdict.challenger_value > verdict.champion_value
    assert verdict.shoppers >= 50
    assert 27 < verdict.days < 41
    assert name is not None
    live = open_live_shop(None, f"sqlite:///{tmp_path / 'shop.db'}", load_settings())
    try:
        assert live.traffic[name] == pytest.approx(0.25)
        assert live.home(Ask(n=5, bundle=name)).cards
    finally:
        live.close()
        live.store.close()


def test_one_that_is_not_better_changes_nothing(store: Store, sample_bundle: Path, tmp_path: Path) -> None:
    """Everybody buys what the champion puts first, so that whatever the challenger lists otherwise is wrong."""
    bundle = load_bundle(sample_bundle)
    snapshot = bundle.snapshot
    histories = snapshot.histories(np.arange(snapshot.n_users))
    foreseen = top_n(bundle.ranker.score(histories), 3, snapshot.may_be_shown(histories))
    ids = snapshot.items["item_id"].to_list()
    store.add_interactions(
        [
            Interaction(user, ids[num], Event.PURCHASE, snapshot.now + 3_600 * (place + 1))
            for user, nums in zip(snapshot.users["user_id"].to_list(), foreseen.tolist(), strict=True)
            for place, num in enumerate(nums)
        ]
    )
    before = store.state("bundles"), store.state("traffic")
    verdict, name = retrain(store, tmp_path / "new", OPTIONS, settings=load_settings())
    assert not verdict.better
    assert name is None
    assert (store.state("bundles"), store.state("traffic")) == before
    assert not (tmp_path / "new").exists()


def test_what_comes_in_while_the_champion_is_asked_is_numbered_too(store: Store, sample_bundle: Path) -> None:
    known = load_bundle(sample_bundle).snapshot.items["item_id"].to_list()
    fleet = Fleet(store, load_settings(), lambda: 0)
    fleet.open()
    try:
        store.upsert_items([Item("late", title="a red silk dress")])
        assert columns_of(fleet, fleet.main, [known[2], "late"]).tolist() == [2, len(known)]
        with pytest.raises(TrainingError, match="could not take in 1 new items, 'nowhere'"):
            columns_of(fleet, fleet.main, [known[2], "nowhere"])
    finally:
        fleet.close()


def test_a_lead_within_chance_is_none() -> None:
    verdict = Verdict("c", 100, 0.10, 0.11, 0.01, 0.02, 7.0, p_value=0.3)
    assert not verdict.better
    sure = replace(verdict, standard_error=0.005, p_value=0.02)
    assert sure.better
    assert not replace(verdict, lead=0.0, standard_error=0.0).better
    assert not replace(sure, shoppers=3).better
    learned_nothing = replace(verdict, content_only=True)
    assert learned_nothing.better
    assert not replace(learned_nothing, lead=-0.01).better
    assert replace(learned_nothing, shoppers=3, lead=0.0).better


def test_the_stores_shop_is_the_bundles_shop_with_what_came_since(store: Store, sample_bundle: Path) -> None:
    snapshot = load_bundle(sample_bundle).snapshot
    gone, kept = snapshot.items["item_id"][0], snapshot.items["item_id"][1]
    store.delete_items([gone])
    store.upsert_users([ShopUser("fan", declared=True)])
    store.set_feedback(Feedback("fan", kept, "like", snapshot.now + 5))
    fleet = Fleet(store, load_settings(), lambda: 0)
    fleet.open()
    try:
        shop, learned_at = shop_of(store, fleet.main, lambda what, done, total: None)
    finally:
        fleet.close()
    assert shop.n_items == snapshot.n_items - 1
    assert learned_at == snapshot.now
    assert shop.interactions["timestamp"].is_sorted()
    likes = shop.interactions.filter(shop.interactions["event"] == int(Event.LIKE))
    assert shop.users["user_id"][int(likes["user_num"][-1])] == "fan"
    on_gone = snapshot.interactions.filter(snapshot.interactions["item_num"] == 0).height
    assert shop.interactions.height == snapshot.interactions.height - on_gone + 1
    assert set(shop.attribute_names) >= {"category", "material"}
    known = [path for path in shop.image_paths() if path is not None]
    assert known
    assert all(path.is_file() for path in known)


COLOURS, KINDS = ("red", "blue", "black"), ("dress", "shirt", "belt", "shoes")


@pytest.fixture(scope="module")
def catalogue_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a catalogue without a log gives."""
    folder = tmp_path_factory.mktemp("catalogue")
    rows = [f"i{num},{COLOURS[num % 3]} {KINDS[num % 4]},{KINDS[num % 4]},{COLOURS[num % 3]}" for num in range(48)]
    (folder / "items.csv").write_text("\n".join(["id,name,category,colour", *rows]), encoding="utf-8")
    (folder / "shop.toml").write_text(
        'name = "New"\n[items]\nfile = "items.csv"\n[items.columns]\nitem_id = "id"\ntitle = "name"\n'
        '[items.attributes]\ncategory = "category"\ncolour = "colour"\n',
        encoding="utf-8",
    )
    shop = load_shop(folder, settings=load_settings())
    train_bundle(shop, folder / "bundle", ATTRIBUTES, settings=load_settings())
    return folder / "bundle"


@pytest.fixture
def new_store(catalogue_bundle: Path, tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'new.db'}") as opened:
        opened.migrate()
        prepare_store(opened, catalogue_bundle, load_settings())
        yield opened


ATTRIBUTES = LearnOptions(size="small", epochs=1, modalities=("attributes", "behaviour"))
DAY = 86_400


def come_and_buy(store: Store, shoppers: int, *, each: int, event: Event = Event.PURCHASE, days: int = 30) -> None:
    """Shoppers who buy one kind of garment each, over some weeks."""
    rng = np.random.default_rng(0)
    store.upsert_users([ShopUser(f"u{user}", declared=True) for user in range(shoppers)])
    store.add_interactions(
        [
            Interaction(f"u{user}", f"i{4 * int(rng.integers(0, 12)) + user % 4}", event, when)
            for user in range(shoppers)
            for when in (1_700_000_000 + rng.integers(0, days * DAY, each)).tolist()
        ]
    )


def test_a_new_shop_says_before_it_works_that_there_is_nothing_to_learn_from(new_store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(TrainingError, match="nothing to learn from yet: the store has no purchase event"):
        retrain(new_store, tmp_path / "next", ATTRIBUTES, settings=load_settings(), tell=lambda *a: said.append(a[0]))
    assert not any("attributes" in line for line in said), "it had begun to encode"


def test_with_nobody_who_came_back_the_decision_rests_on_the_log_alone(new_store: Store, tmp_path: Path) -> None:
    come_and_buy(new_store, 3, each=1)
    verdict, name = retrain(new_store, tmp_path / "next", ATTRIBUTES, settings=load_settings())
    assert not verdict.compared
    assert name is not None
    assert "0 known shoppers came back, too few to compare on" in str(verdict)
    assert "rests on 3 events alone" in str(verdict)
    blend = load_bundle(tmp_path / "next").config["blend"]
    assert "attributes" in blend
    assert not {"demand", "linear", "fusion"} & set(blend), "three purchases are no evidence"


def test_a_shop_of_thirty_shoppers_can_retrain(new_store: Store, tmp_path: Path) -> None:
    come_and_buy(new_store, 30, each=6)
    said: list[str] = []
    verdict, name = retrain(
        new_store, tmp_path / "next", ATTRIBUTES, settings=load_settings(), tell=lambda *a: said.append(a[0])
    )
    assert verdict.content_only
    assert 4 <= verdict.shoppers <= 30
    assert any(f"180 events to learn from, {verdict.shoppers} known shoppers to compare on" in line for line in said)
    assert "to be as good is enough" in str(verdict)
    assert verdict.better == (verdict.lead >= 0)
    assert (name is not None) == verdict.better


def test_a_shop_without_purchases_learns_from_what_there_is(new_store: Store, tmp_path: Path) -> None:
    come_and_buy(new_store, 3, each=2, event=Event.VIEW)
    verdict, _ = retrain(new_store, tmp_path / "next", ATTRIBUTES, settings=load_settings())
    assert verdict.events == 6
    assert load_bundle(tmp_path / "next").snapshot.target_events == (Event.VIEW,)
