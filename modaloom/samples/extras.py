"""Bags and what goes on top of an outfit: tote bag, backpack, cap, beanie, scarf, belt."""

from __future__ import annotations

import math
from collections.abc import Callable

from modaloom.samples.canvas import GOLD, METAL, Sheet, ellipse, symmetric
from modaloom.samples.cloth import mix, shade
from modaloom.samples.pieces import patch_pocket


def _strap(sheet: Sheet, path: str, width: float, colour: str) -> None:
    """A strap as one thick line with stitched edges."""
    sheet.reserve(path, 8)
    sheet.line(path, width + 2, shade(colour, -0.4), opacity=0.9)
    sheet.line(path, width, colour, opacity=1)
    sheet.line(path, width * 0.62, shade(colour, -0.25), opacity=0.6)
    sheet.line(path, width * 0.62 - 2, colour, opacity=1)
    for wide, grey in ((width + 4, "#444444"), (width - 2, "#a8a8a8")):
        sheet.ridge(path, grey, wide, 1)


def _tote_bag(sheet: Sheet) -> None:
    leather = sheet.look.fabric == "leather"
    wide, low = ((150, 500), (166, 470), (134, 520))[sheet.choose(3)]
    handle = mix(sheet.accent, "#7a5a3c", 0.3) if sheet.choose(2, 1) else sheet.trim
    reach = (70, 96, 60)[sheet.choose(3, 2)]
    _strap(
        sheet,
        f"M-62 250 C-58 {reach + 40} -40 {reach + 4} 0 {reach + 4} C40 {reach + 4} 58 {reach + 40} 62 250",
        13,
        shade(handle, -0.15),
    )
    sheet.part(symmetric(f"M0 214 L{wide - 12} 208 L{wide - 10} 232 L0 240"), sheet.inside, height=100, rim=3)
    half = (
        f"M0 222 C{wide * 0.5} 224 {wide * 0.8} 218 {wide - 8} 212 C{wide - 2} 300 {wide + 6} 400 "
        f"{wide + 4} {low - 16} C{wide + 2} {low} {wide - 10} {low + 2} {wide - 22} {low + 3} L0 "
        f"{low + 7}"
    )
    sheet.part(symmetric(half), rim=10)
    sheet.fold(
        f"M-{wide - 40} 250 C-{wide - 50} 330 -{wide - 30} 400 -{wide - 46} {low - 30}",
        f"M60 260 C76 340 60 400 82 {low - 40}",
        f"M-30 {low - 90} C10 {low - 70} 50 {low - 70} 100 {low - 100}",
        width=22,
        depth=0.22,
    )
    _strap(
        sheet,
        (
            f"M-66 300 L-66 240 C-64 {reach + 50} -44 {reach + 16} 0 {reach + 16} C44 {reach + 16} 64 "
            f"{reach + 50} 66 240 L66 300"
        ),
        14,
        handle,
    )
    for s in (-1, 1):
        for y in (286, 296):
            sheet.disc(s * 66, y, 2.2, GOLD if leather else METAL)
    sheet.stitch(f"M-{wide - 10} 228 C-60 238 60 238 {wide - 10} 228")
    if sheet.choose(2, 3):
        patch_pocket(sheet, -56, 330, 112, 96, point=0)
    elif sheet.look.print_name == "solid":
        sheet.part("M-34 366 L34 366 L34 398 L-34 398Z", mix(sheet.accent, sheet.main, 0.2), height=165, rim=3)
        sheet.line("M-22 378 L22 378 M-14 387 L14 387", 2, sheet.main, opacity=0.9)


def _backpack(sheet: Sheet) -> None:
    roll = sheet.choose(3) == 0
    trim = mix(sheet.accent, "#6b4a30", 0.35)
    _strap(sheet, "M-118 190 C-166 220 -164 420 -126 500", 20, shade(sheet.main, -0.3))
    _strap(sheet, "M118 190 C166 220 164 420 126 500", 20, shade(sheet.main, -0.3))
    _strap(sheet, "M-28 112 C-28 74 28 74 28 112", 11, trim)
    half = "M0 96 C60 96 112 110 124 160 C132 240 136 420 132 508 C130 534 110 542 86 544 C50 547 20 547 0 547"
    sheet.part(symmetric(half), rim=14)
    for s in (-1, 1):
        sheet.both(
            f"M{s * 126} 400 L{s * 152} 412 C{s * 156} 460 {s * 152} 500 {s * 146} 524 L{s * 126} 530Z",
            shade(sheet.main, -0.12),
            height=140,
        ) if s == 1 else None
    sheet.fold("M-90 140 C-100 240 -96 330 -100 380", "M94 150 C100 240 96 320 100 380", width=22, depth=0.25)
    if roll:
        flap = "M0 90 C60 90 116 104 128 150 C132 200 132 240 122 276 C80 294 40 298 0 298"
        sheet.part(symmetric(flap), turn=0, height=185, rim=11)
        edge = "M-116 272 C-70 290 70 290 116 272"
        sheet.stitch(edge)
        for s in (-1, 1):
            sheet.part(
                f"M{s * 52} 230 L{s * 72} 230 L{s * 72} 356 L{s * 62} 366 L{s * 52} 356Z", trim, height=205, rim=4
            )
            sheet.part(f"M{s * 46} 308 L{s * 78} 308 L{s * 78} 330 L{s * 46} 330Z", METAL, height=220, rim=3)
    else:
        arch = "M-112 330 C-116 180 -90 122 0 122 C90 122 116 180 112 330"
        sheet.zipper(arch, colour=METAL)
        sheet.part("M-108 296 L-114 296 L-116 320 L-106 320Z", METAL, height=220, rim=2)
        sheet.part(ellipse(0, 214, 26, 26), mix(trim, sheet.main, 0.1), height=180, rim=4)
        sheet.line("M-12 214 L12 214 M0 202 L0 226", 2.4, shade(trim, 0.5), opacity=0.8)
    front = symmetric("M0 352 C60 352 96 354 104 366 C110 410 112 470 106 516 C90 526 40 529 0 529")
    sheet.part(front, height=178, rim=10)
    sheet.zipper("M-92 382 C-50 376 50 376 92 382", colour=METAL)
    sheet.part("M86 380 L93 380 L95 404 L84 404Z", trim, height=220, rim=2)
    sheet.stitch("M-97 510 C-50 521 50 521 97 510")


def _cap(sheet: Sheet) -> None:
    sheet.tilt *= 3
    visor = sheet.accent if sheet.choose(3) == 0 else sheet.main
    crown = "M-152 352 C-164 232 -104 150 0 148 C104 150 152 226 150 338 C92 322 -60 324 -152 352Z"
    sheet.part(
        "M-40 330 C60 320 160 340 214 366 C246 384 252 404 240 414 C180 392 60 376 -10 372Z",
        shade(visor, -0.45),
        height=100,
        rim=3,
    )
    sheet.part(crown, height=150, rim=14)
    for path in (
        "M0 148 C-26 210 -38 280 -36 326",
        "M4 148 C66 186 98 258 102 328",
        "M0 148 C-74 178 -118 260 -122 343",
    ):
        sheet.seam(path)
        sheet.stitch(path.replace("M0 148", "M6 154").replace("M4 148", "M9 154"), width=1.1)
    sheet.stitch("M-148 340 C-60 312 90 312 149 328", width=1.1)
    brim = (
        "M-34 328 C40 318 110 322 150 336 C204 348 244 374 246 400 C246 410 236 412 226 408 C170 "
        "382 80 366 8 368 C-20 362 -40 344 -34 328Z"
    )
    sheet.part(brim, visor if visor != sheet.main else None, turn=8, height=185, rim=9)
    for step in range(1, 5):
        gap = step * 8
        sheet.stitch(
            (
                f"M{-24 + step * 8} {330 + gap * 0.9} C{40 + step * 4} {321 + gap} 110 {326 + gap * 0.9} "
                f"{152 + step * 2} {339 + gap * 0.8} C{190 - step} {349 + gap * 0.8} {216 - step * 2} "
                f"{366 + gap * 0.5} {228 - step * 3} {388 + gap * 0.2}"
            ),
            width=1.1,
        )
    sheet.part(ellipse(2, 150, 13, 7), sheet.main if visor == sheet.main else visor, height=205, rim=4)
    for x, y in ((-70, 216), (46, 210), (-104, 262)):
        sheet.disc(x, y, 4.4, shade(sheet.main, -0.25))
    _badge(sheet)


def _badge(sheet: Sheet) -> None:
    mark = sheet.choose(3, 1)
    if mark == 0:
        sheet.part("M14 244 L66 240 L70 290 L18 294Z", mix(sheet.accent, "#fff8ea", 0.2), height=175, rim=4)
        sheet.line("M28 278 L42 256 L56 276", 4, sheet.main, opacity=0.9)
    elif mark == 1:
        points = [
            (
                42 + (26 if k % 2 == 0 else 11) * math.sin(math.pi * k / 5),
                268 - (26 if k % 2 == 0 else 11) * math.cos(math.pi * k / 5),
            )
            for k in range(10)
        ]
        sheet.part(
            "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z",
            mix(sheet.accent, "#fff8ea", 0.15),
            height=178,
            rim=3,
        )


def _beanie(sheet: Sheet) -> None:
    fold, slouch = (96, 70, 110)[sheet.choose(3)], sheet.choose(2, 1)
    top = 150 - slouch * 24
    dome = f"M0 {top} C96 {top} 158 {top + 70} 162 400 C100 416 50 420 0 420"
    sheet.part(symmetric(dome), rim=14)
    for place in range(-7, 8):
        x = place / 7
        rib = f"M{x * 20:.1f} {top + 6} C{x * 120:.1f} {top + 26} {x * 152:.1f} {top + 130} {x * 156:.1f} 400"
        sheet.line(rib, 1.7, opacity=0.4)
        sheet.groove(rib, 8, 0.5)
    low = 452
    upper = low - fold
    cuff = (
        f"M0 {upper + 14} C60 {upper + 14} 120 {upper + 8} 168 {upper - 4} C172 {upper + 30} 172 "
        f"{low - 30} 168 {low - 10} C120 {low + 4} 60 {low + 10} 0 {low + 10}"
    )
    sheet.part(symmetric(cuff), sheet.trim if sheet.look.print_name == "solid" else None, height=190, rim=12)
    sheet.ribs(
        f"M-167 {upper - 2} C-80 {upper + 20} 80 {upper + 20} 167 {upper - 2}",
        f"M-167 {low - 12} C-80 {low + 15} 80 {low + 15} 167 {low - 12}",
        30,
    )
    if sheet.choose(2, 2):
        fluff = mix(sheet.accent, "#f4ecdf", 0.35)
        for ring, number in ((36, 22), (26, 16), (14, 9)):
            for k in range(number):
                angle = 2 * math.pi * k / number + ring
                x, y = ring * math.cos(angle), top - 20 + ring * math.sin(angle)
                sheet.disc(
                    x + sheet.rng.uniform(-4, 4),
                    y + sheet.rng.uniform(-4, 4),
                    9,
                    shade(fluff, sheet.rng.uniform(-0.07, 0.1)),
                    height=150 + int((40 - ring) * 2),
                )
    if sheet.choose(2, 3):
        sheet.part(
            f"M42 {low - fold * 0.62} L88 {low - fold * 0.66} L88 {low - fold * 0.28} L42 {low - fold * 0.24}Z",
            mix("#8a6443", sheet.accent, 0.2),
            height=215,
            rim=3,
        )


def _fringe(sheet: Sheet, start: str, reach: tuple[float, float], number: int) -> None:
    for place in range(number):
        x, y = along_straight(start, (place + 0.5) / number)
        sway = sheet.rng.uniform(-4, 4)
        path = (
            f"M{x:.1f} {y - 2:.1f} C{x + reach[0] * 0.3 + sway:.1f} {y + reach[1] * 0.4:.1f} "
            f"{x + reach[0] * 0.7:.1f} {y + reach[1] * 0.7:.1f} {x + reach[0] + sway:.1f} "
            f"{y + reach[1]:.1f}"
        )
        sheet.reserve(path, 8)
        sheet.line(path, 5.4, shade(sheet.main, -0.3), opacity=1)
        sheet.line(path, 3.8, sheet.main, opacity=1)
        sheet.ridge(path, "#b0b0b0", 4.5, 1)


def along_straight(start: str, share: float) -> tuple[float, float]:
    """A point of a straight stroke ``M x y L x y``."""
    x0, y0, x1, y1 = (float(part) for part in start.replace("M", "").replace("L", " ").split())
    return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share


def _scarf(sheet: Sheet) -> None:
    wide = (56, 64, 50)[sheet.choose(3)]
    low = (450, 424, 480)[sheet.choose(3, 1)]
    fringe = sheet.choose(3, 2) != 0
    left = (
        f"M-30 210 L{30 + wide * 0.2} 210 C{12} 330 {-20} 420 -28 {low - 34} L{-28 - wide * 1.7} "
        f"{low - 44} C-112 370 -80 300 -66 230Z"
    )
    if fringe:
        _fringe(sheet, f"M{-30 - wide * 1.7} {low - 44} L-28 {low - 34}", (-6, 46), 12)
    sheet.part(left, turn=9, height=140, rim=9)
    sheet.fold(
        f"M-50 250 C-60 330 -84 420 -92 {low - 50}", f"M-14 260 C-20 330 -40 420 -54 {low - 46}", width=17, depth=0.35
    )
    right = (
        f"M-26 206 L66 206 C76 310 {70 + wide * 0.4} 420 {64 + wide} {low} L{64 - wide} {low + 6} "
        f"C{20} 420 -4 320 -26 206Z"
    )
    if fringe:
        _fringe(sheet, f"M{64 - wide} {low + 4} L{64 + wide} {low - 2}", (4, 48), 13)
    sheet.part(right, turn=-7, height=160, rim=9)
    sheet.fold(f"M10 250 C26 330 40 420 46 {low - 10}", f"M48 250 C62 330 72 420 84 {low - 10}", width=17, depth=0.35)
    back = (
        "M-118 170 C-112 96 -50 72 4 72 C60 72 114 96 120 168 C124 196 110 214 96 220 C80 150 44 "
        "118 0 118 C-46 118 -80 152 -92 222 C-110 214 -120 196 -118 170Z"
    )
    sheet.part(back, turn=4, height=140, rim=9)
    sheet.fold("M-104 176 C-96 120 -46 94 0 94 C50 94 96 120 106 176", width=14, depth=0.3)
    front = (
        "M-120 168 C-124 214 -90 262 -20 270 C50 276 112 246 120 170 C108 204 60 226 4 224 C-50 222 -104 206 -120 168Z"
    )
    sheet.part(front, turn=-14, height=185, rim=10)
    sheet.fold("M-108 206 C-70 244 -10 252 50 240", "M-90 196 C-50 226 20 234 84 212", width=12, depth=0.4)
    knot = "M-40 214 C-20 196 36 196 56 212 C66 240 56 276 40 286 C14 294 -20 290 -34 280 C-46 260 -48 234 -40 214Z"
    sheet.part(knot, turn=22, height=205, rim=11)
    sheet.fold(
        "M-26 224 C-18 244 -18 262 -22 276",
        "M8 214 C14 240 14 262 8 282",
        "M36 222 C42 244 40 262 34 276",
        width=9,
        depth=0.4,
    )


def _belt(sheet: Sheet) -> None:
    """A belt laid in a loose coil, its end pulled through the buckle."""
    sheet.tilt *= 3
    metal = (METAL, GOLD, "#8a8378")[sheet.choose(3)]
    wide = (34, 27, 40)[sheet.choose(3, 1)]
    dark = shade(sheet.main, -0.35)
    ring = "M-150 400 C-196 300 -150 176 0 168 C150 176 196 300 150 384 C130 420 96 444 50 452"
    inner = "M-150 400 C-120 452 -40 470 50 452"
    coil = "M-112 356 C-140 280 -96 214 0 210 C98 214 138 290 108 356 C80 408 -30 420 -112 356"
    for path, tint in ((coil, shade(sheet.main, -0.12)), (ring, sheet.main), (inner, sheet.main)):
        sheet.reserve("M-180 150 L180 480")
        sheet.line(path, wide + 2.4, dark, opacity=1)
        sheet.line(path, wide, tint if sheet.look.print_name == "solid" else sheet.cloth(), opacity=1)
        sheet.ridge(path, "#555555", wide + 4, 1)
        sheet.ridge(path, "#a8a8a8", wide - 5, 1)
        if sheet.choose(3, 2):
            sheet.line(path, wide - 7, mix(sheet.accent, sheet.main, 0.3), opacity=0.9, dash="4.4 3.4")
            sheet.line(path, wide - 10.5, tint if sheet.look.print_name == "solid" else sheet.cloth(), opacity=1)
    x, y, h = 34, 454, wide * 0.5
    sheet.part(
        (
            f"M{x - 6} {y - h} C{x + 40} {y - h - 4} {x + 90} {y - h - 22} {x + 128} {y - h - 40} "
            f"L{x + 146} {y - h - 22} L{x + 138} {y + h - 34} C{x + 96} {y + h - 8} {x + 40} "
            f"{y + h + 2} {x - 6} {y + h}Z"
        ),
        height=170,
        rim=6,
    )
    for step in range(4):
        sheet.disc(x + 60 + step * 18, y - 11 - step * 5.5 - step * step * 0.5, 3, dark, height=60)
    sheet.part(
        f"M{x - 36} {y - h - 3} L{x - 22} {y - h - 3} L{x - 22} {y + h + 4} L{x - 36} {y + h + 4}Z", height=200, rim=4
    )
    if sheet.choose(2, 3):
        frame = ellipse(x + 6, y - 2, h + 13, h + 13) + " " + ellipse(x + 6, y - 2, h + 4, h + 4)
    else:
        frame = (
            f"M{x - 16} {y - h - 12} L{x + 30} {y - h - 14} L{x + 32} {y + h + 9} L{x - 14} "
            f"{y + h + 12}Z M{x - 7} {y - h - 4} L{x + 21} {y - h - 6} L{x + 23} {y + h + 1} L{x - 5} "
            f"{y + h + 4}Z"
        )
    sheet.frame(frame, metal)
    sheet.line(f"M{x - 12} {y + 1} L{x + 32} {y - 4}", 6, shade(metal, -0.25), opacity=1)
    sheet.line(f"M{x - 12} {y} L{x + 32} {y - 5}", 4, shade(metal, 0.1), opacity=1)


DRAWERS: dict[str, Callable[[Sheet], None]] = {
    "tote_bag": _tote_bag, "backpack": _backpack, "cap": _cap, "beanie": _beanie, "scarf": _scarf, "belt": _belt,
}  # fmt: skip
