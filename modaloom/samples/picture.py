"""A look as a finished picture: vector parts, rasterised, lit, and laid on paper with a shadow."""

from __future__ import annotations

import functools
import io
import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from modaloom.samples import bottoms, dresses, extras, jackets, shoes, tops
from modaloom.samples.canvas import HEIGHT_PX, WIDTH_PX, Drawing, Sheet
from modaloom.samples.cloth import GLOSS, RELIEF, print_tile, rasterise, rgb, sample, surface
from modaloom.samples.look import COLOURS, Look
from modaloom.types import FloatArray, IntArray

JPEG_QUALITY = 88
PAPERS = ("#f3eee6", "#f0ece5", "#f4efe9", "#efece7", "#f2ede1", "#f1edea")
LIGHT = (0.46, 0.82)
"""Direction that the light comes from: left, and more from above."""

DRAWERS: dict[str, Callable[[Sheet], None]] = {
    **tops.DRAWERS, **jackets.DRAWERS, **bottoms.DRAWERS, **dresses.DRAWERS, **shoes.DRAWERS, **extras.DRAWERS,
}  # fmt: skip


def sketch(look: Look) -> Drawing:
    """A look as SVG, before it is lit."""
    sheet = Sheet(look)
    DRAWERS[look.category](sheet)
    return sheet.render()


def picture(look: Look) -> Image.Image:
    """The look as an RGB picture of 512 x 640 pixels."""
    drawing = sketch(look)
    width, height = drawing.size
    layer = np.array(rasterise(drawing.paint))
    inside = np.flatnonzero(layer[..., 3])
    pixels = layer.reshape(-1, 4)[inside]
    alpha = pixels[:, 3:].astype(np.float32) / 255
    cloth = pixels[:, :3].astype(np.float32)
    _lay_print(look, drawing, pixels, inside, cloth)
    cloth *= 1 + surface(look.fabric, WIDTH_PX, HEIGHT_PX)[:height, :width].ravel()[inside][:, None]
    light = _light(drawing.relief, drawing.size, RELIEF.get(look.fabric, 1.0)).ravel()[inside][:, None]
    _light_up(cloth, light, GLOSS.get(look.fabric, 0.05))
    left, top = (WIDTH_PX - width) // 2, (HEIGHT_PX - height) // 2
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=np.uint8)
    mask[top : top + height, left : left + width] = layer[..., 3]
    frame = _paper(look, 1 - _shadow(mask))
    flat = frame.reshape(-1, 3)
    places = (inside // width + top) * WIDTH_PX + inside % width + left
    behind = flat[places]
    flat[places] = behind + (cloth - behind) * alpha
    return Image.fromarray(np.clip(frame, 0, 255, out=frame).astype(np.uint8))


def _lay_print(
    look: Look, drawing: Drawing, pixels: npt.NDArray[np.uint8], inside: IntArray, cloth: FloatArray
) -> None:
    """Replaces the marking colours by the print; ``inside`` are the pixels' places in the drawing."""
    if not drawing.turns:
        return
    codes = np.ascontiguousarray(pixels).view(np.uint32).ravel()
    tile = print_tile(look.print_name, COLOURS[look.colour], COLOURS[look.accent], look.variant % 3)
    for colour, turn in drawing.turns.items():
        found = np.flatnonzero(codes == np.array([*colour, 255], dtype=np.uint8).view(np.uint32)[0])
        rows, columns = np.divmod(inside[found], drawing.size[0])
        cloth[found] = sample(tile, columns.astype(np.float32), rows.astype(np.float32), turn, drawing.print_scale)


def _light_up(cloth: FloatArray, light: FloatArray, gloss: float) -> None:
    """Darkens and brightens colours (n, 3) in place by the light (n, 1)."""
    dark, bright = np.minimum(light, 0), np.maximum(light, 0)
    cloth *= 1 + 0.62 * dark + 0.12 * bright
    cloth += (255 - cloth) * (bright * (0.16 + 0.30 * gloss))
    if gloss > 0.3:
        cloth += 120 * gloss * np.maximum(bright - 0.45, 0)


def jpeg(look: Look) -> bytes:
    """The look as the bytes of a JPEG file; the same look gives the same bytes."""
    stream = io.BytesIO()
    picture(look).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


@functools.lru_cache(maxsize=4)
def _light(svg: str, size: tuple[int, int], depth: float) -> FloatArray:
    """How much brighter (above 0) or darker than flat each pixel is, (height, width), from the relief at half size.

    Remembered, because one model in several colours has one relief.
    """
    relief = rasterise(svg)
    flat = Image.new("RGB", relief.size, (84, 84, 84))  # not black: the outer edge shall be soft
    flat.paste(relief, mask=relief.getchannel("A"))
    grey = flat.getchannel("R")
    total = np.zeros((relief.height, relief.width), dtype=np.float32)
    for radius, weight in ((1.0, 0.022), (3.2, 0.048), (9.0, 0.05)):
        height = np.asarray(grey.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
        slope_y, slope_x = np.gradient(height)
        total += weight * (LIGHT[0] * slope_x + LIGHT[1] * slope_y)
    soft = Image.fromarray(np.clip(np.tanh(total * depth) * 127 + 128, 0, 255).astype(np.uint8))
    full = np.asarray(soft.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
    return np.asarray((full - 128) / 127, dtype=np.float32)


def _shadow(alpha: npt.NDArray[np.uint8]) -> FloatArray:
    """Darkness that the garment throws on the paper: a tight contact shadow and a wide soft one."""
    small = Image.fromarray(alpha).resize((WIDTH_PX // 4, HEIGHT_PX // 4), Image.Resampling.BILINEAR, reducing_gap=1.0)
    total = np.zeros((HEIGHT_PX // 4, WIDTH_PX // 4), dtype=np.float32)
    for radius, (dx, dy), strength in ((1.3, (1, 1), 0.26), (5.0, (2, 4), 0.22)):
        blurred = np.asarray(small.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255
        total += strength * np.roll(blurred, (dy, dx), axis=(0, 1))
    coarse = Image.fromarray((np.clip(total, 0, 1) * 255).astype(np.uint8))
    full = np.asarray(coarse.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR), dtype=np.float32)
    return np.asarray(full / 255, dtype=np.float32)


def _paper(look: Look, light: FloatArray) -> FloatArray:
    """Warm paper with a gentle fall of light and some grain, times ``light`` (height, width); (height, width, 3)."""
    rng = random.Random(f"paper{look.category}{look.variant}{look.colour}")
    base = np.array(rgb(rng.choice(PAPERS)), dtype=np.float32)
    across = np.linspace(0, 0.075 * rng.uniform(0.2, 0.6), WIDTH_PX, dtype=np.float32)
    down = np.linspace(0, 0.075 * rng.uniform(0.4, 0.8), HEIGHT_PX, dtype=np.float32)
    fall = 1.025 - across[None, :] - down[:, None] + surface("cotton", WIDTH_PX, HEIGHT_PX) * 0.28
    return np.asarray((fall * light)[..., None] * base, dtype=np.float32)
