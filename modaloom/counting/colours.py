"""The colours of garments as their pictures show them: what stands on the paper is read, not the paper."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modaloom.config import Settings
from modaloom.data.pictures import open_picture, pad_to_square
from modaloom.encoders.cache import VectorCache, file_key, text_key
from modaloom.errors import PictureError
from modaloom.types import BoolArray, FloatArray, Tell

PALETTE: dict[str, tuple[str, ...]] = {
    "black": ("#17171a", "#2c2c31"), "grey": ("#6f7278", "#9a9ca3"), "white": ("#f5f4f0", "#e2e0da"),
    "beige": ("#dccbb0", "#c9b492", "#e9dcc6"), "camel": ("#c39a6b", "#b08452"), "brown": ("#77533b", "#4e3526"),
    "red": ("#c23b3f", "#d9202e"), "burgundy": ("#6d2436", "#581b28"), "orange": ("#e0783a", "#f08a24"),
    "mustard": ("#c6912f", "#b58a2a"), "yellow": ("#eac453", "#f6e36b"), "olive": ("#77794a", "#5c5f3c"),
    "green": ("#4b7f52", "#2f6b3c"), "mint": ("#a9d8c2", "#8fd0b4"), "teal": ("#2f7f86", "#1f6468"),
    "sky": ("#9cc3e6", "#bcd7ec"), "blue": ("#3f6fb5", "#2b59c3"), "navy": ("#25335a", "#1a2442"),
    "lilac": ("#b8a2d6", "#cbbbe2"), "purple": ("#6b4a91", "#512d6d"), "pink": ("#eaa3b5", "#f3c4cf"),
    "fuchsia": ("#c43f86", "#dd2f8f"),
}  # fmt: skip
"""Names of colours, with the shades that are called so."""
SIDE_PX = 64
LEAST_GARMENT = 0.04
"""Of the picture; where less stands out from the background, the middle is read."""
_EDGE = 9.0
"""Distance in Lab at which a pixel is no background any more."""
_FOLDS = np.array([0.6, 1.0, 1.0], dtype=np.float32)
"""Weight of lightness, a, b: folds make one cloth lighter and darker, and leave its hue."""
_BATCH = 256


class GarmentColours:
    """How much of a garment has each colour of :data:`PALETTE`: shares that add up to 1."""

    encoder_id = f"garment-colours/{len(PALETTE)}/64/1"
    modality = "image"
    dim = len(PALETTE)

    def __init__(self, settings: Settings):
        self._settings = settings
        shades = [(place, shade) for place, shades in enumerate(PALETTE.values()) for shade in shades]
        self._names = np.array([place for place, _ in shades])
        hexes = [[int(shade[at : at + 2], 16) for at in (1, 3, 5)] for _, shade in shades]
        self._shades = lab(np.array(hexes, dtype=np.float32)) * _FOLDS

    def encode(self, inputs: Sequence[Path]) -> FloatArray:
        """Shares (b, colours) of pictures given as paths.

        Raises:
            PictureError: one cannot be opened.
        """
        with ThreadPoolExecutor(max_workers=self._settings.threads) as pool:
            rows = list(pool.map(self._shares, inputs))
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def _shares(self, path: Path) -> FloatArray:
        image = open_picture(path, max_pixels=self._settings.max_picture_pixels, draft_px=SIDE_PX)
        pixels = lab(np.asarray(pad_to_square(image, SIDE_PX), dtype=np.float32))
        inside = pixels[garment(pixels)] * _FOLDS
        nearest = self._names[((inside[:, None, :] - self._shades) ** 2).sum(axis=2).argmin(axis=1)]
        shares = np.bincount(nearest, minlength=self.dim) / len(nearest)
        return shares.astype(np.float32)


def garment(pixels: FloatArray) -> BoolArray:
    """Which pixels (h, w) of a picture in Lab (h, w, 3) are the garment: what differs from the border, holes filled.

    White pieces on white paper show at their edges alone, so what the edges enclose belongs to them.
    """
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    away = np.sqrt(((pixels - paper) ** 2).sum(axis=2)) > _EDGE
    away = ndimage.binary_opening(ndimage.binary_fill_holes(ndimage.binary_closing(away, iterations=2)), iterations=1)
    solid: BoolArray = ndimage.binary_erosion(away, iterations=1)  # the rim mixes garment and paper
    if solid.mean() < LEAST_GARMENT:
        solid = np.zeros(pixels.shape[:2], dtype=bool)
        quarter = len(pixels) // 4
        solid[quarter:-quarter, quarter:-quarter] = True
    return solid


def lab(rgb: FloatArray) -> FloatArray:
    """CIE Lab of sRGB values 0 to 255, any shape that ends in 3.

    Source: IEC 61966-2-1 and CIE 15, white point D65.
    """
    unit = rgb / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ.T / np.array([0.95047, 1.0, 1.08883])
    curve = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lightness = 116 * curve[..., 1] - 16
    green_red = 500 * (curve[..., 0] - curve[..., 1])
    blue_yellow = 200 * (curve[..., 1] - curve[..., 2])
    return np.stack([lightness, green_red, blue_yellow], axis=-1).astype(np.float32)


_XYZ: npt.NDArray[np.float64] = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def read_colours(paths: Sequence[Path | None], settings: Settings, tell: Tell) -> tuple[FloatArray, BoolArray]:
    """Colour shares (n, colours) of the items' pictures, and which items have one that can be read.

    They are kept by the content of the picture, as vectors are.
    """
    encoder = GarmentColours(settings)
    cache = VectorCache(settings.cache_dir, encoder.encoder_id, encoder.dim)
    rows = [row for row, path in enumerate(paths) if path is not None]
    there = [path for path in paths if path is not None]
    keys = [_key(path) for path in there]
    done = 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        tell("colours", done, len(keys))

    def encode(places: list[int]) -> tuple[list[int], FloatArray]:
        try:
            return places, encoder.encode([there[place] for place in places])
        except PictureError:  # one by one; what cannot be opened has no colour
            good = [place for place in places if _opens(encoder, there[place])]
            return good, encoder.encode([there[place] for place in good])

    cache.fill(keys, encode, batch_size=_BATCH, advance=advance)
    shares, mask = np.zeros((len(paths), encoder.dim), dtype=np.float32), np.zeros(len(paths), dtype=bool)
    found = [place for place, key in enumerate(keys) if key in cache]
    if found:
        places = np.array(rows)[found]
        shares[places], mask[places] = cache.get([keys[place] for place in found]), True
    return shares, mask


def _key(path: Path) -> bytes:
    try:
        return file_key(path)
    except OSError:
        return text_key(f"unreadable {path}")


def _opens(encoder: GarmentColours, path: Path) -> bool:
    try:
        encoder.encode([path])
    except PictureError:
        return False
    return True
