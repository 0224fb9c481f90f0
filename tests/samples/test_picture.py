from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from modaloom.samples.canvas import HEIGHT_PX, WIDTH_PX, mirror, numbers, symmetric
from modaloom.samples.cloth import print_tile, sample, surface
from modaloom.samples.goods import KINDS
from modaloom.samples.look import CATEGORIES, COLOURS, FABRICS, PRINTS, Look
from modaloom.samples.picture import DRAWERS, jpeg, picture, sketch


def _look(category: str, variant: int, print_name: str = "solid", colour: str = "teal") -> Look:
    return Look(category, colour, "white", print_name, KINDS[category].cloth[0][0], variant)


def test_every_category_of_the_contract_can_be_drawn_and_is_sold() -> None:
    assert set(DRAWERS) == set(CATEGORIES) == set(KINDS)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_variant_is_valid_svg_inside_the_frame(category: str) -> None:
    for variant in range(14):
        drawing = sketch(_look(category, variant, PRINTS[variant % len(PRINTS)]))
        for document, share in ((drawing.paint, 1), (drawing.relief, 2)):
            root = ElementTree.fromstring(document)
            assert (int(root.attrib["width"]), int(root.attrib["height"])) == tuple(
                side // share for side in drawing.size
            )
        assert drawing.size[0] <= WIDTH_PX
        assert drawing.size[1] <= HEIGHT_PX
        assert "nan" not in drawing.paint


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_picture_shows_a_garment_of_good_size_in_the_middle(category: str) -> None:
    shown = picture(_look(category, 7, colour="navy"))
    assert shown.size == (WIDTH_PX, HEIGHT_PX)
    dark = np.asarray(shown.convert("L")) < 140
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert max(np.ptp(rows) / HEIGHT_PX, np.ptp(columns) / WIDTH_PX) > 0.6
    assert min(rows[0], HEIGHT_PX - 1 - rows[-1]) > 20
    assert min(columns[0], WIDTH_PX - 1 - columns[-1]) > 10


def test_the_same_look_gives_the_same_bytes_and_a_jpeg() -> None:
    first, again = (jpeg(_look("dress", 3, "floral")) for _ in range(2))
    assert first == again
    with Image.open(io.BytesIO(first)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (WIDTH_PX, HEIGHT_PX))


def test_variants_differ() -> None:
    for category in CATEGORIES:
        assert len({sketch(_look(category, variant)).paint for variant in range(12)}) >= 6


def test_the_picture_shows_its_colour() -> None:
    for colour in ("red", "green", "navy", "yellow"):
        pixels = np.asarray(picture(_look("t_shirt", 1, colour=colour)), dtype=float)[260:420, 180:330]
        middle = np.median(pixels.reshape(-1, 3), axis=0)
        truth = np.array([int(COLOURS[colour][place : place + 2], 16) for place in (1, 3, 5)])
        assert np.abs(middle - truth).max() < 45


def test_a_print_shows_its_accent_and_a_plain_cloth_does_not() -> None:
    plain, printed = (np.asarray(picture(_look("t_shirt", 1, name))) for name in ("solid", "stripes"))
    white = [(shown[200:500, 150:360].min(axis=2) > 200).mean() for shown in (plain, printed)]
    assert white[0] < 0.02
    assert white[1] > 0.15


@pytest.mark.parametrize("name", [name for name in PRINTS if name != "solid"])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_print_tile_holds_ground_and_accent(name: str, kind: int) -> None:
    tile = print_tile(name, COLOURS["camel"], COLOURS["navy"], kind)
    assert tile.std() > 5


def test_a_tile_repeats() -> None:
    tile = np.random.default_rng(0).uniform(0, 255, (12, 18, 3)).astype(np.float32)
    x, y = np.array([1.0, 1.0 + 12.0], dtype=np.float32), np.array([2.0, 2.0 + 8.0], dtype=np.float32)
    one, other = sample(tile, x, y, 0, 1.0)
    assert np.allclose(one, other)


@pytest.mark.parametrize("fabric", FABRICS)
def test_surfaces_are_subtle(fabric: str) -> None:
    values = surface(fabric, 64, 80)
    assert values.shape == (80, 64)
    assert np.abs(values).mean() < 0.12


def test_mirror_and_symmetric() -> None:
    assert mirror("M1 2 L-3.5 4") == "M-1 2 L3.5 4"
    outline = symmetric("M0 0 L10 0 C12 4 12 8 10 12 L0 14")
    xs = numbers(outline)[::2]
    assert min(xs) == -max(xs) == -12
    assert outline.endswith("Z")
