"""Takes pictures from strangers.

What comes in is judged by its bytes and not by its name, measured before it is decoded, decoded small, turned
upright, and encoded anew: nothing of the file that was sent is ever kept, its place and camera least of all.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

from PIL import Image, ImageCms, ImageOps

from modaloom.api.middleware.errors import Refused
from modaloom.api.pictures.wrappings import check_wrapping
from modaloom.data.pictures import WHITE, open_picture

SIDE_PX = 1_600
"""Longest side of what is kept or searched with."""
MOST_PIXELS = {"PNG": 24_000_000, "WEBP": 12_000_000, "AVIF": 12_000_000}
"""Only JPEG can be decoded small; other kinds are decoded whole and must be smaller. The decoders of the last two hold
the interpreter from beginning to end."""


def accept_picture(
    data: bytes, *, max_bytes: int, max_pixels: int, spend: Callable[[float], None] = lambda _: None
) -> Image.Image:
    """The picture as upright RGB of at most 1,600 pixels a side, without anything else that the file held.

    ``spend`` gets what decoding will take, in millions of pixels times passes over them, and may refuse.

    Raises:
        Refused: 413 for too many bytes or pixels, 415 for another kind of file, 422 for a damaged or disguised one.
    """
    if len(data) > max_bytes:
        raise Refused(413, "too_large", f"the picture is larger than {max_bytes:,} bytes", hint="Send a smaller one")
    kind, passes = check_wrapping(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd tags; both are handled here
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                _check_size(image, kind, max_pixels)
                spend(image.width * image.height * passes / 1e6)
                if kind == "JPEG":
                    image.draft("RGB", (SIDE_PX, SIDE_PX))
                return _small_upright_rgb(image)
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(413, "too_large", "the picture has far too many pixels", hint="Make it smaller") from error
    except Exception as error:  # decoders of a dozen formats fail in as many ways, and each means the same here
        raise Refused(422, "bad_picture", "the picture is damaged or cut short", hint="Export it again") from error


def _check_size(image: Image.Image, kind: str, max_pixels: int) -> None:
    width, height = image.size
    limit = min(max_pixels, MOST_PIXELS.get(kind, max_pixels))
    if width * height > limit:
        raise Refused(
            413, "too_large", f"the picture has {width} x {height} pixels, more than {limit:,}", hint="Make it smaller"
        )
    if width < 8 or height < 8 or max(width, height) > 50 * min(width, height):
        raise Refused(422, "bad_picture", f"nothing can be seen on {width} x {height} pixels", hint="Send a photo")


def _small_upright_rgb(image: Image.Image) -> Image.Image:
    orientation = image.getexif().get(0x0112)
    profile = image.info.get("icc_profile")
    image.load()
    if image.mode in ("1", "P"):
        small = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode.startswith(("I", "F")):
        small = _eight_bits(image)
    else:
        small = image.copy() if max(image.size) <= SIDE_PX else image
    small.thumbnail((SIDE_PX, SIDE_PX), reducing_gap=2.0)
    small = _as_srgb(small, profile)
    if small.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        cutout = small.convert("RGBA")
        small = Image.new("RGB", cutout.size, WHITE)
        small.paste(cutout, mask=cutout.getchannel("A"))
    small = small.convert("RGB")
    if orientation in range(2, 9):
        tag = Image.Exif()
        tag[0x0112] = orientation
        small.info["exif"] = tag.tobytes()
        small = ImageOps.exif_transpose(small)
    return Image.frombytes("RGB", small.size, small.tobytes())  # pixels only: no tags, no profile, no comment


def _eight_bits(image: Image.Image) -> Image.Image:
    image.thumbnail((SIDE_PX, SIDE_PX))
    plain = io.BytesIO()
    image.save(plain, "TIFF" if image.mode == "F" else "PNG")
    return open_picture(plain.getvalue(), max_pixels=SIDE_PX**2)


def _as_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as a screen shows them: phones take photos in wider colour spaces."""
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile is no reason to refuse a photo
    return turned if turned is not None else image


def crop(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """A part of the picture: left, top, width and height as shares of it.

    Raises:
        Refused: 422 where the part is outside or too small.
    """
    x, y, width, height = box
    left, top = round(x * image.width), round(y * image.height)
    right, bottom = round(min(1.0, x + width) * image.width), round(min(1.0, y + height) * image.height)
    if right - left < 8 or bottom - top < 8:
        raise Refused(422, "bad_crop", "the part of the picture is too small", hint="Choose a larger part")
    return image.crop((left, top, right, bottom))


def jpeg_bytes(image: Image.Image, *, quality: int = 88, progressive: bool = False) -> bytes:
    """The picture as JPEG, without any tags.

    A progressive one is smaller and is seen sooner, but is encoded in one go that holds the interpreter: .1 s for a
    photo of 1,600 pixels, half a second for noise. Others are encoded row by row.
    """
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=progressive, progressive=progressive)
    return stream.getvalue()
