"""One-piece garments: dress, maxi dress, qipao, jumpsuit."""

from __future__ import annotations

from collections.abc import Callable

from modaloom.samples.canvas import Sheet, along, ellipse, mirror, symmetric
from modaloom.samples.cloth import mix, shade
from modaloom.samples.pieces import (
    Arm,
    Torso,
    arms,
    buttons_down,
    cuffs,
    neck_band,
    patch_pocket,
    shirt_collar,
    sleeve_hem,
)


def _bodice(sheet: Sheet, t: Torso, waist: float, y: float) -> None:
    """The upper part, with the inner back, down to the waist at (waist, y)."""
    n, top = t.neck, t.top
    sheet.part(
        symmetric(
            f"M0 {top + 9} C{n * 0.5} {top + 9} {n * 0.85} {top + 4} {n} {top} L{n * 0.8} "
            f"{top + t.depth + 10} L0 {top + t.depth + 18}"
        ),
        sheet.inside,
        height=105,
        rim=2,
    )
    bend = (
        f"C{n * 0.42} {top + t.depth * 0.62} {n * 0.86} {top + t.depth * 0.22}"
        if t.pointed
        else f"C{n * 0.62} {top + t.depth} {n * 0.93} {top + t.depth * 0.55}"
    )
    half = (
        f"M0 {top + t.depth} {bend} {n} {top} L{t.shoulder[0]} {t.shoulder[1]} "
        f"C{t.shoulder[0] - 12} {t.shoulder[1] + 34} {t.under[0] - 9} {t.under[1] - 34} "
        f"{t.under[0]} {t.under[1]} "
        f"C{t.under[0] - 3} {t.under[1] + 40} {waist + 2} {y - 40} {waist} {y} L0 {y + 5}"
    )
    sheet.part(symmetric(half))
    for s in (-1, 1):
        sheet.fold(
            f"M{s * 44} {y - 4} C{s * 48} {y - 40} {s * 54} {y - 60} {s * 60} {t.under[1] + 4}", width=11, depth=0.2
        )


def _flare(
    sheet: Sheet, waist: float, y: float, flare: float, low: float, *, turn: float = 0, gathers: int = 8
) -> None:
    """A skirt from the waist down, with folds that open towards the hem."""
    drop = low - y
    edge = _side(waist, y, flare, low).removeprefix("M")
    half = f"M0 {y + 2} L{edge} C{flare * 0.6} {low + 17} {flare * 0.3} {low + 20} 0 {low + 20}"
    sheet.part(symmetric(half), turn=turn)
    for place in range(gathers):
        x = (place + 0.5) / gathers * 2 - 1 + sheet.rng.uniform(-0.05, 0.05)
        start = y + 8 + abs(sheet.rng.gauss(0, 1)) * 16
        sheet.fold(
            (
                f"M{x * waist:.0f} {start:.0f} C{x * waist * 1.25:.0f} {y + drop * 0.4:.0f} "
                f"{x * flare * 0.85:.0f} {low - drop * 0.3:.0f} {x * flare:.0f} {low + 8}"
            ),
            width=13,
            depth=0.27,
        )
    sheet.line(
        f"M{-flare + 3} {low - 8} C{-flare * 0.45} {low + 10} {flare * 0.45} {low + 10} {flare - 3} {low - 8}",
        1.1,
        opacity=0.55,
    )


def _side(waist: float, y: float, flare: float, low: float) -> str:
    """The right edge of a skirt, from the waist to the hem."""
    drop = low - y
    return (
        f"M{waist} {y - 3} C{waist + (flare - waist) * 0.42} {y + drop * 0.24} {flare - 10} "
        f"{low - drop * 0.35} {flare} {low}"
    )


def _belt_line(sheet: Sheet, waist: float, y: float, kind: int) -> None:
    if kind == 0:
        sheet.part(
            symmetric(f"M0 {y - 8} L{waist + 1} {y - 12} L{waist + 1} {y + 8} L0 {y + 13}"),
            mix(sheet.accent, sheet.main, 0.15),
            height=185,
            rim=4,
        )
        sheet.part(
            f"M-13 {y - 12} L13 {y - 12} L13 {y + 17} L-13 {y + 17}Z M-7 {y - 6} L7 {y - 6} L7 {y + 11} L-7 {y + 11}Z",
            "#c8a766",
            height=215,
            rim=2,
        )
    elif kind == 1:
        tie = f"M4 {y + 4} C22 {y + 40} 16 {y + 80} 34 {y + 128} L16 {y + 134} C4 {y + 90} 2 {y + 50} -6 {y + 10}Z"
        sheet.part(symmetric(f"M0 {y - 7} L{waist + 1} {y - 11} L{waist + 1} {y + 7} L0 {y + 12}"), height=180, rim=4)
        sheet.both(tie, sheet.cloth(12), height=180, rim=5)
        sheet.part(ellipse(0, y + 3, 10, 11), height=205)
    else:
        sheet.seam(f"M{-waist} {y - 3} C{-waist * 0.4} {y + 7} {waist * 0.4} {y + 7} {waist} {y - 3}")


def _dress(sheet: Sheet) -> None:
    kind = sheet.choose(4)
    low = (452, 476, 430, 500)[sheet.choose(4, 1)]
    flare = (150, 172, 134)[sheet.choose(3, 2)]
    t = Torso(
        neck=(48, 52, 58, 44)[kind],
        depth=(38, 76, 56, 30)[kind],
        pointed=kind == 1,
        top=90,
        shoulder=(104, 112),
        under=(98, 196),
    )
    sleeves = sheet.choose(4, 3)
    if kind == 2 or sleeves == 3:
        t = Torso(neck=48, depth=60, top=86, shoulder=(80, 94), under=(98, 196), pointed=kind == 1)
    else:
        ends = (((154, 196), 70, 8), ((168, 236), 72, 22), ((174, 372), 44, 5))[sleeves]
        arm = Arm(t.shoulder, t.under, ends[0], ends[1], puff=ends[2])
        arms(sheet, arm)
        if sleeves == 1:
            cuffs(sheet, arm, 14, taper=12, ribs=8)
        else:
            sleeve_hem(sheet, arm)
    _flare(sheet, 82, 268, flare, low)
    _bodice(sheet, t, 82, 268)
    _belt_line(sheet, 82, 268, sheet.choose(3, 4))
    if kind == 3:
        shirt_collar(sheet, t, drop=38)
        buttons_down(sheet, 0, 136, 250, 5, 4.4)
    else:
        neck_band(sheet, t, 7, fill=sheet.trim)
        if kind == 0 and sheet.choose(2, 5):
            buttons_down(sheet, 0, t.top + t.depth + 20, 244, 4, 4.4)


def _maxi_dress(sheet: Sheet) -> None:
    kind = sheet.choose(3)
    flare, waist = (158, 134, 176)[sheet.choose(3, 1)], 68
    if kind == 0:  # thin straps
        for s in (-1, 1):
            sheet.line(f"M{s * 40} 118 C{s * 42} 84 {s * 44} 70 {s * 46} 56", 6, sheet.trim, opacity=1)
            sheet.line(f"M{s * 40} 118 C{s * 42} 84 {s * 44} 70 {s * 46} 56", 6, sheet.ink, opacity=0.12)
        sheet.part(symmetric("M0 118 C30 116 60 128 76 150 L74 172 L0 180"), sheet.inside, height=100, rim=2)
        _flare(sheet, waist, 236, flare, 590, gathers=9)
        sheet.part(symmetric("M0 142 C14 124 28 112 42 104 C54 118 70 138 82 152 C80 190 72 210 68 238 L0 243"))
        sheet.seam("M0 144 L0 236")
    else:
        t = Torso(neck=46, depth=70 if kind == 1 else 40, pointed=kind == 1, top=64, shoulder=(92, 82), under=(86, 164))
        arm = (
            Arm(t.shoulder, t.under, (148, 186), 66, puff=14)
            if kind == 1
            else Arm(t.shoulder, t.under, (160, 330), 66, puff=12)
        )
        arms(sheet, arm)
        if kind == 2:
            cuffs(sheet, arm, 16, taper=15, ribs=8)
        _flare(sheet, waist, 236, flare, 590, gathers=9)
        _bodice(sheet, t, waist, 236)
        neck_band(sheet, t, 7, fill=sheet.trim)
    _belt_line(sheet, waist, 236, sheet.choose(3, 4))
    if sheet.choose(2, 5):
        x, y = along(_side(waist, 236, flare, 590), 0.62)
        tier = f"M{-x} {y} C{-x * 0.5} {y + 18} {x * 0.5} {y + 18} {x} {y}"
        sheet.seam(tier)
        sheet.ribs(
            tier, f"M{-x - 2} {y + 22} C{-x * 0.5} {y + 40} {x * 0.5} {y + 40} {x + 2} {y + 22}", 26, opacity=0.3
        )


def _qipao(sheet: Sheet) -> None:
    low = (560, 520, 484)[sheet.choose(3)]
    piping = sheet.accent if sheet.look.accent != sheet.look.colour else shade(sheet.main, -0.4)
    t = Torso(shoulder=(96, 106), under=(92, 188))
    sleeves = sheet.choose(3, 1)
    if sleeves < 2:
        arm = Arm(t.shoulder, t.under, ((140, 176), (158, 300))[sleeves], (62, 50)[sleeves])
        arms(sheet, arm)
        (ax, ay), (bx, by) = arm.corners(-3)
        edge = f"M{ax:.1f} {ay:.1f} L{bx:.1f} {by:.1f}"
        sheet.line(edge, 4.6, piping, opacity=1)
        sheet.line(mirror(edge), 4.6, piping, opacity=1)
    half = (
        "M0 92 L36 84 L96 106 C86 136 84 166 92 188 C90 222 75 240 75 276 C75 316 98 340 101 384 "
        f"C103 430 94 {low - 50} 86 {low} C60 {low + 7} 30 {low + 8} 0 {low + 8}"
    )
    sheet.part(symmetric(half))
    for s in (-1, 1):
        sheet.fold(f"M{s * 66} 190 C{s * 58} 220 {s * 46} 240 {s * 40} 282", width=12, depth=0.24)
        sheet.fold(f"M{s * 62} 300 C{s * 74} 350 {s * 70} 420 {s * 62} {low - 20}", width=20, depth=0.2)
        sheet.fold(f"M{s * 92} 372 Q{s * 50} 386 {s * 14} 376", width=9, depth=0.14)
    slit = f"M99 410 C100 {low - 90} 92 {low - 40} 86 {low}"
    for path in (slit, mirror(slit)):
        sheet.line(path, 3.6, piping, opacity=1)
        sheet.groove(path, 6, 0.4)
    sheet.line(f"M-86 {low - 1} C-40 {low + 8} 40 {low + 8} 86 {low - 1}", 4.6, piping, opacity=1)
    front = "M2 100 C22 126 52 146 66 150 C80 156 86 170 90 186"
    sheet.groove(front, 8, 0.5)
    sheet.line(front, 4.6, piping, opacity=1)
    collar = "M0 98 C16 96 30 90 36 84 L33 60 C22 66 10 72 3 74 L0 76"
    sheet.part(symmetric("M0 66 C14 66 26 62 33 58 L34 80 L0 90"), sheet.inside, height=100, rim=2)
    sheet.part(symmetric(collar), height=180, rim=5)
    for edge in ("M2 75 C12 72 24 66 33 60", "M1 99 C16 96 30 90 37 85", "M2 74 L1 98"):
        sheet.line(edge, 3.4, piping, opacity=1)
        sheet.line(mirror(edge), 3.4, piping, opacity=1)
    for x, y, turn in ((4, 94, 0), (30, 133, 1), (66, 151, 1), (88, 182, 1)):
        dx, dy = ((13, 0), (8, -10))[turn]
        sheet.line(f"M{x - dx} {y - dy} L{x + dx} {y + dy}", 3.6, piping, opacity=1)
        for s in (-1, 1):
            sheet.disc(x + s * dx, y + s * dy, 4, piping)
        sheet.disc(x, y, 4.6, shade(piping, 0.2))


def _jumpsuit(sheet: Sheet) -> None:
    kind = sheet.choose(3)
    wide = sheet.choose(2, 1)
    inner, outer, low = ((30, 82, 584), (14, 104, 586))[wide]
    half = (
        f"M0 250 L74 246 C84 276 98 300 100 330 C102 400 {outer - 4} 470 {outer} {low} "
        f"C{outer * 0.7 + inner * 0.3} {low + 5} {outer * 0.3 + inner * 0.7} {low + 6} {inner} "
        f"{low + 3} C{inner - 4} 480 8 410 0 352"
    )
    t = Torso(neck=44, depth=(30, 70, 44)[kind], pointed=kind == 1, top=66, shoulder=(98, 88), under=(92, 172))
    if kind == 2:
        t = Torso(neck=42, depth=52, top=62, shoulder=(72, 70), under=(88, 172))
    else:
        arm = (
            Arm(t.shoulder, t.under, (150, 178), 66) if sheet.choose(2, 2) else Arm(t.shoulder, t.under, (164, 338), 46)
        )
        arms(sheet, arm)
        sleeve_hem(sheet, arm, 12)
    sheet.part(symmetric(half))
    for s in (-1, 1):
        middle = (inner + outer) / 2
        sheet.fold(f"M{s * 8} 356 C{s * 34} 358 {s * 60} 350 {s * 84} 330", width=12, depth=0.24)
        sheet.fold(f"M{s * 56} 380 C{s * 60} 450 {s * middle} 500 {s * middle} {low - 16}", width=18, depth=0.24)
        sheet.fold(f"M{s * 40} 260 C{s * 46} 290 {s * 50} 300 {s * 56} 330", width=12, depth=0.2)
        sheet.seam(f"M{s * 60} 262 L{s * 90} 318")
    sheet.seam("M0 262 L0 352")
    _bodice(sheet, t, 74, 252)
    if kind == 0:
        sheet.part("M-9 96 L9 96 L9 252 L-9 252Z", height=165, rim=4)
        shirt_collar(sheet, t, drop=44)
        buttons_down(sheet, 0, 112, 234, 5, 4.6)
        patch_pocket(sheet, 24, 152, 44, 48, flap=16)
        patch_pocket(sheet, -68, 152, 44, 48, flap=16)
    else:
        neck_band(sheet, t, 8, fill=sheet.trim)
        if kind == 2:
            buttons_down(sheet, 0, 136, 228, 4, 5)
    _belt_line(sheet, 74, 252, (1, 0, 1)[sheet.choose(3, 4)])
    hem = f"M{inner} {low - 8} L{outer} {low - 10}"
    sheet.stitch(hem, mirror(hem))


DRAWERS: dict[str, Callable[[Sheet], None]] = {
    "dress": _dress, "maxi_dress": _maxi_dress, "qipao": _qipao, "jumpsuit": _jumpsuit,
}  # fmt: skip
