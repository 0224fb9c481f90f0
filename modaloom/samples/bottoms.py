"""Bottoms: jeans, trousers, shorts, leggings, mini skirt, midi skirt, pleated skirt."""

from __future__ import annotations

from collections.abc import Callable

from modaloom.samples.canvas import GOLD, Sheet, mirror, symmetric
from modaloom.samples.cloth import mix, shade
from modaloom.samples.pieces import band


def _legs(
    sheet: Sheet, waist: float, hip: float, crotch: float, hem: tuple[float, float, float], knee: float = 0
) -> None:
    """Two trouser legs: ``hem`` is inner x, outer x and y; ``knee`` pulls the outside in."""
    inner, outer, low = hem
    half = (
        f"M0 84 L{waist} 82 C{waist + 8} 110 {hip - 4} 150 {hip} 200 C{hip + 2} 280 {outer + knee} "
        f"{low - 190} {outer} {low} "
        f"C{outer * 0.8 + inner * 0.2} {low + 5} {outer * 0.3 + inner * 0.7} {low + 6} {inner} "
        f"{low + 3} C{inner - 6} {low - 160} 8 {crotch + 70} 0 {crotch}"
    )
    sheet.part(symmetric(half))
    for s in (-1, 1):
        middle = (inner + outer) / 2
        for y in (crotch + 8, crotch + 26):
            sheet.fold(
                f"M{s * 6} {crotch} C{s * 30} {y - 4} {s * 56} {y + 4} {s * (hip - 18)} {y - 26}", width=11, depth=0.22
            )
        if low > 380:
            for place in range(3):
                y = low - 150 + place * 34 + sheet.rng.uniform(-8, 8)
                sheet.fold(
                    f"M{s * (middle - 26)} {y:.0f} Q{s * middle} {y + 12:.0f} {s * (middle + 26)} {y - 4:.0f}",
                    width=9,
                    depth=0.15,
                )
        sheet.fold(
            f"M{s * (hip * 0.62)} 250 C{s * (hip * 0.66)} 330 {s * middle} {low - 120} {s * middle} {low - 20}",
            width=20,
            depth=0.2,
        )


def _loops(sheet: Sheet, waist: float, places: tuple[float, ...] = (0.42, 0.82), top: float = 64) -> None:
    """Belt loops on the waistband."""
    for share in places:
        for s in (-1, 1):
            x = s * waist * share
            sheet.part(f"M{x - 4} {top} L{x + 4} {top} L{x + 4} {top + 31} L{x - 4} {top + 31}Z", height=205, rim=3)


def _fly(sheet: Sheet, crotch: float, colour: str | None = None) -> None:
    sheet.seam(f"M0 92 L0 {crotch}")
    sheet.stitch(f"M20 92 L20 {crotch - 66} C20 {crotch - 44} 12 {crotch - 34} 2 {crotch - 28}", colour=colour)


def _jeans(sheet: Sheet) -> None:
    thread = mix("#d39a4a", sheet.main, 0.12)
    cut = sheet.choose(4)
    hem = ((40, 82, 566), (26, 92, 568), (14, 108, 570), (52, 88, 560))[cut]
    hip = (112, 114, 116, 110)[cut]
    _legs(sheet, 92, hip, 226, hem, (-4, 2, -8, -2)[cut])
    fade = mix(sheet.main, "#ffffff", 0.5)
    for s in (-1, 1) if sheet.look.print_name == "solid" else ():
        middle = (hem[0] + hem[1]) / 2 * s
        for wide, opacity in ((26, 0.07), (18, 0.08), (10, 0.09)):
            sheet.shape(
                (
                    f"M{middle * 0.95 - wide} 290 C{middle - wide * 1.5} 350 {middle - wide} 430 {middle} 470 "
                    f"C{middle + wide} 430 {middle + wide * 1.5} 350 {middle * 0.95 + wide} 290 C{middle + 6} "
                    f"262 {middle - 6} 262 {middle * 0.95 - wide} 290Z"
                ),
                fade,
                opacity,
            )
    sheet.part("M36 94 C40 122 70 138 105 136 L100 96Z", shade(sheet.main, -0.07), height=120, rim=3)
    sheet.part(mirror("M36 94 C40 122 70 138 105 136 L100 96Z"), shade(sheet.main, -0.07), height=120, rim=3)
    for gap in (2, 6):
        path = f"M{34 - gap} 93 C{38 - gap} {122 + gap} 70 {140 + gap} 107 {138 + gap}"
        sheet.stitch(path, mirror(path), colour=thread)
    out = f"M{hip - 4} 170 C{hip - 2} 280 {hem[1] - 6} 390 {hem[1] - 6} {hem[2] - 4}"
    inside = f"M4 250 C10 320 {hem[0] - 2} 410 {hem[0] + 4} {hem[2] - 2}"
    sheet.stitch(out, mirror(out), inside, mirror(inside), colour=thread)
    _fly(sheet, 226, thread)
    band(sheet, 94, 66, 26, inset=-1, curve=3)
    sheet.stitch("M-92 71 L92 71", "M-93 89 L93 89", colour=thread)
    _loops(sheet, 94, top=66)
    sheet.disc(0, 81, 7, "#b98f57")
    for x in (38, 102):
        for s in (-1, 1):
            sheet.disc(s * x, 99 if x == 38 else 134, 2.6, "#b07f46")
    hem_y = hem[2]
    if cut == 3:
        sheet.both(
            (
                f"M{hem[0] - 4} {hem_y - 30} L{hem[1] + 4} {hem_y - 32} L{hem[1] + 4} {hem_y + 2} "
                f"L{hem[0] - 4} {hem_y + 6}Z"
            ),
            shade(sheet.main, 0.32),
            height=185,
        )
    else:
        path = f"M{hem[0]} {hem_y - 9} L{hem[1]} {hem_y - 12}"
        sheet.stitch(path, mirror(path), colour=thread)


def _trousers(sheet: Sheet) -> None:
    cut = sheet.choose(3)
    hem = ((34, 84, 566), (16, 116, 570), (40, 80, 540))[cut]
    _legs(sheet, 86, 112, 230, hem, (0, -6, 2)[cut])
    crease = f"M58 110 C62 260 {(hem[0] + hem[1]) / 2} 400 {(hem[0] + hem[1]) / 2} {hem[2]}"
    for path in (crease, mirror(crease)):
        sheet.line(path, 1.6, opacity=0.55)
        sheet.fold(path, width=6, depth=0.4)
    pleats = sheet.choose(2, 1)
    for x in (40, 56) if pleats else ():
        path = f"M{x} 94 L{x + 2} 158"
        sheet.seam(path, mirror(path))
    pocket = "M66 92 L100 158"
    sheet.seam(pocket, mirror(pocket))
    _fly(sheet, 230)
    band(sheet, 88, 64, 28, inset=-2, curve=3)
    _loops(sheet, 88, (0.5, 0.86), top=64)
    if sheet.choose(2, 2):
        sheet.part("M-20 70 L16 70 L16 88 L-20 88Z", height=190, rim=4)
        sheet.button(-10, 79, 4)
    else:
        sheet.button(0, 79, 5)
    if cut == 2:
        path = f"M{hem[0] - 3} {hem[2] - 24} L{hem[1] + 2} {hem[2] - 26}"
        sheet.seam(path, mirror(path))


def _shorts(sheet: Sheet) -> None:
    low = (330, 360, 300)[sheet.choose(3)]
    outer = (150, 158, 142)[sheet.choose(3, 1)]
    half = (
        f"M0 84 L106 82 C118 120 134 160 140 200 C146 250 {outer} {low - 40} {outer + 4} {low} C110 "
        f"{low + 12} 60 {low + 14} 16 {low + 10} "
        f"C14 {low - 30} 8 256 0 242"
    )
    sheet.part(symmetric(half))
    for s in (-1, 1):
        sheet.fold(f"M{s * 8} 244 C{s * 36} 248 {s * 70} 240 {s * 104} 212", width=13, depth=0.26)
        sheet.fold(f"M{s * 80} 230 C{s * 86} 270 {s * 84} 290 {s * 90} {low - 8}", width=18, depth=0.22)
        sheet.fold(f"M{s * 40} 262 C{s * 44} 290 {s * 42} 300 {s * 44} {low - 2}", width=13, depth=0.16)
    pocket = "M76 92 C84 120 100 146 128 160"
    sheet.seam(pocket, mirror(pocket))
    sheet.stitch("M72 92 C80 124 98 152 129 166", mirror("M72 92 C80 124 98 152 129 166"))
    if sheet.choose(2, 2):
        sheet.both(
            (
                f"M14 {low - 22} C60 {low - 12} 110 {low - 16} {outer - 1} {low - 24} L{outer + 6} "
                f"{low + 2} C110 {low + 15} 60 {low + 17} 14 {low + 13}Z"
            ),
            height=180,
        )
    else:
        hem = f"M16 {low - 6} C60 {low + 2} 110 {low - 2} {outer} {low - 14}"
        sheet.stitch(hem, mirror(hem))
    if sheet.choose(2, 3):
        band(sheet, 108, 62, 28, inset=-2, curve=4, ribs=40)
        for s in (-1, 1):
            sheet.disc(s * 12, 80, 3, "#cfccc4")
            sheet.line(
                f"M{s * 12} 80 C{s * 20} 120 {s * 14} 140 {s * 22} {170 + s * 10}",
                4,
                mix(sheet.accent, "#f4efe4", 0.5),
                opacity=1,
            )
        sheet.seam("M0 94 L0 242")
        return
    _fly(sheet, 242)
    band(sheet, 108, 62, 28, inset=-2, curve=4)
    _loops(sheet, 108, top=62)
    sheet.button(0, 79, 5.5)


def _leggings(sheet: Sheet) -> None:
    low = (566, 566, 480)[sheet.choose(3)]
    half = (
        "M0 66 C40 68 60 66 80 60 C84 100 98 150 98 200 C98 270 82 330 80 380 C79 "
        f"{380 + (low - 380) * 0.25:g} 64 {low - (low - 380) * 0.45:g} 58 {low} "
        f"C48 {low + 4} 36 {low + 4} 26 {low} C24 {low - 120} 10 300 0 224"
    )
    sheet.part(symmetric(half))
    for s in (-1, 1):
        sheet.fold(f"M{s * 58} 130 C{s * 66} 240 {s * 54} 340 {s * 44} {low - 40}", width=20, depth=0.28)
        for y in (234, 372, 392, low - 30):
            sheet.fold(f"M{s * 30} {y} Q{s * 50} {y + 10} {s * 74} {y - 4}", width=7, depth=0.16)
    side = f"M84 104 C92 200 82 290 70 372 C66 440 58 500 50 {low}"
    if sheet.choose(2, 1):
        panel = (
            f"M82 104 C96 160 98 190 98 200 C98 270 82 330 80 380 C79 {380 + (low - 380) * 0.25:g} 64 "
            f"{low - (low - 380) * 0.45:g} 58 {low} L48 "
            f"{low + 1} C54 470 66 400 66 372 C76 290 88 200 72 106Z"
        )
        sheet.both(panel, mix(sheet.main, sheet.accent, 0.75), height=158, rim=4)
    else:
        sheet.stitch(side, mirror(side))
    sheet.seam("M0 108 L0 224")
    sheet.part(symmetric("M0 62 C40 64 60 62 80 56 C82 74 84 88 87 104 C60 112 30 114 0 114"), height=172)
    sheet.stitch("M-86 99 C-50 110 50 110 86 99", "M-80 64 C-50 70 50 70 80 64")
    hem = f"M27 {low - 8} L58 {low - 8}"
    sheet.stitch(hem, mirror(hem))


def _mini_skirt(sheet: Sheet) -> None:
    low = (318, 344, 330)[sheet.choose(3)]
    flare = (146, 168, 152)[sheet.choose(3)]
    sheet.part(
        symmetric(
            f"M0 92 L100 88 C112 120 126 150 132 180 C138 220 {flare - 6} {low - 60} {flare} {low} C90 "
            f"{low + 16} 40 {low + 18} 0 {low + 18}"
        )
    )
    for x in (-96, -52, 50, 98):
        sheet.fold(f"M{x * 0.7} 180 C{x * 0.9} 230 {x} 270 {x * 1.1} {low}", width=17, depth=0.22)
    kind = sheet.choose(3, 1)
    if kind == 0:
        sheet.part(f"M-13 92 L13 92 L13 {low + 17} L-13 {low + 17}Z", height=170, rim=4)
        for place in range(5):
            sheet.button(0, 112 + place * (low - 130) / 4, 6.4)
    elif kind == 1:
        for s in (-1, 1):
            sheet.part(
                (
                    f"M{s * 34 - (0 if s > 0 else 58)} 150 L{s * 34 + (58 if s > 0 else 0)} 150 "
                    f"L{s * 34 + (58 if s > 0 else 0)} 200 L{s * 34 + 29 * s} 216 "
                    f"L{s * 34 - (0 if s > 0 else 58)} 200Z"
                ),
                height=172,
                rim=5,
            )
        _fly(sheet, 210)
    else:
        sheet.part(
            (
                f"M-96 92 L44 92 C52 180 60 260 70 {low + 17} C20 {low + 20} -60 {low + 20} -{flare - 14} "
                f"{low + 8} C-130 220 -118 150 -96 92Z"
            ),
            height=165,
        )
        for y in (120, 152):
            sheet.button(36, y, 6.4, GOLD)
    sheet.stitch(f"M-{flare - 3} {low - 10} C-60 {low + 8} 60 {low + 8} {flare - 3} {low - 10}")
    band(sheet, 102, 66, 28, inset=-2, curve=4)
    if kind != 2:
        sheet.button(0, 83, 5.5)


def _midi_skirt(sheet: Sheet) -> None:
    cut = sheet.choose(3)
    low, flare = ((520, 150), (530, 118), (500, 196))[cut]
    sheet.part(
        symmetric(
            f"M0 86 L80 82 C96 120 116 160 120 220 C124 300 {flare - 10} {low - 120} {flare} {low} C90 "
            f"{low + 16} 40 {low + 19} 0 {low + 19}"
        )
    )
    for x in (-104, -72, -36, 2, 40, 74, 108):
        lean = sheet.rng.uniform(-10, 10)
        sheet.fold(
            f"M{x * 0.6} {86 + abs(lean)} C{x * 0.8} 250 {x + lean} 370 {x * flare / 118} {low + 4}",
            width=15,
            depth=0.26,
        )
    if cut == 1:
        sheet.part(
            (
                f"M40 {low - 180} C52 {low - 90} 58 {low - 40} 62 {low + 13} L84 {low + 12} C76 {low - 60} "
                f"60 {low - 130} 40 {low - 180}Z"
            ),
            sheet.inside,
            height=90,
            rim=4,
        )
    if sheet.choose(2, 1):
        sheet.part(f"M-10 90 L10 90 L10 {low + 18} L-10 {low + 18}Z", height=168, rim=4)
        for place in range(8):
            sheet.button(0, 112 + place * (low - 140) / 7, 5.4)
    sheet.line(f"M-{flare - 3} {low - 8} C-60 {low + 9} 60 {low + 9} {flare - 3} {low - 8}", 1.1, opacity=0.5)
    if sheet.choose(2, 2):
        band(sheet, 82, 58, 28, inset=-2, curve=4, ribs=34)
    else:
        band(sheet, 82, 62, 24, inset=-2, curve=4)


def _pleated_skirt(sheet: Sheet) -> None:
    low = (360, 470, 420)[sheet.choose(3)]
    flare = (172, 178, 190)[sheet.choose(3)]
    number = (12, 18, 26)[sheet.choose(3, 1)]
    waist = 84
    for place in range(number):
        a, b = place / number * 2 - 1, (place + 1) / number * 2 - 1

        def edge(x: float) -> float:
            return low + 14 * (1 - x * x)

        step = 5 if place % 2 else -2
        path = (
            f"M{a * waist:.1f} 88 L{b * waist:.1f} 88 C{b * waist * 1.2:.1f} 150 {b * flare * 0.92:.1f} "
            f"{low - 130} {b * flare + 3:.1f} {edge(b) - 3:.1f} "
            f"L{a * flare:.1f} {edge(a) + step / 2:.1f} C{a * flare * 0.92:.1f} {low - 130} "
            f"{a * waist * 1.2:.1f} 150 {a * waist:.1f} 88Z"
        )
        sheet.part(path, sheet.cloth(-(a + b) * 9), height=150, rim=5)
        fold = (
            f"M{b * waist:.1f} 92 C{b * waist * 1.2:.1f} 150 {b * flare * 0.92:.1f} {low - 130} "
            f"{b * flare:.1f} {edge(b):.1f}"
        )
        sheet.groove(fold, 7, 0.55)
        sheet.line(fold, 1.3, opacity=0.5)
    band(sheet, waist + 1, 62, 30, inset=-1, curve=4)
    if sheet.choose(2, 2):
        sheet.button(-52, 79, 5, GOLD)
        sheet.button(-68, 78, 5, GOLD)


DRAWERS: dict[str, Callable[[Sheet], None]] = {
    "jeans": _jeans, "trousers": _trousers, "shorts": _shorts, "leggings": _leggings,
    "mini_skirt": _mini_skirt, "midi_skirt": _midi_skirt, "pleated_skirt": _pleated_skirt,
}  # fmt: skip
