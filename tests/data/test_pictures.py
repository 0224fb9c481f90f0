from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from modaloom.data.pictures import open_picture, pad_to_square, perceptual_hash
from modaloom.errors import PictureError

LIMIT = 50_000_000


def _bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _dress(size: tuple[int, int] = (160, 240), colour: str = "crimson") -> Image.Image:
    image = Image.new("RGB", size, "white")
    width, height = size
    corners = [(0.4, 0.1), (0.6, 0.1), (0.65, 0.4), (0.9, 0.9), (0.1, 0.9), (0.35, 0.4)]
    ImageDraw.Draw(image).polygon([(x * width, y * height) for x, y in corners], fill=colour)
    return image


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size without holding the pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_paths_and_bytes_open_alike(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_bytes(_dress()))
    from_path = open_picture(tmp_path / "a.png", max_pixels=LIMIT)
    assert from_path.mode == "RGB"
    assert from_path.tobytes() == open_picture(_bytes(_dress()), max_pixels=LIMIT).tobytes()
    assert open_picture(str(tmp_path / "a.png"), max_pixels=LIMIT).size == (160, 240)


def test_no_such_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such picture"):
        open_picture(tmp_path / "a.png", max_pixels=LIMIT)
    with pytest.raises(PictureError):
        open_picture(tmp_path, max_pixels=LIMIT)


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(PictureError, match="The file is empty"):
        open_picture(tmp_path / "a.jpg", max_pixels=LIMIT)
    with pytest.raises(PictureError, match="The file is empty"):
        open_picture(b"", max_pixels=LIMIT)
    with pytest.raises(PictureError, match="not a picture in a known format"):
        open_picture(b"<html>not found</html>", max_pixels=LIMIT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_truncated_pictures_are_refused_and_whole_ones_read(kind: str) -> None:
    whole = _bytes(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
    assert open_picture(whole, max_pixels=LIMIT).size == (64, 64)
    with pytest.raises(PictureError):
        open_picture(whole[: len(whole) // 2], max_pixels=LIMIT)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM"]))
def test_any_bytes_are_a_picture_or_a_picture_error(noise: bytes, start: bytes) -> None:
    with contextlib.suppress(PictureError):
        assert open_picture(start + noise, max_pixels=LIMIT).mode == "RGB"


def test_huge_pictures_are_refused_by_their_header() -> None:
    with pytest.raises(PictureError, match="10000 x 10000 pixels, more than the limit of 50,000,000"):
        open_picture(_png_header(10_000, 10_000), max_pixels=LIMIT)
    with pytest.raises(PictureError):
        open_picture(_png_header(100_000, 100_000), max_pixels=LIMIT)
    with pytest.raises(PictureError, match="more than the limit"):
        open_picture(_bytes(_dress()), max_pixels=160 * 240 - 1)


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste((255, 0, 0), (0, 0, 20, 20))  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    upright = open_picture(_bytes(image, "JPEG", exif=exif, quality=95), max_pixels=LIMIT)
    assert upright.size == (20, 40)
    red, green, _ = upright.getpixel((10, 5))
    assert red > 200
    assert green < 60


def test_transparency_stands_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert open_picture(_bytes(clear), max_pixels=LIMIT).getpixel((4, 4)) == (255, 255, 255)
    grey = Image.new("LA", (8, 8), (0, 0))
    assert open_picture(_bytes(grey), max_pixels=LIMIT).getpixel((4, 4)) == (255, 255, 255)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30] + [0] * 765)
    assert open_picture(_bytes(palette), max_pixels=LIMIT).getpixel((4, 4)) == (10, 20, 30)
    assert open_picture(_bytes(palette, transparency=0), max_pixels=LIMIT).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr"])
def test_odd_modes_become_rgb(mode: str) -> None:
    image = Image.new("RGB", (16, 16), "white").convert(mode)
    opened = open_picture(_bytes(image, "TIFF"), max_pixels=LIMIT)
    assert opened.mode == "RGB"
    assert min(opened.getpixel((8, 8))) > 250


def test_cmyk_jpeg() -> None:
    opened = open_picture(_bytes(_dress().convert("CMYK"), "JPEG", quality=95), max_pixels=LIMIT)
    red, green, blue = opened.getpixel((80, 180))
    assert red > 180
    assert max(green, blue) < 100


def test_sixteen_bit_greys_keep_their_shades() -> None:
    values = np.linspace(0, 65_535, 64, dtype=np.uint16).reshape(8, 8)
    opened = np.asarray(open_picture(_bytes(Image.fromarray(values)), max_pixels=LIMIT))
    assert opened[0, 0].tolist() == [0, 0, 0]
    assert opened[7, 7].tolist() == [255, 255, 255]
    assert len(np.unique(opened)) == 64
    flat = Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16))
    assert open_picture(_bytes(flat), max_pixels=LIMIT).getpixel((0, 0)) == (155, 155, 155)

    unranged = Image.fromarray(np.array([[-1.5, 0.0], [np.nan, 3.0]], dtype=np.float32))
    assert open_picture(_bytes(unranged, "TIFF"), max_pixels=LIMIT).getpixel((1, 1)) == (255, 255, 255)
    wide = Image.fromarray(np.array([[0, 65_535], [257, 514]], dtype=np.int32))
    assert np.asarray(open_picture(_bytes(wide, "TIFF"), max_pixels=LIMIT))[..., 0].tolist() == [[0, 255], [1, 2]]


def test_draft_shrinks_jpegs_only() -> None:
    large = _dress((1600, 2400))
    assert open_picture(_bytes(large, "JPEG"), max_pixels=LIMIT, draft_px=224).width <= 400
    assert open_picture(_bytes(large, "PNG"), max_pixels=LIMIT, draft_px=224).width == 1600


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 64))
def test_padding_keeps_the_whole_picture_on_its_border_colour(width: int, height: int, side: int) -> None:
    square = pad_to_square(Image.new("RGB", (width, height), (10, 200, 30)), side)
    assert square.size == (side, side)
    assert square.getextrema() == ((10, 10), (200, 200), (30, 30))


def test_hash_survives_copying_and_tells_garments_apart() -> None:
    original = perceptual_hash(_dress())
    copy = open_picture(_bytes(_dress(), "JPEG", quality=60), max_pixels=LIMIT)
    larger = _dress((320, 480))
    other = Image.new("RGB", (160, 240), "white")
    ImageDraw.Draw(other).rectangle((10, 100, 150, 140), fill="navy")
    assert (original ^ perceptual_hash(copy)).bit_count() <= 4
    assert (original ^ perceptual_hash(larger)).bit_count() <= 4
    assert (original ^ perceptual_hash(other)).bit_count() > 10
    assert 0 <= original < 2**64
