"""Cloth: colours, printed patterns as SVG tiles, and woven or knitted surfaces as brightness."""

from __future__ import annotations

import functools
import io
import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter
from resvg_py import svg_to_bytes

from modaloom.types import FloatArray

TILE_SCALE = 1.5
Tile = tuple[tuple[int, int], str]
"""Width and height, and the SVG inside."""


def rgb(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(one: str, other: str, share: float) -> str:
    """The colour ``share`` of the way from one to the other."""
    parts = (round(a + (b - a) * share) for a, b in zip(rgb(one), rgb(other), strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def shade(colour: str, amount: float) -> str:
    """Darker for a negative amount (-1 is black), lighter for a positive one (1 is white)."""
    return mix(colour, "#000000", -amount) if amount < 0 else mix(colour, "#ffffff", amount)


@functools.lru_cache(maxsize=256)
def print_tile(name: str, base: str, accent: str, kind: int) -> FloatArray:
    """The repeating tile of a print on its ground, (height, width, 3), :data:`TILE_SCALE` pixels per unit.

    ``kind`` 0 to 2 chooses the size and make of the print.
    """
    (width, height), marks = _PRINTS[name](base, accent, kind, random.Random(f"{name}{kind}"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width * TILE_SCALE:g}" '
        f'height="{height * TILE_SCALE:g}"><rect width="{width}" height="{height}" fill="{base}"/>{marks}</svg>'
    )
    return np.asarray(rasterise(svg).convert("RGB"), dtype=np.float32)


def rasterise(svg: str) -> Image.Image:
    """An SVG document as an RGBA picture."""
    return Image.open(io.BytesIO(bytes(svg_to_bytes(svg_string=svg, skip_system_fonts=True)))).convert("RGBA")


def sample(tile: FloatArray, x: FloatArray, y: FloatArray, turn: float, scale: float) -> FloatArray:
    """Colours (n, 3) of a repeating tile at n places, turned by ``turn`` degrees, ``scale`` pixels per unit."""
    height, width = tile.shape[:2]
    cos, sin = math.cos(math.radians(turn)) * TILE_SCALE / scale, math.sin(math.radians(turn)) * TILE_SCALE / scale
    u, v = x * cos + y * sin, y * cos - x * sin
    left, top = np.floor(u), np.floor(v)
    dx, dy = (u - left)[:, None], (v - top)[:, None]
    columns, rows = left.astype(np.int64) % width, top.astype(np.int64) % height
    flat = tile.reshape(-1, 3)
    beside, below = (columns + 1) % width, (rows + 1) % height * width
    rows *= width
    upper = flat[rows + columns] * (1 - dx) + flat[rows + beside] * dx
    lower = flat[below + columns] * (1 - dx) + flat[below + beside] * dx
    return np.asarray(upper + (lower - upper) * dy, dtype=np.float32)


def _stripes(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    if kind == 0:
        return (30, 30), f'<rect y="0" width="30" height="11" fill="{accent}"/>'
    if kind == 1:
        thin = f'<rect y="29" width="54" height="4" fill="{accent}"/>'
        return (54, 54), f'<rect y="4" width="54" height="18" fill="{accent}"/>{thin}'
    return (20, 20), f'<rect x="0" width="7" height="20" fill="{accent}"/>'


def _check(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    if kind == 0:
        bands = f'<rect width="20" height="40" fill="{accent}" fill-opacity=".5"/>'
        return (40, 40), bands + f'<rect width="40" height="20" fill="{accent}" fill-opacity=".5"/>'
    light = mix(base, "#fff6e0", 0.6)
    if kind == 1:
        bands = "".join(
            f'<rect {axis}="{place}" {side}="{wide}" {other}="72" fill="{fill}" fill-opacity="{opacity}"/>'
            for axis, side, other in (("x", "width", "height"), ("y", "height", "width"))
            for place, wide, fill, opacity in ((6, 24, accent, 0.5), (38, 4, light, 0.7), (52, 10, accent, 0.4))
        )
        return (72, 72), bands
    lines = f'<path d="M14 0V48M34 0V48M0 14H48M0 34H48" stroke="{accent}" stroke-width="2.6"/>'
    return (48, 48), lines + f'<path d="M24 0V48M0 24H48" stroke="{light}" stroke-width="1.2"/>'


def _polka_dots(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    step, radius = ((30, 5.6), (46, 10.5), (22, 3.2))[kind]
    spots = ((step / 4, step / 4), (step * 3 / 4, step * 3 / 4))
    return (step, step), "".join(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{accent}"/>' for x, y in spots)


def _spread(rng: random.Random, size: int, number: int, gap: float) -> list[tuple[float, float]]:
    """Points that keep their distance on a tile that repeats."""
    points: list[tuple[float, float]] = []
    for _ in range(4000):
        x, y = rng.uniform(0, size), rng.uniform(0, size)

        def apart(a: float, b: float) -> float:
            return min(abs(a - b), size - abs(a - b))

        if all(math.hypot(apart(x, a), apart(y, b)) > gap for a, b in points):
            points.append((x, y))
        if len(points) == number:
            break
    return points


def _repeat(size: int, x: float, y: float, reach: float, mark: str, turn: float = 0) -> str:
    """A mark at a point of the tile, drawn again where it crosses the tile's edge."""
    return "".join(
        f'<g transform="translate({x + dx:.1f} {y + dy:.1f}) rotate({turn:.0f})">{mark}</g>'
        for dx in (-size, 0, size)
        for dy in (-size, 0, size)
        if -reach < x + dx < size + reach and -reach < y + dy < size + reach
    )


def _floral(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    size, number, gap, big = ((104, 9, 27, 1.0), (120, 6, 40, 1.6), (84, 12, 19, 0.66))[kind]
    leaf = mix("#5c7f55", base, 0.25)
    tints = (accent, mix(accent, "#fff4ea", 0.45), mix(accent, base, 0.3))
    heart = mix("#e9c25a", accent, 0.15)
    drawn = []
    for place, (x, y) in enumerate(_spread(rng, size, number, gap)):
        scale = big * rng.uniform(0.8, 1.15)
        petals = "".join(
            f'<ellipse cx="0" cy="-7" rx="4.9" ry="6.6" fill="{tints[place % 3]}" transform="rotate({a})"/>'
            for a in range(0, 360, 72)
        )
        leaves = "".join(
            f'<path d="M0 0Q9 -5 19 -1Q10 5 0 0Z" fill="{leaf}" transform="rotate({a})"/>' for a in (35, 205)
        )
        flower = f'<g transform="scale({scale:.2f})">{leaves}{petals}<circle r="3.4" fill="{heart}"/></g>'
        drawn.append(_repeat(size, x, y, 22 * scale, flower, rng.uniform(0, 360)))
    return (size, size), "".join(drawn)


def _leopard(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    size, gap = ((96, 17.5), (112, 22), (80, 14.5))[kind]
    dark = mix(shade(base, -0.72), "#2c1d14", 0.6)
    if sum(rgb(base)) < 210:
        dark = mix(base, "#e2cfae", 0.62)
    core = mix(base, accent if sum(rgb(base)) < 210 else "#6f4522", 0.45)
    drawn = []
    for x, y in _spread(rng, size, 40, gap):
        r = gap * rng.uniform(0.30, 0.40)
        spot = f'<ellipse rx="{r * 0.9:.1f}" ry="{r * 0.7:.1f}" fill="{core}"/>'
        for start, sweep in ((rng.uniform(0, 40), 120), (rng.uniform(170, 210), 95)):
            a, b = math.radians(start), math.radians(start + sweep)
            spot += (
                f'<path d="M{r * math.cos(a):.1f} {r * 0.8 * math.sin(a):.1f}A{r:.1f} {r * 0.8:.1f} 0 0 1 '
                f'{r * math.cos(b):.1f} {r * 0.8 * math.sin(b):.1f}" fill="none" stroke="{dark}" '
                f'stroke-width="{r * rng.uniform(0.5, 0.75):.1f}" stroke-linecap="round"/>'
            )
        drawn.append(_repeat(size, x, y, r * 1.5, spot, rng.uniform(-30, 30)))
    return (size, size), "".join(drawn)


def _geometric(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    third = mix(base, accent, 0.45)
    if kind == 0:
        marks = f'<path d="M0 0L24 0L12 20Z" fill="{accent}"/><path d="M24 0L48 0L36 20Z" fill="{third}"/>'
        return (
            (48, 40),
            marks + f'<path d="M12 20L36 20L24 40Z" fill="{accent}"/>'
            f'<path d="M-12 20L12 20L0 40Z M36 20L60 20L48 40Z" fill="{third}"/>',
        )
    if kind == 1:
        marks = (
            f'<path d="M24 2L46 24L24 46L2 24Z" fill="{accent}"/><path d="M24 13L35 24L24 35L13 24Z" fill="{base}"/>'
        )
        return (
            (48, 48),
            marks
            + f'<path d="M24 19L29 24L24 29L19 24Z" fill="{third}"/>'
            + "".join(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{third}"/>' for x in (0, 48) for y in (0, 48)),
        )
    rings = "".join(
        f'<path d="M{x - r} {y}A{r} {r} 0 0 1 {x + r} {y}Z" fill="{fill}"/>'
        for x, y in ((26, 30), (0, 58), (52, 58))
        for r, fill in ((22, accent), (15, base), (8, third))
    )
    return (52, 58), rings


def _stars(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    size, number, gap, big = ((92, 8, 27, 9.0), (110, 5, 42, 15.0), (72, 10, 20, 5.6))[kind]
    drawn = []
    for place, (x, y) in enumerate(_spread(rng, size, number, gap)):
        r = big * (1.0, 0.62, 0.82)[place % 3]
        points = " ".join(
            f"{reach * math.sin(math.pi * k / 5):.1f},{-reach * math.cos(math.pi * k / 5):.1f}"
            for k in range(10)
            for reach in (r if k % 2 == 0 else 0.42 * r,)
        )
        drawn.append(_repeat(size, x, y, r, f'<polygon points="{points}" fill="{accent}"/>', rng.uniform(-25, 25)))
    return (size, size), "".join(drawn)


def _waves(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    third = mix(base, accent, 0.5)
    if kind == 1:  # fish-scale waves
        rings = "".join(
            f'<circle cx="{x}" cy="{y}" r="{r}" fill="{fill}"/>'
            for x, y in ((0, 24), (48, 24), (24, 36), (0, 48), (48, 48), (24, 60))
            for r, fill in ((24, base), (22, accent), (19, base), (14, third), (11, base), (6, accent))
        )
        return (48, 24), rings
    wide, step = ((60, 26), (60, 26), (36, 16))[kind]
    curves = "".join(
        f'<path d="M{-wide / 2} {y}Q{-wide / 4} {y - step * 0.62} 0 {y}T{wide / 2} {y}T{wide} {y}T{wide * 1.5} {y}" '
        f'fill="none" stroke="{fill}" stroke-width="{thick}"/>'
        for y, fill, thick in ((0, accent, step * 0.26), (step, accent, step * 0.26), (step / 2, third, step * 0.12))
    )
    return (wide, step), curves


def _botanical(base: str, accent: str, kind: int, rng: random.Random) -> Tile:
    size, number, gap, big = ((120, 6, 40, 1.0), (150, 5, 56, 1.45), (96, 8, 27, 0.66))[kind]
    tints = (accent, mix(accent, base, 0.35), mix(accent, "#f6f1df", 0.3))
    drawn = []
    for place, (x, y) in enumerate(_spread(rng, size, number, gap)):
        tint = tints[place % 3]
        leaves = "".join(
            f'<path d="M0 {18 - step * 9}Q{side * 8} {8 - step * 9} {side * (17 - step * 2)} {9 - step * 9}'
            f'Q{side * 10} {18 - step * 9} 0 {18 - step * 9}Z" fill="{tint}"/>'
            for step in range(4)
            for side in (-1, 1)
        )
        spray = (
            f'<g transform="scale({big})"><path d="M0 27Q2 5 0 -20" stroke="{tint}" stroke-width="1.8" fill="none"/>'
            f'{leaves}<path d="M0 -10Q6 -20 0 -29Q-6 -20 0 -10Z" fill="{tint}"/></g>'
        )
        drawn.append(_repeat(size, x, y, 30 * big, spray, rng.uniform(0, 360)))
    return (size, size), "".join(drawn)


_PRINTS: dict[str, Callable[[str, str, int, random.Random], Tile]] = {
    "stripes": _stripes, "check": _check, "polka_dots": _polka_dots, "floral": _floral, "leopard": _leopard,
    "geometric": _geometric, "stars": _stars, "waves": _waves, "botanical": _botanical,
}  # fmt: skip


GLOSS: dict[str, float] = {"satin": 1.0, "leather": 0.9, "down": 0.55, "canvas": 0.1, "denim": 0.08}
"""How much a fabric shines; 0.05 for the others."""
RELIEF: dict[str, float] = {"satin": 1.15, "leather": 1.1, "down": 1.25, "knit": 1.1, "wool": 0.95}
"""How deep its folds look; 1 for the others."""


@functools.lru_cache(maxsize=16)
def surface(fabric: str, width: int, height: int) -> FloatArray:
    """Brightness of a fabric's surface, (height, width), about -1 to 1 times its strength."""
    random_source = np.random.default_rng(sum(map(ord, fabric)))
    noise = random_source.normal(0, 1, (height, width)).astype(np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if fabric == "denim":
        streak = _soften(random_source.normal(0, 1, (height, width)), 0.6, 7)
        return np.asarray(0.04 * np.sin((x + y * 0.9) * 2.1) + 0.03 * noise + 0.065 * streak, dtype=np.float32)
    if fabric == "knit":
        slope = np.abs(np.mod(x, 7.0) - 3.5)
        stitch = np.cos((y + slope * 1.35) * (2 * np.pi / 6.0)) * (0.35 + 0.65 * np.minimum(slope, 3.5 - slope) / 1.75)
        return np.asarray(0.085 * stitch - 0.08 * (slope < 0.8) + 0.02 * noise, dtype=np.float32)
    if fabric == "wool":
        fuzz = _soften(noise, 1.1, 1.1)
        bone = np.sign(np.sin((x + np.abs(np.mod(y, 22) - 11) * 1.0) * 1.9))
        return np.asarray(0.035 * fuzz + 0.022 * bone + 0.02 * noise, dtype=np.float32)
    if fabric == "leather":
        return np.asarray(0.024 * np.tanh(2 * _soften(noise, 1.3, 1.3)) + 0.006 * noise, dtype=np.float32)
    if fabric == "linen":
        across, upright = _soften(noise, 9, 0.5), _soften(random_source.normal(0, 1, (height, width)), 0.5, 9)
        return np.asarray(0.045 * across + 0.045 * upright + 0.015 * noise, dtype=np.float32)
    if fabric == "canvas":
        return np.asarray(0.05 * np.sin(x * 1.6) * np.sin(y * 1.6) + 0.04 * noise, dtype=np.float32)
    if fabric == "jersey":
        return np.asarray(0.018 * np.sin(x * 2.1) + 0.02 * noise, dtype=np.float32)
    strength = {"satin": 0.006, "down": 0.012}.get(fabric, 0.022)
    return np.asarray(strength * noise, dtype=np.float32)


def _soften(values: np.ndarray, across: float, upright: float) -> FloatArray:
    """Blurred noise brought back to about unit spread."""
    picture = Image.fromarray(np.clip(values * 40 + 128, 0, 255).astype(np.uint8))
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur((across, upright))), dtype=np.float32) - 128
    return np.asarray(soft / max(float(soft.std()), 1e-3) * 0.6, dtype=np.float32)
