from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

from modaloom.config import load_settings
from modaloom.counting.colours import PALETTE, GarmentColours, garment, lab, read_colours
from modaloom.counting.looks import fill_in, find_looks, telling_attribute

COLOURS = list(PALETTE)


def draw(file: Path, colour: str, paper: str = "#ffffff") -> Path:
    image = Image.new("RGB", (200, 260), paper)
    ImageDraw.Draw(image).rounded_rectangle((50, 40, 150, 220), 20, fill=colour)
    image.save(file)
    return file


@pytest.mark.parametrize(
    ("shade", "name"), [("#c23b3f", "red"), ("#25335a", "navy"), ("#4b7f52", "green"), ("#17171a", "black")]
)
@pytest.mark.parametrize("paper", ["#ffffff", "#d8d8d8", "#f3e9dc"])
def test_the_garment_is_read_and_not_the_paper(tmp_path: Path, shade: str, name: str, paper: str) -> None:
    shares = GarmentColours(load_settings()).encode([draw(tmp_path / "one.png", shade, paper)])
    assert COLOURS[int(shares[0].argmax())] == name
    assert shares.sum() == pytest.approx(1)


def test_white_on_white_is_white(tmp_path: Path) -> None:
    file = draw(tmp_path / "white.png", "#f5f4f0")
    assert COLOURS[int(GarmentColours(load_settings()).encode([file])[0].argmax())] == "white"


def test_the_garment_has_no_holes() -> None:
    pixels = np.full((64, 64, 3), 255.0, dtype=np.float32)
    pixels[16:48, 16:48] = (200, 30, 30)
    pixels[28:36, 28:36] = 255  # a white badge belongs to it
    inside = garment(lab(pixels))
    assert inside[32, 32]
    assert not inside[5, 5]


def test_colours_are_kept_and_broken_pictures_passed_over(tmp_path: Path) -> None:
    settings = load_settings(cache_dir=tmp_path / "cache")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    paths = [draw(tmp_path / "red.png", "#c23b3f"), None, broken, tmp_path / "gone.png"]
    told: list[int] = []
    shares, mask = read_colours(paths, settings, lambda what, done, total: told.append(done))
    assert mask.tolist() == [True, False, False, False]
    assert told[-1] == 3
    (tmp_path / "red.png").rename(tmp_path / "moved.png")  # the same picture by another name is known
    again, _ = read_colours([tmp_path / "moved.png"], settings, lambda what, done, total: None)
    assert np.array_equal(again[0], shares[0])


def pictures(seed: int = 0) -> tuple[np.ndarray, pl.Series, np.ndarray]:
    """Vectors of 400 items: a large part by kind of garment, a smaller one by print, and noise."""
    rng = np.random.default_rng(seed)
    kind, look = rng.integers(0, 5, 400), rng.integers(0, 4, 400)
    vectors = 4 * rng.standard_normal((5, 64))[kind] + 1.5 * rng.standard_normal((4, 64))[look]
    vectors += 0.3 * rng.standard_normal((400, 64))
    return vectors.astype(np.float32), pl.Series([f"kind {one}" for one in kind]), look


def test_looks_are_what_is_left_beside_the_kind() -> None:
    vectors, kind, look = pictures()
    mask = np.ones(400, dtype=bool)
    found = find_looks(vectors, mask, kind)
    pure = sum(np.bincount(look[found == one]).max() for one in np.unique(found))
    assert pure / 400 > 0.9
    assert np.array_equal(found, find_looks(vectors, mask, kind))


def test_too_few_pictures_have_no_looks() -> None:
    vectors, kind, _ = pictures()
    mask = np.zeros(400, dtype=bool)
    mask[:10] = True
    assert (find_looks(vectors, mask, kind) == -1).all()


def test_the_kind_of_garment_explains_most() -> None:
    vectors, kind, _ = pictures()
    random = pl.Series([str(one) for one in np.random.default_rng(1).integers(0, 6, 400)])
    mask = np.ones(400, dtype=bool)
    assert telling_attribute(vectors, mask, {"random": random, "category": kind}) == "category"
    assert telling_attribute(vectors, mask, {}) is None


def test_what_pictures_tell_surely_is_filled_in() -> None:
    vectors, kind, _ = pictures()
    values = [None if row < 40 else value for row, value in enumerate(kind)]
    filled = fill_in(values, vectors, np.ones(400, dtype=bool))
    assert len(filled) > 30
    assert np.mean([value == kind[row] for row, value in filled.items()]) > 0.95


def test_what_pictures_do_not_tell_stays_empty() -> None:
    vectors, _, _ = pictures()
    random = np.random.default_rng(1).integers(0, 4, 400)
    values = [None if row < 40 else str(one) for row, one in enumerate(random)]
    assert fill_in(values, vectors, np.ones(400, dtype=bool)) == {}
