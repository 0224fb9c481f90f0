"""New content through a bundle's own eyes: a known item comes out as it was learned, a broken one without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modaloom.config import Settings, load_settings
from modaloom.data.shop import items_of
from modaloom.errors import QueryError
from modaloom.ranking.content import ContentKernel
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.content import ContentReader
from modaloom.shop.offline import Query, Recommender
from modaloom.shop.recommender import Guide
from modaloom.shop.requests import Ask
from modaloom.shop.shopper import Shopper
from modaloom.types import FloatArray, Item


class Prefixed:
    """A tiny encoder of the E5 kind: what it was given, with its prefix, can be asked for afterwards."""

    encoder_id = "tests/prefixed/1"
    modality = "text"
    dim = 512
    given: list[str] = []  # noqa: RUF012 - one list for every copy that is loaded by name

    def __init__(self, settings: Settings):
        self.given.clear()

    def encode(self, inputs: Sequence[str]) -> FloatArray:
        return self._embed([f"passage: {text}" for text in inputs])

    def encode_queries(self, inputs: Sequence[str]) -> FloatArray:
        return self._embed([f"query: {text}" for text in inputs])

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        self.given.extend(texts)
        vectors = np.ones((len(texts), self.dim), dtype=np.float32)
        vectors[:, 0] = [len(text) for text in texts]
        return vectors


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


@pytest.fixture(scope="module")
def reader(bundle: Bundle) -> ContentReader:
    return ContentReader(bundle, load_settings())


@pytest.fixture(scope="module")
def items(bundle: Bundle) -> list[Item]:
    return list(items_of(bundle.snapshot.items, bundle.pictures_root))


def test_a_known_item_is_read_as_it_was_learned(reader: ContentReader, bundle: Bundle, items: list[Item]) -> None:
    some = np.array([0, 5, 11])
    tokens = reader.tokens([items[num] for num in some])
    assert set(tokens) >= {"image", "text", "attributes"}
    for name in ("image", "text", "attributes"):
        kernel = bundle.ranker.part(name)
        if isinstance(kernel, ContentKernel):
            np.testing.assert_allclose(tokens[name].vectors, kernel.vectors(some), atol=5e-3)
        np.testing.assert_allclose(np.linalg.norm(tokens[name].vectors, axis=1), tokens[name].mask, atol=1e-4)
    keys = reader.keys(tokens)
    if bundle.ranker.table is not None and keys is not None:
        table = bundle.ranker.table
        known = np.array([table.modalities.index(name) for name in tokens if name in table.modalities])
        assert keys[0].shape == (3, table.keys.shape[1])
        assert (keys[1][:, known] > 0).any()


def test_what_an_item_lacks_is_masked(reader: ContentReader, items: list[Item], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    bare = Item("bare", attributes={"category": "a category nobody ever had"})
    tokens = reader.tokens([items[0], replace(items[0], images=(broken,)), replace(items[0], images=()), bare])
    assert tokens["image"].mask.tolist() == [True, False, False, False]
    assert tokens["text"].mask.tolist() == [True, True, True, False]
    for made in tokens.values():
        assert not made.vectors[~made.mask].any()
        assert np.isfinite(made.vectors).all()


def test_words_in_both_languages_count_as_one(reader: ContentReader) -> None:
    english, chinese = Item("e", titles={"en": "red silk dress"}), Item("c", titles={"zh": "红色真丝连衣裙"})
    both = Item("b", titles={"en": "red silk dress", "zh": "红色真丝连衣裙"})
    untold = Item("u", title="red silk dress")
    one, two, mean, same = reader.tokens([english, chinese, both, untold])["text"].vectors
    assert mean @ one > one @ two < mean @ two
    np.testing.assert_allclose(same, one, atol=1e-5)


def test_words_and_a_photo_alone(reader: ContentReader, items: list[Item]) -> None:
    num = next(num for num, item in enumerate(items) if item.images)
    vector = reader.vector("image", items[num].images[0])
    raw = reader.scores("image", vector)
    assert int(raw["image"][0].argmax()) == num
    assert all(scores.shape == (1, len(items)) for scores in raw.values())
    assert set(reader.scores("text", reader.vector("text", "dress"))) >= {"text"}


def test_what_a_shopper_types_is_a_query_and_what_a_shop_writes_a_passage(bundle: Bundle, tmp_path: Path) -> None:
    config = {**bundle.config, "encoders": {**bundle.config["encoders"], "text": Prefixed.encoder_id}}
    prefixed = replace(bundle, config=config)
    settings = load_settings(text_encoder=f"{__name__}.Prefixed", cache_dir=tmp_path)
    assert Recommender(prefixed, settings).recommend(Query(text="silk dress"), n=3)
    assert Prefixed.given == ["query: silk dress"]
    guide = Guide("prefixed", prefixed, settings)
    assert not guide.search(Ask(n=3), Shopper(None), bundle.snapshot.now, text="silk dress", photo=None)
    assert Prefixed.given == ["query: silk dress"], "the service's search, here of a shop that has nothing on offer"
    guide.reader.tokens([Item("new", titles={"en": "silk dress"})])
    assert Prefixed.given == ["query: silk dress", "passage: silk dress"]
    guide.placing.stop()


def test_what_the_bundle_has_no_encoder_for(reader: ContentReader) -> None:
    assert not reader.reads("video")
    with pytest.raises(QueryError, match="without an encoder for the modality 'video'"):
        reader.vector("video", "x")


def test_another_encoder_than_learned_with_is_refused(bundle: Bundle) -> None:
    config = {**bundle.config, "encoders": {**bundle.config["encoders"], "text": "another:one"}}
    with pytest.raises(QueryError, match="trained with the encoder 'another:one'"):
        ContentReader(replace(bundle, config=config), load_settings()).vector("text", "dress")
    brought = {**bundle.config, "encoders": {**bundle.config["encoders"], "text": "shop:vectors"}}
    reader = ContentReader(replace(bundle, config=brought), load_settings())
    assert not reader.reads("text"), "vectors that a shop brought cannot be made again"
    assert "text" not in reader.tokens([Item("a", title="dress")])


def test_a_modality_that_nobody_here_can_read_costs_the_others_nothing(
    bundle: Bundle, items: list[Item], caplog: pytest.LogCaptureFixture
) -> None:
    """A bundle of another picture encoder than the settings name: its new items are read by their words and facts."""
    config = {**bundle.config, "encoders": {**bundle.config["encoders"], "image": "another:one"}}
    reader = ContentReader(replace(bundle, config=config), load_settings())
    for _ in range(2):
        assert set(reader.tokens(items[:2])) == {"text", "attributes"}
    (record,) = caplog.records  # once, not for every item
    assert record.getMessage().startswith("new items are read without the modality 'image': the bundle was trained")


def test_attributes_that_a_shop_brought_as_vectors_are_not_made_up(bundle: Bundle, items: list[Item]) -> None:
    brought = {**bundle.config, "encoders": {**bundle.config["encoders"], "attributes": "shop:vectors"}}
    reader = ContentReader(replace(bundle, config=brought), load_settings())
    assert set(reader.tokens(items[:1])) == {"image", "text"}


def test_what_was_read_once_is_not_read_again(
    bundle: Bundle, items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the next process either; what has changed is."""
    settings = load_settings(cache_dir=tmp_path)
    first = ContentReader(bundle, settings).tokens(items[:3])
    next_start = ContentReader(bundle, settings)
    reads: list[object] = []
    for modality in ("image", "text"):
        encoder = next_start.encoders.of(modality)
        encode = encoder.encode
        monkeypatch.setattr(encoder, "encode", lambda some, encode=encode: reads.extend(some) or encode(some))
    again = next_start.tokens(items[:3])
    assert reads == []
    for name, made in first.items():
        np.testing.assert_array_equal(made.vectors, again[name].vectors)
        np.testing.assert_array_equal(made.mask, again[name].mask)
    next_start.tokens([replace(items[0], titles={}, descriptions={}, title="Another name")])
    assert len(reads) == 1
    (tmp_path / "arrivals").rename(tmp_path / "gone")
    (tmp_path / "arrivals").write_text("in the way")
    broken = ContentReader(bundle, settings).tokens(items[:1])
    np.testing.assert_allclose(broken["image"].vectors, first["image"].vectors[:1], atol=1e-5)
