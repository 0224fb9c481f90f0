"""Opens pictures that strangers made: turned, transparent, odd, truncated or far too large."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.fft import dctn

from modaloom.errors import PictureError

WHITE = (255, 255, 255)


def open_picture(source: str | Path | bytes, *, max_pixels: int, draft_px: int | None = None) -> Image.Image:
    """The picture as upright RGB, whatever its mode, orientation tag or transparency.

    Args:
        source: a path, or the file's bytes.
        max_pixels: larger pictures are refused after reading the header, before decoding.
        draft_px: lets the JPEG decoder shrink to no less than this many pixels a side (much faster).

    Raises:
        PictureError: missing, empty, not a picture, truncated, or larger than ``max_pixels``.
    """
    where = "picture" if isinstance(source, bytes) else str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd tags; both are handled here
            stream = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(stream) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise PictureError(
                        f"the picture has {width} x {height} pixels, more than the limit of {max_pixels:,}",
                        where=where,
                        hint="Make it smaller, or raise max_picture_pixels",
                    )
                if draft_px:
                    image.draft("RGB", (draft_px, draft_px))
                return _flatten(ImageOps.exif_transpose(image))
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError("no such picture", where=where) from error
    except UnidentifiedImageError as error:
        raise PictureError("this is not a picture in a known format", where=where, hint=_size_hint(source)) from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError) as error:
        raise PictureError(f"the picture is damaged ({error})", where=where, hint="Export it again") from error


def _size_hint(source: str | Path | bytes) -> str:
    size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
    return "The file is empty" if size == 0 else "Use JPEG, PNG or WebP"


def _flatten(image: Image.Image) -> Image.Image:
    """RGB on white: transparent product cut-outs stand on paper, not on black."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _to_eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        cutout = image.convert("RGBA")
        paper = Image.new("RGBA", cutout.size, (*WHITE, 255))
        return Image.alpha_composite(paper, cutout).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Brings 16-bit and floating-point greys to 8 bits; Pillow's own conversion would clip them."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" or low < 0 or high > 65_535:  # no agreed range: from darkest to brightest
        values = (values - low) / max(high - low, 1e-9) * 255
    elif image.mode != "I" or high > 255:
        values = values / 257
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def pad_to_square(image: Image.Image, side_px: int) -> Image.Image:
    """The whole picture, centred on a square of its own border colour: nothing is squashed or cut."""
    scale = side_px / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if size == (side_px, side_px):
        return resized
    square = Image.new("RGB", (side_px, side_px), _border_colour(resized))
    square.paste(resized, ((side_px - size[0]) // 2, (side_px - size[1]) // 2))
    return square


def _border_colour(image: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = np.median(border, axis=0).astype(int).tolist()
    return red, green, blue


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that near-identical pictures share: the signs of the low frequencies of a 32 x 32 grey copy.

    Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1.
    """
    grey = np.asarray(
        image.convert("L").resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=2.0), dtype=np.float32
    )
    low: npt.NDArray[np.float32] = dctn(grey, norm="ortho")[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
