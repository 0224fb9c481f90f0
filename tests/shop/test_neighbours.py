"""Neighbours that are found once and kept: the next start has them, and a damaged file does no harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modaloom.config import Settings, load_settings
from modaloom.shop import neighbours as warming
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.neighbours import take_warm, warm
from tests.ranking.test_content import rows_of

Told = list[tuple[str, int, int]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(warming, "SMALL_CATALOGUE", 10)
    return load_settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


def test_what_was_found_is_there_at_the_next_start(bundle: Bundle, sample_bundle: Path, settings: Settings) -> None:
    told: Told = []
    assert not take_warm(bundle, "b", settings)
    warm(bundle, "b", settings, lambda *said: told.append(said))
    assert told[-1][1] == told[-1][2] == len(bundle.ranker.neighbour_indices()) > 0
    again = load_bundle(sample_bundle)
    assert take_warm(again, "b", settings)
    past = bundle.snapshot.interactions["item_num"].drop_nulls().unique().to_numpy()
    for name, index in again.ranker.neighbour_indices().items():

        def find(items: object, name: str = name) -> None:
            raise AssertionError(f"{name} looks for neighbours that were kept")

        index._find = find  # type: ignore[assignment]
        for one, other in zip(
            rows_of(index, past), rows_of(bundle.ranker.neighbour_indices()[name], past), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    told.clear()
    warm(again, "b", settings, lambda *said: told.append(said))
    assert not told, "found once is enough"


def test_a_small_shop_needs_none(bundle: Bundle, tmp_path: Path) -> None:
    warm(bundle, "b", load_settings(cache_dir=tmp_path), lambda *said: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_damaged_file_is_taken_away(bundle: Bundle, settings: Settings, content: bytes) -> None:
    file = settings.cache_dir / "neighbours" / "b.npz"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert not take_warm(bundle, "b", settings)
    assert not file.exists()


def test_neighbours_of_another_catalogue_are_not_taken(bundle: Bundle, settings: Settings) -> None:
    warm(bundle, "b", settings, lambda *said: None)
    file = settings.cache_dir / "neighbours" / "b.npz"
    with np.load(file, allow_pickle=False) as content:
        arrays = dict(content.items())
    (first, *_) = [name for name in arrays if name.endswith(".slot")]
    arrays[first] = arrays[first][:-1]
    with file.open("wb") as stream:
        np.savez(stream, **arrays)
    part = first.partition(".")[0]
    fresh = load_bundle(bundle.folder)
    take_warm(fresh, "b", settings)
    assert len(fresh.ranker.neighbour_indices()[part].state()["slot"]) == bundle.ranker.n_items


def test_a_cache_that_cannot_be_written_stops_nothing(
    bundle: Bundle, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.cache_dir.mkdir()
    (settings.cache_dir / "neighbours").write_text("in the way")
    warm(bundle, "b", settings, lambda *said: None)
    (said,) = caplog.messages
    assert said.startswith(f"{settings.cache_dir / 'neighbours'}: cannot keep neighbours (")
