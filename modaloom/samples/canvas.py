"""The drawing sheet: parts, seams, folds and trims of a garment as SVG text.

Coordinates: x = 0 is the middle of the garment, y grows downwards, one unit is about one pixel. Paths use the
absolute commands M, L, C, Q and Z only, so that they can be mirrored and measured by their numbers alone.

A sheet has two layers. *Paint* is what the cloth looks like in flat light. *Relief* is a height map in grey: every
part is a bright plate with a dark rim, folds are soft strokes; the light is computed from it afterwards, which is
far cheaper than blurring inside the SVG.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from itertools import pairwise

from modaloom.samples.cloth import mix, rgb, shade
from modaloom.samples.look import COLOURS, Look

WIDTH_PX = 512
HEIGHT_PX = 640
FILL = (0.84, 0.82)
"""Share of the frame's width and height that a garment may take."""
MARGIN_PX = 4
METAL = "#b9b6ae"
DARK_METAL = "#7d7a74"
GOLD = "#c8a766"

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_STEP = re.compile(r"([MLCQZ])([^MLCQZ]*)")
Point = tuple[float, float]


def numbers(path: str) -> list[float]:
    """All numbers of a path: x, y, x, y ..."""
    return [float(token) for token in _NUMBER.findall(path)]


def mirror(path: str) -> str:
    """The path on the other side of x = 0."""
    count = iter(range(10_000))
    return _NUMBER.sub(lambda m: f"{-float(m[0]):g}" if next(count) % 2 == 0 else m[0], path)


def symmetric(half: str) -> str:
    """A closed outline from its right half, which runs from the top of the middle line to its bottom."""
    points: list[list[Point]] = []
    for command, rest in _STEP.findall(half):
        values = numbers(rest)
        pairs = list(zip(values[::2], values[1::2], strict=True))
        size = {"M": 1, "L": 1, "C": 3, "Q": 2}[command]
        points.extend(pairs[start : start + size] for start in range(0, len(pairs), size))
    steps = [half]
    for place in range(len(points) - 1, 0, -1):
        back = [*reversed(points[place][:-1]), points[place - 1][-1]]
        steps.append("LQC"[len(back) - 1] + " ".join(f"{-x:g} {y:g}" for x, y in back))
    return " ".join(steps) + "Z"


def along(path: str, share: float) -> Point:
    """The point at ``share`` of one cubic, quadratic or straight stroke (``M`` and one step)."""
    values = numbers(path)
    points = list(zip(values[::2], values[1::2], strict=True))
    while len(points) > 1:
        points = [(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share) for a, b in pairwise(points)]
    return points[0]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished sheet: the garment with a narrow margin, to be laid in the middle of the frame."""

    paint: str
    """SVG of ``size`` pixels."""
    relief: str
    """SVG of half that size."""
    size: tuple[int, int]
    print_scale: float
    """Pixels per unit of the print's tile."""
    turns: dict[tuple[int, int, int], float]
    """Where the print goes: marking colour to degrees."""


class Sheet:
    """Collects the parts of one garment, back to front."""

    def __init__(self, look: Look):
        self.look = look
        self.variant = look.variant
        self.rng = random.Random(
            f"{look.category}/{look.variant}"
        )  # not the colour: one model falls alike in all its colours
        self.main = COLOURS[look.colour]
        self.accent = COLOURS[look.accent]
        dark = sum(int(self.main[place : place + 2], 16) for place in (1, 3, 5)) < 240
        self.ink = shade(self.main, 0.42) if dark else shade(self.main, -0.42)
        """Colour of seams: darker than the cloth, lighter on black cloth."""
        self.trim = shade(self.main, -0.16) if not dark else shade(self.main, 0.09)
        """Ribs and bands that belong to the cloth."""
        self.inside = mix(shade(self.main, -0.38), "#3a3330", 0.15)
        """The inner back that is seen through the neck."""
        self.tilt = self.rng.uniform(-1.3, 1.3)
        self.print_scale = self.rng.uniform(0.85, 1.25)
        self._paint: list[str] = []
        self._relief: list[str] = []
        self._keys: dict[int, tuple[int, int, int]] = {}
        self._box = [math.inf, math.inf, -math.inf, -math.inf]

    def choose(self, number: int, salt: int = 0) -> int:
        """A choice of this variant, 0 to number - 1. Different salts choose independently."""
        return random.Random(f"{self.look.category}:{self.variant}:{salt}").randrange(number)

    def cloth(self, turn: float = 0.0) -> str:
        """Fill of the garment's cloth, its print turned by ``turn`` degrees.

        A print is laid on after rasterising (patterns inside the SVG are slow): its places are marked by colours
        that differ from the plain one by a hair, a different one for each turn.
        """
        if self.look.print_name == "solid":
            return self.main
        step = max(-8, min(8, round(turn / 10)))
        if step not in self._keys:
            number = len(self._keys) + 1  # at most 17: each of the three digits below stays under 3
            red, green, blue = rgb(self.main)
            self._keys[step] = (red + number // 9 * 2, green + number // 3 % 3 * 2, blue + number % 3 * 2)
        return "#" + "".join(f"{part:02x}" for part in self._keys[step])

    def part(self, path: str, fill: str | None = None, *, turn: float = 0.0, height: int = 150, rim: float = 7) -> None:
        """One closed piece of cloth; ``rim`` is how round its edge is."""
        self.reserve(path)
        paint = fill or self.cloth(turn)
        edge = self.ink if fill is None or rgb(fill) in self._keys.values() else shade(fill, -0.35)
        self._paint.append(f'<path d="{path}" fill="{paint}" stroke="{edge}" stroke-opacity=".55" stroke-width="1.3"/>')
        grey = f"#{height:02x}{height:02x}{height:02x}"
        self._relief.append(
            f'<path d="{path}" fill="{grey}" stroke="#3c3c3c" stroke-width="{rim:g}" stroke-linejoin="round"/>'
        )

    def both(self, path: str, fill: str | None = None, *, turn: float = 0.0, height: int = 150, rim: float = 7) -> None:
        """The piece and its mirror image."""
        self.part(path, fill, turn=turn, height=height, rim=rim)
        self.part(mirror(path), fill, turn=-turn, height=height, rim=rim)

    def line(
        self, path: str, width: float = 1.6, colour: str | None = None, *, opacity: float = 0.75, dash: str = ""
    ) -> None:
        """A seam, an edge or a cord."""
        more = f' stroke-dasharray="{dash}"' if dash else ""
        self._paint.append(
            f'<path d="{path}" fill="none" stroke="{colour or self.ink}" stroke-opacity="{opacity:g}" '
            f'stroke-width="{width:g}" stroke-linecap="round" stroke-linejoin="round"{more}/>'
        )

    def seam(self, *paths: str) -> None:
        """Seams with a groove in the relief."""
        for path in paths:
            self.line(path, 1.5, opacity=0.7)
            self.groove(path, 4, 0.55)

    def stitch(self, *paths: str, colour: str | None = None, width: float = 1.3) -> None:
        """Rows of visible stitches."""
        for path in paths:
            self.line(path, width, colour, opacity=0.85, dash="4.2 3")

    def fold(self, *paths: str, width: float = 16, depth: float = 0.32) -> None:
        """Soft ridges with a valley beside each; only the light shows them."""
        for path in paths:
            self.ridge(path, "#fff", width, depth)
            self.ridge(_shift(path, width * 0.8, 0), "#000", width * 0.8, depth * 0.8)

    def groove(self, path: str, width: float = 6, depth: float = 0.5) -> None:
        """A valley along a line."""
        self.ridge(path, "#000", width, depth)

    def ridge(self, path: str, colour: str, width: float, opacity: float) -> None:
        """A stroke on the relief alone: white is high, black is low."""
        self._relief.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            f'stroke-opacity="{opacity:g}" stroke-linecap="round"/>'
        )

    def shape(self, path: str, fill: str, opacity: float = 1.0) -> None:
        """A flat mark on the cloth that has no height: a shine, a print, a patch."""
        self._paint.append(f'<path d="{path}" fill="{fill}" fill-opacity="{opacity:g}"/>')

    def disc(self, x: float, y: float, radius: float, fill: str, *, height: int = 200) -> None:
        """A round solid thing: an eyelet, a rivet, a pompon."""
        edge = shade(fill, -0.35)
        self.reserve(f"M{x - radius} {y - radius} L{x + radius} {y + radius}")
        self._paint.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{edge}" stroke-width="1"/>'
        )
        grey = f"#{height:02x}{height:02x}{height:02x}"
        self._relief.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{grey}" stroke="#222" stroke-width="3"/>'
        )

    def frame(self, path: str, fill: str) -> None:
        """A hard piece with a hole in it: a buckle. ``path`` is the outer edge and then the inner one."""
        edge = shade(fill, -0.4)
        self._paint.append(f'<path d="{path}" fill="{fill}" fill-rule="evenodd" stroke="{edge}" stroke-width="1.2"/>')
        self._relief.append(f'<path d="{path}" fill="#e8e8e8" fill-rule="evenodd"/>')

    def button(self, x: float, y: float, radius: float = 5.5, fill: str | None = None) -> None:
        """A sewn button with four holes."""
        colour = fill or mix(self.ink, "#d8cdb8", 0.35)
        self.disc(x, y, radius, colour)
        hole = shade(colour, -0.5)
        step = radius * 0.28
        for dx, dy in ((-step, -step), (step, -step), (-step, step), (step, step)):
            self._paint.append(f'<circle cx="{x + dx:g}" cy="{y + dy:g}" r="{radius * 0.15:.2f}" fill="{hole}"/>')

    def zipper(self, path: str, *, colour: str = METAL, slider: Point | None = None) -> None:
        """A zip: tape, teeth and, where asked, the slider."""
        self.groove(path, 12, 0.5)
        self.line(path, 8, shade(self.main, -0.3), opacity=0.9)
        self.line(path, 4.6, colour, opacity=1, dash="1.6 2.2")
        if slider:
            x, y = slider
            self.part(f"M{x - 4} {y} L{x + 4} {y} L{x + 3} {y + 12} L{x - 3} {y + 12}Z", colour, height=230, rim=2)
            self.part(
                f"M{x - 2.4} {y + 10} L{x + 2.4} {y + 10} L{x + 3.4} {y + 28} L{x - 3.4} {y + 28}Z",
                colour,
                height=230,
                rim=2,
            )

    def ribs(self, upper: str, lower: str, number: int, *, opacity: float = 0.4, width: float = 1.5) -> None:
        """Rib lines between two strokes of one step each."""
        steps = []
        for place in range(1, number):
            (x0, y0), (x1, y1) = along(upper, place / number), along(lower, place / number)
            steps.append(f"M{x0:.1f} {y0:.1f} L{x1:.1f} {y1:.1f}")
        path = " ".join(steps)
        self.line(path, width, opacity=opacity)
        self.groove(path, width * 1.6, 0.45)

    def reserve(self, path: str, around: float = 0) -> None:
        """Makes room in the frame for a path and ``around`` it; parts and discs do so themselves."""
        values, box = numbers(path), self._box
        xs, ys = values[::2], values[1::2]
        self._box = [
            min(box[0], min(xs) - around), min(box[1], min(ys) - around),
            max(box[2], max(xs) + around), max(box[3], max(ys) + around),
        ]  # fmt: skip

    def render(self) -> Drawing:
        """The garment fitted into the frame."""
        left, top, right, bottom = self._box
        zoom = max((right - left) / (FILL[0] * WIDTH_PX), (bottom - top) / (FILL[1] * HEIGHT_PX))
        lean = math.sin(math.radians(abs(self.tilt)))
        width, height = (right - left) / zoom, (bottom - top) / zoom
        wide = min(WIDTH_PX, 2 * math.ceil((width + lean * height) / 2) + 2 * MARGIN_PX)
        high = min(HEIGHT_PX, 2 * math.ceil((height + lean * width) / 2) + 2 * MARGIN_PX)
        x, y = (left + right - wide * zoom) / 2, (top + bottom - high * zoom) / 2
        turn = f'<g transform="rotate({self.tilt:.2f} {(left + right) / 2:.1f} {(top + bottom) / 2:.1f})">'
        view = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x:.2f} {y:.2f} {wide * zoom:.2f} {high * zoom:.2f}"'
        return Drawing(
            paint=f'{view} width="{wide}" height="{high}">{turn}{"".join(self._paint)}</g></svg>',
            relief=f'{view} width="{wide // 2}" height="{high // 2}">{turn}{"".join(self._relief)}</g></svg>',
            size=(wide, high),
            print_scale=self.print_scale / zoom,
            turns={colour: 10.0 * step for step, colour in self._keys.items()},
        )


def _shift(path: str, dx: float, dy: float) -> str:
    count = iter(range(10_000))
    return _NUMBER.sub(lambda m: f"{float(m[0]) + (dx if next(count) % 2 == 0 else dy):g}", path)


def ellipse(x: float, y: float, rx: float, ry: float) -> str:
    """A closed ellipse of four cubics."""
    kx, ky = rx * 0.5523, ry * 0.5523
    return (
        f"M{x:g} {y - ry:g} C{x + kx:g} {y - ry:g} {x + rx:g} {y - ky:g} {x + rx:g} {y:g} "
        f"C{x + rx:g} {y + ky:g} {x + kx:g} {y + ry:g} {x:g} {y + ry:g} "
        f"C{x - kx:g} {y + ry:g} {x - rx:g} {y + ky:g} {x - rx:g} {y:g} "
        f"C{x - rx:g} {y - ky:g} {x - kx:g} {y - ry:g} {x:g} {y - ry:g}Z"
    )


def pocket(x: float, y: float, width: float, height: float, *, point: float = 8) -> str:
    """A patch pocket whose upper left corner is (x, y); ``point`` is how far its bottom comes to a point."""
    return (
        f"M{x:g} {y:g} L{x + width:g} {y:g} L{x + width:g} {y + height - point:g} "
        f"L{x + width / 2:g} {y + height:g} L{x:g} {y + height - point:g}Z"
    )
