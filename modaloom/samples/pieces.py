"""The tailor's pattern pieces that several garments share: torso, arms, collars, lapels, bands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modaloom.samples.canvas import Point, Sheet, mirror, pocket, symmetric
from modaloom.samples.cloth import shade


@dataclass(frozen=True, slots=True)
class Torso:
    """Measures of the front of a top, right half: x from the middle, y from above."""

    neck: float = 50
    """Half width of the neck opening at the shoulders."""
    depth: float = 44
    """How far the front neck falls below the shoulder points."""
    top: float = 86
    shoulder: Point = (126, 112)
    under: Point = (116, 214)
    waist: Point = (112, 360)
    hem: Point = (120, 540)
    curve: float = 6
    """How far the middle of the hem hangs below its corners."""
    pointed: bool = False
    """A V neck instead of a round one."""


def torso(sheet: Sheet, t: Torso, *, fill: str | None = None, back: bool = True, height: int = 150) -> str:
    """Draws the front, and behind it the inner back seen through the neck. Gives the neck edge of the right half."""
    if back:
        inner = (
            f"M0 {t.top + 9} C{t.neck * 0.5} {t.top + 9} {t.neck * 0.85} {t.top + 4} {t.neck} {t.top} "
            f"L{t.neck + 6} {t.top + 8} L{t.neck * 0.8} {t.top + t.depth + 14} L0 "
            f"{t.top + t.depth + 22}"
        )
        sheet.part(symmetric(inner), sheet.inside, height=110, rim=2)
    low = t.top + t.depth
    if t.pointed:
        neck = (
            f"M0 {low} C{t.neck * 0.42} {t.top + t.depth * 0.62} {t.neck * 0.86} "
            f"{t.top + t.depth * 0.22} {t.neck} {t.top}"
        )
    else:
        neck = f"M0 {low} C{t.neck * 0.62} {low} {t.neck * 0.93} {t.top + t.depth * 0.55} {t.neck} {t.top}"
    (sx, sy), (ux, uy), (wx, wy), (hx, hy) = t.shoulder, t.under, t.waist, t.hem
    half = (
        f"{neck} L{sx} {sy} C{sx - 12} {sy + 34} {ux - 10} {uy - 36} {ux} {uy} C{ux - 1} {uy + 50} "
        f"{wx} {wy - 60} {wx} {wy} "
        f"C{wx} {wy + 60} {hx - 2} {hy - 60} {hx} {hy} C{hx * 0.6} {hy + t.curve} {hx * 0.3} "
        f"{hy + t.curve} 0 {hy + t.curve}"
    )
    sheet.part(symmetric(half), fill, height=height)
    return neck


def folds(sheet: Sheet, t: Torso, *, soft: bool = False) -> None:
    """The fall of cloth: drag lines from the arms, a few long folds towards the hem."""
    depth = 0.16 if soft else 0.24
    (ux, uy), (hx, hy) = t.under, t.hem
    for side in (-1, 1):
        jitter = sheet.rng.uniform(-14, 14)
        sheet.fold(
            (
                f"M{side * (ux - 6)} {uy + 8} C{side * (ux - 40)} {uy + 26 + jitter} {side * 46} {uy + 50} "
                f"{side * 22} {uy + 66 + jitter}"
            ),
            width=13,
            depth=depth,
        )
        x = side * sheet.rng.uniform(40, 84)
        sheet.fold(
            f"M{x + side * 14} {uy + 90 + jitter} C{x} {uy + 170} {x + 8} {hy - 120} {x - side * 6} {hy - 20}",
            width=18,
            depth=depth * 0.8,
        )
    drift = sheet.rng.uniform(-30, 30)
    sheet.fold(
        f"M{-hx + 16} {hy - 60 + drift / 2} C{-hx * 0.5} {hy - 84} {hx * 0.2} {hy - 60} {hx * 0.5} {hy - 96 + drift}",
        width=16,
        depth=depth * 0.75,
    )


@dataclass(frozen=True, slots=True)
class Arm:
    """The right sleeve: where it is sewn in, where it ends, how wide it is there."""

    shoulder: Point
    under: Point
    end: Point
    width: float = 46
    puff: float = 0
    """Extra fullness."""

    @property
    def along(self) -> Point:
        """Unit vector from the armhole to the end."""
        x = self.end[0] - (self.shoulder[0] + self.under[0]) / 2
        y = self.end[1] - (self.shoulder[1] + self.under[1]) / 2
        length = math.hypot(x, y)
        return x / length, y / length

    @property
    def turn(self) -> float:
        """How far the sleeve leans out, in degrees."""
        return -math.degrees(math.atan2(self.along[0], self.along[1]))

    def corners(self, further: float = 0, taper: float = 0) -> tuple[Point, Point]:
        """Outer and inner corner of the end, or of a line ``further`` beyond it."""
        (dx, dy), half = self.along, self.width / 2 - taper
        x, y = self.end[0] + dx * further, self.end[1] + dy * further
        return (x + dy * half, y - dx * half), (x - dy * half, y + dx * half)

    def outline(self) -> str:
        """The closed path of the sleeve."""
        (ox, oy), (ix, iy) = self.corners()
        (dx, dy), (sx, sy), (ux, uy) = self.along, self.shoulder, self.under
        reach = math.hypot(ox - sx, oy - sy) * 0.42
        back = math.hypot(ix - ux, iy - uy) * 0.42
        p = self.puff
        return (
            f"M{sx - 16} {sy - 4} L{sx} {sy} C{sx + min(reach, 34) + p:.1f} {sy + min(reach, 34) * 0.55:.1f} "
            f"{ox - dx * reach + p * dy:.1f} {oy - dy * reach - p * dx:.1f} {ox:.1f} {oy:.1f} "
            f"Q{self.end[0] + dx * 4:.1f} {self.end[1] + dy * 4:.1f} {ix:.1f} {iy:.1f} "
            f"C{ix - dx * back - p * dy * 0.6:.1f} {iy - dy * back + p * dx * 0.6:.1f} {ux + 4} "
            f"{uy + min(back, 26):.1f} {ux} {uy} L{ux - 26} {uy - 30}Z"
        )


def arms(sheet: Sheet, arm: Arm, *, fill: str | None = None, height: int = 142, creases: bool = True) -> None:
    """Both sleeves, with soft creases at the elbow where they are long."""
    sheet.both(arm.outline(), fill, turn=arm.turn, height=height)
    length = math.hypot(arm.end[0] - arm.shoulder[0], arm.end[1] - arm.shoulder[1])
    if not creases:
        return
    (dx, dy), (sx, sy) = arm.along, arm.shoulder
    for share in (0.3, 0.46, 0.6, 0.78) if length > 200 else (0.55,):
        middle = (sx + (arm.end[0] - sx) * share, sy + (arm.end[1] - sy) * share)
        wide = arm.width * (0.5 if length > 200 else 0.7)
        lean = sheet.rng.uniform(0.2, 0.8)
        path = (
            f"M{middle[0] - dy * wide:.1f} {middle[1] + dx * wide - 8:.1f} Q{middle[0]:.1f} {middle[1] + 6 * lean:.1f} "
            f"{middle[0] + dy * wide * lean:.1f} {middle[1] - dx * wide * lean + 10:.1f}"
        )
        sheet.fold(path, mirror(path), width=9, depth=0.2)


def cuffs(
    sheet: Sheet,
    arm: Arm,
    length: float,
    *,
    fill: str | None = None,
    ribs: int = 0,
    taper: float = 4,
    button: bool = False,
) -> None:
    """Bands at the ends of the sleeves."""
    (ax, ay), (bx, by) = arm.corners(-1, -1)
    (cx, cy), (ex, ey) = arm.corners(length, taper)
    sheet.both(
        f"M{ax:.1f} {ay:.1f} L{cx:.1f} {cy:.1f} L{ex:.1f} {ey:.1f} L{bx:.1f} {by:.1f}Z", fill, turn=arm.turn, height=160
    )
    if ribs:
        upper, lower = f"M{ax:.1f} {ay:.1f} L{bx:.1f} {by:.1f}", f"M{cx:.1f} {cy:.1f} L{ex:.1f} {ey:.1f}"
        sheet.ribs(upper, lower, ribs)
        sheet.ribs(mirror(upper), mirror(lower), ribs)
    if button:
        for side in (-1, 1):
            sheet.button(side * (bx * 0.72 + ax * 0.28 + (ex - bx) / 2), by * 0.72 + ay * 0.28 + (ey - by) / 2, 4)


def sleeve_hem(sheet: Sheet, arm: Arm, back: float = 9) -> None:
    """A stitched hem near the end of the sleeves."""
    (ax, ay), (bx, by) = arm.corners(-back)
    path = f"M{ax - 2:.1f} {ay:.1f} L{bx:.1f} {by:.1f}"
    sheet.stitch(path, mirror(path))


def band(
    sheet: Sheet,
    width: float,
    y: float,
    height: float,
    *,
    inset: float = 8,
    curve: float = 5,
    ribs: int = 0,
    fill: str | None = None,
) -> None:
    """A waistband or hem band whose upper corners are (+-width, y)."""
    low = width - inset
    half = (
        f"M0 {y + curve} C{width * 0.4} {y + curve} {width * 0.7} {y + curve} {width} {y} L{low} "
        f"{y + height} C{low * 0.6} {y + height + curve} {low * 0.3} {y + height + curve} 0 "
        f"{y + height + curve}"
    )
    sheet.part(symmetric(half), fill, height=158)
    if ribs:
        upper = f"M{-width} {y} C{-width * 0.5} {y + curve * 1.3} {width * 0.5} {y + curve * 1.3} {width} {y}"
        lower = (
            f"M{-low} {y + height} C{-low * 0.5} {y + height + curve * 1.3} {low * 0.5} "
            f"{y + height + curve * 1.3} {low} {y + height}"
        )
        sheet.ribs(upper, lower, ribs)


def neck_band(sheet: Sheet, t: Torso, size: float, *, fill: str | None = None, ribs: int = 0) -> None:
    """A band around the neck opening, back and front."""
    n, top, low = t.neck, t.top, t.top + t.depth
    colour = fill or sheet.trim
    rear = (
        f"M0 {top + 9 - size * 0.2} C{n * 0.5} {top + 9 - size * 0.2} {n * 0.85} {top + 2} {n} "
        f"{top - 2} L{n - size * 0.8} {top + 5} C{n * 0.55} {top + 9 + size * 0.6} {n * 0.3} "
        f"{top + 9 + size * 0.7} 0 {top + 9 + size * 0.7}"
    )
    sheet.part(symmetric(rear), shade(colour, -0.12) if fill is None else colour, height=125, rim=3)
    if t.pointed:
        outer = f"M0 {low} C{n * 0.42} {top + t.depth * 0.62} {n * 0.86} {top + t.depth * 0.22} {n - 1} {top - 2}"
        out = (
            f"M0 {low + size * 1.35} C{(n + size) * 0.42} {top + t.depth * 0.7 + size * 0.4} "
            f"{(n + size) * 0.9} {top + t.depth * 0.3} {n + size * 0.75} {top + size * 0.25}"
        )
    else:
        outer = f"M0 {low} C{n * 0.62} {low} {n * 0.93} {top + t.depth * 0.55} {n - 1} {top - 2}"
        out = (
            f"M0 {low + size} C{n * 0.66 + size * 0.6} {low + size} {n + size * 0.62} "
            f"{top + t.depth * 0.62} {n + size * 0.75} {top + size * 0.25}"
        )
    for side in (1, -1):
        edge, rim = (outer, out) if side == 1 else (mirror(outer), mirror(out))
        sheet.part(_between(edge, rim), colour, height=162, rim=4)
        if ribs:
            sheet.ribs(edge, rim, ribs)


def _between(edge: str, other: str) -> str:
    """The closed area between two cubic strokes that run the same way."""
    values = other.replace("M", "").replace("C", " ").split()
    points = list(zip(values[::2], values[1::2], strict=True))
    back = " ".join(f"{x} {y}" for x, y in reversed(points[:-1]))
    return f"{edge} L{points[-1][0]} {points[-1][1]} C{back}Z"


def shirt_collar(sheet: Sheet, t: Torso, *, drop: float = 46, fill: str | None = None, spread: float = 0) -> None:
    """A fold-down collar with its stand and two points."""
    n, top, low = t.neck, t.top, t.top + t.depth
    stand = (
        f"M0 {top - 6} C{n * 0.5} {top - 6} {n * 0.85} {top - 8} {n - 2} {top - 14} L{n + 2} {top + 4} L0 {top + 16}"
    )
    sheet.part(symmetric(stand), shade(sheet.main, -0.2) if fill is None else fill, height=125, rim=3)
    leaf = (
        f"M2 {low} C{n * 0.34} {low - t.depth * 0.42} {n * 0.66} {top + 6} {n - 4} {top - 16} "
        f"C{n + 6} {top - 10} {n + 14} {top + 2} {n + 17} {top + 12} "
        f"C{n + 14 + spread} {top + 34} {n + 2 + spread} {low + drop * 0.45} {n - 8 + spread} "
        f"{low + drop * 0.72} L2 {low}Z"
    )
    sheet.both(leaf, fill, turn=24, height=185)
    edge = (
        f"M9 {low + 1} L{n - 10 + spread} {low + drop * 0.72 - 7} C{n - 1 + spread} "
        f"{low + drop * 0.4} {n + 9 + spread} {top + 32} {n + 11} {top + 14}"
    )
    sheet.stitch(edge, mirror(edge), width=1.1)


def placket(
    sheet: Sheet,
    top: float,
    bottom: float,
    *,
    half: float = 9,
    buttons: int = 6,
    fill: str | None = None,
    start: float = 10,
) -> None:
    """The button band down the middle."""
    sheet.part(f"M{-half} {top} L{half} {top} L{half} {bottom} L{-half} {bottom}Z", fill, height=160, rim=3)
    for x in (-half + 3, half - 3):
        sheet.stitch(f"M{x} {top + 2} L{x} {bottom - 2}", width=1)
    buttons_down(sheet, 0, top + start, bottom - 30, buttons)


def buttons_down(
    sheet: Sheet, x: float, first: float, last: float, number: int, radius: float = 5, fill: str | None = None
) -> None:
    """A column of buttons."""
    for place in range(number):
        sheet.button(x, first + (last - first) * place / max(number - 1, 1), radius, fill)


def patch_pocket(
    sheet: Sheet,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    flap: float = 0,
    point: float = 8,
    fill: str | None = None,
) -> None:
    """A sewn-on pocket with stitching, with or without a flap."""
    sheet.part(pocket(x, y, width, height, point=point), fill, height=165, rim=4)
    sheet.stitch(
        (
            f"M{x + 3.5} {y + 3} L{x + 3.5} {y + height - point - 2} L{x + width / 2} {y + height - 4} "
            f"L{x + width - 3.5} {y + height - point - 2} L{x + width - 3.5} {y + 3}"
        ),
        width=1.1,
    )
    if flap:
        sheet.part(pocket(x - 2, y - 3, width + 4, flap, point=flap * 0.3), fill, height=190, rim=4)
        sheet.button(x + width / 2, y + flap * 0.55, 3.6)
    else:
        sheet.stitch(f"M{x + 1} {y + 9} L{x + width - 1} {y + 9}", width=1.1)


def lapels(
    sheet: Sheet,
    t: Torso,
    meet: float,
    *,
    width: float = 44,
    notch: float = 0.42,
    peak: float = 0,
    fill: str | None = None,
) -> None:
    """A tailored collar: collar leaves above, lapels that roll down to the closing point at ``meet``."""
    n, top = t.neck, t.top
    level = top + (meet - top) * notch
    out = n * 0.9 + width
    lapel = (
        f"M2 {meet} C{n * 0.3} {meet - (meet - top) * 0.4} {n * 0.78} {top + 40} {n - 2} {top - 8} L{n + 15} {top + 6} "
        f"L{n + 10} {level - 14} L{out} {level - 6 - peak} C{out - 6} {level + 40} {out * 0.5} {meet - 50} 2 {meet}Z"
    )
    sheet.both(lapel, fill, turn=18, height=182)
    back = (
        f"M0 {top - 12} C{n * 0.5} {top - 12} {n * 0.8} {top - 16} {n - 6} {top - 20} L{n + 2} "
        f"{top + 6} C{n * 0.6} {top + 14} {n * 0.3} {top + 16} 0 {top + 16}"
    )
    sheet.part(symmetric(back), fill, height=150, rim=4)
    leaf = (
        f"M{n - 8} {top - 21} C{n + 2} {top - 16} {n + 18} {top - 4} {n + 25} {top + 8} L{out - 16} {level - 30} "
        f"L{n + 10} {level - 12} C{n + 8} {top + 44} {n + 2} {top + 16} {n - 8} {top - 21}Z"
    )
    sheet.both(leaf, fill, turn=30, height=196)
