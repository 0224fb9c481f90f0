"""What strangers send in place of photos: every attack is refused with a clear error, and photos of phones are not."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modaloom.api.middleware.errors import Refused
from modaloom.api.pictures import wrappings
from modaloom.api.pictures.accept import SIDE_PX, accept_picture, crop, jpeg_bytes
from modaloom.api.pictures.folders import MediaFolder, ResizedPictures
from modaloom.errors import NotFoundError

MAX_BYTES, MAX_PIXELS = 10 * 1024 * 1024, 40_000_000


def accept(data: bytes) -> Image.Image:
    return accept_picture(data, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)


def encoded(kind: str, *, mode: str = "RGB", size: tuple[int, int] = (120, 80), **values: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, kind, **values)
    return stream.getvalue()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("run.sh", "rm")
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, idat: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), *more, png_chunk(b"IDAT", idat), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def refused(data: bytes, status: int, code: str) -> Refused:
    with pytest.raises(Refused) as caught:
        accept(data)
    assert (caught.value.status_code, caught.value.code) == (status, code), caught.value.detail
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_four_kinds_are_taken(kind: str) -> None:
    image = accept(encoded(kind))
    assert image.mode == "RGB"
    assert image.size == (120, 80)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_odd_modes_are_taken(mode: str) -> None:
    if mode == "I;16":
        stream = io.BytesIO()
        Image.fromarray(np.linspace(0, 65_535, 9_600, dtype=np.uint16).reshape(80, 120)).save(stream, "PNG")
        image = accept(stream.getvalue())
        assert np.ptp(np.asarray(image)) > 200
    else:
        image = accept(encoded("PNG", mode=mode))
    assert image.mode == "RGB"


def test_what_is_transparent_lies_on_white() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(stream, "PNG")
    assert accept(stream.getvalue()).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_kinds_are_refused_whatever_their_name(kind: str) -> None:
    refused(encoded(kind), 415, "not_a_picture")


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xd8", b"<svg/>", b"%PDF-1.7", b"RIFF....WAVE", b"\x00" * 100])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    refused(data, 415, "not_a_picture")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.98])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    data = encoded(kind)
    cut = data[: int(len(data) * share)]
    with pytest.raises(Refused) as caught:
        accept(cut)
    assert caught.value.status_code in (415, 422)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_damaged_files_are_refused_or_read(kind: str) -> None:
    """Flipped bytes may still make a picture; they must never make anything but a refusal or one."""
    data, random = encoded(kind), np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 5):
            broken[place] = int(random.integers(0, 256))
        with contextlib.suppress(Refused):
            assert accept(bytes(broken)).mode == "RGB"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("tail", [zipped(), b"<script>alert(1)</script>", b"<?php system('id'); ?>", b"%PDF-1.7 x"])
def test_polyglots_are_refused(kind: str, tail: bytes) -> None:
    refused(encoded(kind) + tail, 422, "disguised")


def test_polyglots_in_comments_are_refused() -> None:
    refused(encoded("JPEG", comment=b"*/=alert('x')/*<script>x</script>"), 422, "disguised")
    raw = zlib.compress(b"\x00" * (30 * 16 + 16))
    refused(png_of(10, 16, raw, png_chunk(b"tEXt", b"Comment\x00<?php eval($_GET[1]); ?>")), 422, "disguised")


def test_polyglots_are_found_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the edges of the pieces that are searched one after the other too."""
    monkeypatch.setattr(wrappings, "PIECE", 64)
    data = encoded("JPEG")
    for blanks in range(70):
        comment = b" " * blanks + b"<ScRiPt>"
        refused(data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:], 422, "disguised")


def test_a_jpeg_of_fill_bytes_costs_its_length_once() -> None:
    began = time.process_time()
    refused(b"\xff\xd8\xff\xda\x00\x08" + b"x" * 6 + b"\xff" * 1_000_000 + b"\x00", 422, "bad_picture")
    refused(b"\xff\xd8" + b"\xff\xd0" * 500_000, 422, "bad_picture")
    refused(b"\xff\xd8" + b"\xff" * 1_000_000, 422, "bad_picture")
    assert time.process_time() - began < 2, "a search that begins anew at every byte takes hours"


def test_a_decoder_is_paid_by_its_passes() -> None:
    def cost(**how: Any) -> float:
        spent: list[float] = []
        stream = io.BytesIO()
        Image.new("RGB", (1_000, 500)).save(stream, **how)
        accept_picture(stream.getvalue(), max_bytes=10**7, max_pixels=10**7, spend=spent.append)
        return spent[0]

    assert cost(format="JPEG") == 0.5
    assert 2 <= cost(format="JPEG", progressive=True) <= 6
    assert cost(format="PNG") == 1
    assert cost(format="WEBP") == 1.5


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    data = encoded("JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    scan = data[at:-2]
    accept(data[:at] + scan * 5 + data[-2:])
    refused(data[:at] + scan * 1_000 + data[-2:], 422, "bad_picture")


def test_what_phones_put_behind_their_photos_is_let_through_and_dropped() -> None:
    photo = encoded("JPEG")
    film = struct.pack(">I", 16) + b"ftypmp42\x00\x00\x00\x00" + b"SECRET" * 50
    for tail in (encoded("JPEG", size=(40, 30)), film, b"\x00" * 8 + b"notes" * 20 + b"SEFT", b"\x00" * 100):
        image = accept(photo + tail)
        assert image.size == (120, 80)
        assert b"SECRET" not in jpeg_bytes(image)
    refused(photo + b"some other file" * 10, 422, "disguised")


def test_too_many_bytes_or_pixels_are_refused_before_decoding() -> None:
    refused(b"\xff\xd8\xff" + b"\x00" * MAX_BYTES, 413, "too_large")
    refused(png_of(30_000, 30_000, zlib.compress(b"")), 413, "too_large")
    refused(png_of(2**31 - 1, 2**31 - 1, zlib.compress(b"")), 413, "too_large")
    refused(png_of(8_000, 4_000, zlib.compress(b"")), 413, "too_large")
    with pytest.raises(Refused) as caught:
        accept_picture(encoded("JPEG"), max_bytes=MAX_BYTES, max_pixels=1_000)
    assert "120 x 80 pixels" in str(caught.value.detail)


def test_text_bombs_are_refused() -> None:
    bomb = b"Comment\x00\x00" + zlib.compress(b"\x00" * 200_000_000, 9)
    refused(png_of(10, 16, zlib.compress(b"\x00" * 31 * 16), png_chunk(b"zTXt", bomb)), 422, "bad_picture")


def test_a_bomb_needs_no_more_memory_than_is_bounded() -> None:
    """The largest PNG that is let in: 24 million pixels in a few kilobytes; measured in a process of its own."""
    code = f"""
import resource, struct, sys, zlib
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.api.test_pictures import accept, png_of
accept(png_of(100, 100, zlib.compress(b"\\0" * 301 * 100)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = accept(png_of(6000, 4000, zlib.compress(bytes(18001) * 4000, 9)))
print(image.size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("(1600, 1067)")
    assert int(done.stdout.split()[-1]) < 250, f"{done.stdout} MB"
    assert resource.RUSAGE_SELF == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    canvas = np.zeros((80, 120, 3), dtype=np.uint8)
    canvas[:40, :60] = (250, 0, 0)  # the top left corner of the upright picture
    upright = Image.fromarray(canvas)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    lying = upright.transpose(undo[orientation]) if orientation in undo else upright
    stream = io.BytesIO()
    lying.save(stream, "JPEG", exif=tags, quality=95)
    image = accept(stream.getvalue())
    assert image.size == (120, 80)
    red, green, blue = image.getpixel((10, 10))  # type: ignore[misc]
    assert red > 200
    assert green + blue < 80
    assert sum(image.getpixel((110, 70))) < 80  # type: ignore[arg-type]


def test_large_photos_come_out_small() -> None:
    image = accept(encoded("JPEG", size=(4_000, 3_000), quality=60))
    assert max(image.size) == SIDE_PX


def test_lines_are_refused() -> None:
    refused(encoded("PNG", size=(2_000, 9)), 422, "bad_picture")
    refused(encoded("PNG", size=(4, 4)), 422, "bad_picture")


def test_a_crop_is_a_part() -> None:
    image = accept(encoded("PNG"))
    assert crop(image, (0.5, 0.5, 0.5, 0.5)).size == (60, 40)
    assert crop(image, (0.5, 0.5, 1.0, 1.0)).size == (60, 40), "no further than the border"
    with pytest.raises(Refused):
        crop(image, (1.0, 0.0, 0.5, 0.5))


def test_names_cannot_point_out_of_the_media_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    media = MediaFolder(tmp_path / "media")
    name = media.keep(Image.new("RGB", (20, 20)), "wardrobe")
    assert media.path(name).is_file()
    for wrong in ("../secret.jpg", "/etc/passwd", "", "wardrobe"):
        with pytest.raises(NotFoundError):
            media.path(wrong)
        assert not media.drop(wrong)
    assert media.drop(name)
    assert not media.drop(name)


def test_copies_follow_the_content_and_are_bounded(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.new("RGB", (600, 300), (1, 2, 3)).save(source)
    copies = ResizedPictures(tmp_path / "copies", max_bytes=1_000)
    tag = copies.tag(source, 320)
    assert copies.kept(tag) is None
    assert copies.make(source, 320, tag) == copies.kept(tag)
    Image.new("RGB", (600, 300), (200, 2, 3)).save(source)
    assert copies.tag(source, 320) != tag
    small = tmp_path / "same.png"
    Image.new("RGB", (100, 50)).save(small)
    with Image.open(io.BytesIO(copies.make(small, 640, copies.tag(small, 640)))) as image:
        assert image.size == (100, 50), "never larger than the picture itself"
    for width in (160, 320, 640):
        copies.make(source, width, copies.tag(source, width))
    assert copies.prune() > 0
    assert sum(file.stat().st_size for file in (tmp_path / "copies").rglob("*.jpg")) <= 1_000
    source.unlink()
    with pytest.raises(NotFoundError):
        copies.tag(source, 320)
