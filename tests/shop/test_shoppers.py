"""Pasts lie beside a bundle, never in it, and can be erased."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.errors import BundleError, TrainingError
from modaloom.learning import LearnOptions, train_bundle
from modaloom.learning import bundle_writer as build
from modaloom.privacy import ErasureList
from modaloom.shop.bundle import load_bundle
from modaloom.shop.open import prepare_store
from modaloom.shop.shoppers import (
    Pasts,
    bundles_under,
    erase_pasts,
    erase_under,
    erasure_lists,
    pasts_written,
    read_pasts,
    shoppers_folder,
)
from modaloom.storage.open import open_store
from modaloom.types import INTERACTION_COLUMNS

QUICK = LearnOptions(size="small", epochs=1, modalities=("attributes", "behaviour"))


def some_pasts() -> Pasts:
    log = pl.DataFrame(
        {
            "user_num": [0, 1, 1, 2],
            "item_num": [5, 6, 7, 8],
            "event": [0] * 4,
            "value": [None] * 4,
            "timestamp": [1, 2, 3, 4],
        },
        schema=INTERACTION_COLUMNS,
    )
    return Pasts(pl.DataFrame({"user_id": ["ann", "bob", "anon-c"]}), log)


def files_with(folder: Path, text: str) -> list[str]:
    return [file.name for file in sorted(folder.rglob("*")) if file.is_file() and text.encode() in file.read_bytes()]


def test_they_come_back_as_they_were_and_only_to_their_own_bundle(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()) as key:
        pass
    back = read_pasts(place, key)
    assert back.users.equals(some_pasts().users)
    assert back.interactions.equals(some_pasts().interactions)
    assert read_pasts(place, "0" * 16).users.height == 0
    with pasts_written(tmp_path / "other", some_pasts()) as other:
        assert other == key, "the same content has the same name"


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    with pasts_written(tmp_path / "bundle", some_pasts()):
        pass
    erase_pasts(tmp_path / "bundle", ["ann"])
    folder = shoppers_folder(tmp_path / "bundle")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_an_erased_shopper_is_nowhere_and_the_others_keep_theirs(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()) as key:
        pass
    (shoppers_folder(place) / f".{key}.zip.1.2.tmp").write_bytes(b"bob")  # of a killed writer
    assert files_with(tmp_path, "bob")
    assert erase_pasts(place, ["bob"]) == 1
    assert erase_pasts(place, ["bob"]) == 0
    assert not files_with(tmp_path, "bob")
    left = read_pasts(place, key)
    assert left.users["user_id"].to_list() == ["ann", "anon-c"]
    assert left.interactions.select("user_num", "item_num").rows() == [(0, 5), (1, 8)]


def test_a_file_that_was_put_back_brings_nobody_back(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()) as key:
        pass
    file = shoppers_folder(place) / f"{key}.zip"
    backup = file.read_bytes()
    erase_pasts(place, ["bob"])
    file.write_bytes(backup)
    assert "bob" not in read_pasts(place, key).users["user_id"].to_list()


def test_the_list_of_the_erased_names_nobody_and_does_not_grow_by_strangers(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()):
        pass
    for num in range(3):
        assert erase_pasts(place, [f"anon-{num}"]) == 0
    assert not (shoppers_folder(place) / "erased.json").exists()
    assert erase_pasts(place, ["anon-c"]) == 1
    assert erase_pasts(place, ["carl"]) == 0
    (erased,) = erasure_lists(tmp_path)
    assert "carl" in erased
    assert "ann" not in erased
    assert len(erased.hashes) == 2
    assert not files_with(tmp_path, "carl")
    assert not {*ErasureList.new().added(["carl"]).hashes} & {*erased.hashes}, "each list has a salt of its own"


def test_who_comes_back_is_taken_off_the_list(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()):
        pass
    erase_pasts(place, ["bob"])
    with pasts_written(place, some_pasts()) as key:
        pass
    assert "bob" in read_pasts(place, key).users["user_id"].to_list()


def test_a_writer_that_fails_leaves_the_pasts_of_the_bundle_that_stays(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()) as key:
        pass
    other = some_pasts().of(["ann"])
    with pytest.raises(OSError, match="full"), pasts_written(place, other):
        raise OSError("full")
    assert [file.name for file in shoppers_folder(place).iterdir()] == [f"{key}.zip"]
    with pasts_written(place, other) as new:
        pass
    assert [file.name for file in shoppers_folder(place).iterdir()] == [f"{new}.zip"]


def test_damage_is_told(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    with pasts_written(place, some_pasts()) as key:
        pass
    (shoppers_folder(place) / "erased.json").write_text("{")
    with pytest.raises(BundleError, match=r"erased\.json: the list of the erased is damaged"):
        read_pasts(place, key)
    (shoppers_folder(place) / "erased.json").unlink()
    (shoppers_folder(place) / f"{key}.zip").write_bytes(b"PK")
    with pytest.raises(BundleError, match="pasts cannot be read"):
        read_pasts(place, key)


def test_a_bundle_holds_nobody(sample_bundle: Path) -> None:
    users = load_bundle(sample_bundle).snapshot.users["user_id"].to_list()
    assert len(users) == 80
    assert not [file for user in users for file in files_with(sample_bundle, user)]
    lonely = load_bundle(sample_bundle, pasts=False)
    assert lonely.snapshot.users.height == lonely.snapshot.interactions.height == 0
    assert (lonely.snapshot.ever_sold() == load_bundle(sample_bundle).snapshot.ever_sold()).all()


def test_an_erased_shopper_is_not_seeded_again(own_bundle: Path, tmp_path: Path) -> None:
    gone, *others = load_bundle(own_bundle).snapshot.users["user_id"].to_list()
    assert erase_pasts(own_bundle, [gone]) == 1
    with open_store(f"sqlite:///{tmp_path / 'new.db'}") as store:
        prepare_store(store, own_bundle, load_settings())
        assert store.user_ids(limit=1_000) == sorted(others)
        assert {user.declared for _, user in store.user_rows(purpose="research")} == {True}
    assert not files_with(tmp_path, gone)


def test_a_bundle_without_its_pasts_fills_a_store_with_items(own_bundle: Path, tmp_path: Path) -> None:
    shoppers_folder(own_bundle).rename(tmp_path / "elsewhere")
    with open_store(f"sqlite:///{tmp_path / 'new.db'}") as store:
        prepare_store(store, own_bundle, load_settings())
        assert (store.counts()["item"], store.counts()["shopper"], store.counts()["interaction"]) == (56, 0, 0)


def test_later_trainings_know_the_list_and_a_stopped_one_does_not_go_on(
    sample_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop's files still have the shopper."""
    monkeypatch.setattr(build, "export_towers", lambda model, folder: None)
    settings = load_settings()
    shop, place = load_shop(sample_shop, settings=settings), tmp_path / "bundle"
    gone = shop.users["user_id"][0]
    train_bundle(shop, place, QUICK, settings=settings)
    monkeypatch.setattr(build, "write_bundle", lambda out, write: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        train_bundle(shop, tmp_path / "next", QUICK, settings=settings)
    monkeypatch.undo()
    monkeypatch.setattr(build, "export_towers", lambda model, folder: None)
    erase_under(tmp_path, gone)
    with pytest.raises(TrainingError, match="another shop"):
        train_bundle(shop, tmp_path / "next", QUICK, settings=settings, resume=True)
    train_bundle(shop, tmp_path / "next", QUICK, settings=settings)
    config = json.loads((tmp_path / "next" / "config.json").read_text(encoding="utf-8"))
    assert read_pasts(tmp_path / "next", config["shoppers"]).users.height == shop.n_users - 1
    assert not files_with(tmp_path, gone)


def test_the_command_erases_under_a_folder_and_says_what_is_left(
    own_bundle: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    gone = load_bundle(own_bundle).snapshot.users["user_id"][0]
    assert bundles_under(tmp_path) == [own_bundle]
    code, out, _ = command("erase", gone, "--under", tmp_path)
    assert code == 0
    assert f"{own_bundle}: erased" in out
    assert "Left are the weights" in out
    assert not files_with(tmp_path, gone)
    code, out, _ = command("erase", gone, "--under", tmp_path)
    assert f"{own_bundle}: not there" in out
    (own_bundle / "interactions.parquet").write_bytes(b"of an older Modaloom")
    code, _, err = command("erase", gone, "--under", tmp_path)
    assert (code, "older Modaloom" in err) == (2, True)
    (tmp_path / "empty").mkdir()
    assert command("erase", gone, "--under", tmp_path / "empty")[0] == 2
