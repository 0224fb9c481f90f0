"""Outerwear: blazer, denim jacket, leather jacket, puffer jacket, trench coat, wool coat."""

from __future__ import annotations

from collections.abc import Callable

from modaloom.samples.canvas import DARK_METAL, GOLD, METAL, Sheet, mirror, symmetric
from modaloom.samples.cloth import mix, shade
from modaloom.samples.pieces import (
    Arm,
    Torso,
    arms,
    band,
    buttons_down,
    cuffs,
    folds,
    lapels,
    neck_band,
    patch_pocket,
    shirt_collar,
    torso,
)


def _lining(sheet: Sheet, top: float, low: float) -> None:
    """What is seen inside the neck of an open collar: lining and a label."""
    sheet.part(
        symmetric(f"M0 {top - 8} C26 {top - 8} 40 {top - 10} 50 {top - 14} L56 {top + 20} L6 {low} L0 {low}"),
        shade(sheet.inside, 0.06),
        height=90,
        rim=2,
    )
    sheet.part(
        f"M-15 {top + 12} L15 {top + 12} L15 {top + 24} L-15 {top + 24}Z",
        mix(sheet.accent, "#f2ead8", 0.7),
        height=120,
        rim=2,
    )


def _welt(sheet: Sheet, x: float, y: float, width: float, height: float, lean: float = 0) -> None:
    sheet.part(
        f"M{x} {y + lean} L{x + width} {y} L{x + width} {y + height} L{x} {y + height + lean}Z", height=178, rim=4
    )


def _front(sheet: Sheet, low: float, bottom: float, *, overlap: float = 0, round_: float = 0) -> None:
    """The edge where the front closes; rounded away below where ``round_`` is given."""
    edge = f"M{overlap} {low} L{overlap} {bottom - round_}"
    sheet.seam(edge)
    sheet.groove(edge, 7, 0.4)


def _blazer(sheet: Sheet) -> None:
    double = sheet.choose(3) == 2
    meet = (270, 300, 250)[sheet.choose(3, 1)]
    t = Torso(
        neck=42,
        depth=meet - 96,
        pointed=True,
        top=96,
        shoulder=(130, 122),
        under=(117, 232),
        waist=(106, 350),
        hem=(122, 510),
        curve=4,
    )
    arm = Arm(t.shoulder, t.under, (184, 478), 54)
    arms(sheet, arm)
    for place in range(3):
        (ox, oy), (ix, iy) = arm.corners(-16 - place * 11)
        for s in (-1, 1):
            sheet.button(s * (ix * 0.8 + ox * 0.2), iy * 0.8 + oy * 0.2, 3.6)
    _lining(sheet, t.top, meet)
    half = (
        f"M-0 {meet} C16 {meet - 70} 36 {t.top + 40} 42 {t.top - 4} L130 122 C118 156 108 196 117 "
        "232 C116 280 106 300 106 350 "
        "C106 410 120 450 122 508 L40 512 C18 512 6 492 0 440"
    )
    sheet.part(symmetric(half) if not double else symmetric(half.replace("L40 512 C18 512 6 492 0 440", "L0 513")))
    dart = "M62 232 C58 290 58 340 64 400"
    side = "M112 240 C98 300 92 370 98 506"
    sheet.seam(dart, mirror(dart), side, mirror(side))
    folds(sheet, t, soft=True)
    lapels(sheet, t, meet, width=46 if not double else 54, notch=0.44, peak=16 if double else 0)
    _front(sheet, meet, 512 if double else 452, overlap=22 if double else 0)
    for x in (-94, 34):
        sheet.part(
            f"M{x} 404 L{x + 60} {400 if x > 0 else 408} L{x + 60} {420 if x > 0 else 428} L{x} 424Z", height=185, rim=5
        )
    _welt(sheet, 54, 226, 36, 11, 4)
    colour = mix(sheet.accent, "#2f2a26", 0.45) if sheet.choose(2, 3) else GOLD
    if double:
        for y in (meet + 20, meet + 66):
            for x in (-26, 26):
                sheet.button(x, y, 7, colour)
    else:
        buttons_down(sheet, 2, meet + 8, meet + 62, 2, 7, colour)


def _denim_jacket(sheet: Sheet) -> None:
    thread = mix("#d8a457", sheet.main, 0.15)
    crop = sheet.choose(2) * 24
    t = Torso(
        neck=46,
        depth=26,
        top=98,
        shoulder=(130, 124),
        under=(121, 236),
        waist=(116, 350),
        hem=(112, 458 + crop),
        curve=0,
    )
    arm = Arm(t.shoulder, t.under, (198, 440), 58)
    arms(sheet, arm)
    cuffs(sheet, arm, 28, taper=2, button=True)
    torso(sheet, t)
    folds(sheet, t)
    sheet.seam("M9 206 L112 198", mirror("M9 206 L112 198"))
    for gap in (4, 8):
        path = f"M9 {206 + gap} L114 {198 + gap}"
        sheet.stitch(path, mirror(path), colour=thread)
    for x0, x1 in ((38, 24), (84, 62)):
        for gap in (0, 4):
            path = f"M{x0 + gap} 214 L{x1 + gap} {452 + crop}"
            sheet.stitch(path, mirror(path), colour=thread)
        seam = f"M{x0 + 2} 212 L{x1 + 2} {454 + crop}"
        sheet.groove(seam, 4, 0.4)
        sheet.groove(mirror(seam), 4, 0.4)
    for s in (-1, 1):
        x = s * 63 - 29
        sheet.part(f"M{x} 206 L{x + 58} 206 L{x + 58} 222 L{x + 29} 236 L{x} 222Z", height=192, rim=5)
        sheet.stitch(f"M{x + 4} 219 L{x + 29} 231 L{x + 54} 219", colour=thread)
        sheet.disc(x + 29, 224, 4.4, "#b98f57")
    sheet.part(f"M-11 122 L11 122 L11 {460 + crop} L-11 {460 + crop}Z", height=172, rim=4)
    for x in (-8, 8):
        sheet.stitch(f"M{x} 128 L{x} {456 + crop}", colour=thread)
    band(sheet, 112, 454 + crop, 30, inset=2, curve=2)
    sheet.stitch(f"M-108 {459 + crop} L108 {459 + crop}", f"M-107 {481 + crop} L107 {481 + crop}", colour=thread)
    for place in range(5):
        sheet.disc(0, 148 + place * (72 + crop / 5), 5.4, "#b98f57")
    sheet.disc(0, 470 + crop, 5.4, "#b98f57")
    shearling = sheet.choose(3, 1) == 2
    shirt_collar(sheet, t, drop=52, fill=mix("#efe4cf", sheet.accent, 0.15) if shearling else None, spread=6)


def _leather_jacket(sheet: Sheet) -> None:
    biker = sheet.choose(3) < 2
    t = Torso(
        neck=44, depth=30, top=98, shoulder=(130, 124), under=(120, 234), waist=(112, 350), hem=(110, 466), curve=0
    )
    arm = Arm(t.shoulder, t.under, (198, 466), 52)
    arms(sheet, arm)
    (x0, y0), (x1, y1) = arm.corners(-6)[0], arm.corners(-64)[0]
    for s in (-1, 1):
        sheet.line(f"M{s * (x0 - 12)} {y0} L{s * (x1 - 12)} {y1}", 4, METAL, opacity=1, dash="1.6 2")
    torso(sheet, t)
    folds(sheet, t)
    yoke = "M30 190 C60 196 96 192 114 186"
    sheet.seam(yoke, mirror(yoke))
    side = "M96 240 C84 320 80 400 84 464"
    sheet.seam(side, mirror(side))
    band(sheet, 110, 462, 28, inset=2, curve=2)
    if not biker:
        band(sheet, 110, 462, 30, inset=6, curve=2, ribs=30, fill=sheet.trim)
        sheet.zipper("M0 132 L0 490", slider=(0, 140))
        neck_band(sheet, t, 17, fill=sheet.trim, ribs=14)
        for s in (-1, 1):
            sheet.zipper(f"M{s * 50} 404 L{s * 82} 344", slider=(s * 82, 344))
        return
    sheet.part("M-8 150 L46 150 L64 200 L22 488 L-8 488Z", height=172, rim=5)
    sheet.zipper("M46 214 L16 486", slider=(40, 262))
    for x, y, dx in ((-96, 388, 46), (58, 388, 38), (-92, 262, 44)):
        sheet.zipper(f"M{x} {y} L{x + dx} {y - 26 if x < 0 else y - 14}", slider=(x, y - 2))
    sheet.part("M-112 468 L34 472 L34 488 L-112 484Z", height=185, rim=4)
    sheet.part("M22 466 L44 466 L44 494 L22 494Z M27 472 L39 472 L39 488 L27 488Z", METAL, height=220, rim=2)
    leaf = "M0 196 L46 236 L96 176 L74 150 L62 112 L40 82 C34 112 18 146 0 168Z"
    sheet.both(leaf, turn=18, height=186)
    sheet.part(symmetric("M0 84 C20 84 34 80 42 74 L52 96 C36 110 18 112 0 112"), height=150, rim=4)
    upper = "M38 74 C50 80 66 96 72 116 L88 138 L58 152 C48 140 42 110 38 74Z"
    sheet.both(upper, turn=30, height=200)
    for x, y in ((62, 208), (84, 176), (76, 140)):
        sheet.disc(x, y, 3.4, METAL)
        sheet.disc(-x, y, 3.4, METAL)
    for s in (-1, 1):
        sheet.part(f"M{s * 78} 112 L{s * 128} 126 L{s * 126} 142 L{s * 82} 128Z", height=190, rim=4)
        sheet.disc(s * 88, 123, 3, METAL)


def _puffer_jacket(sheet: Sheet) -> None:
    hooded, long = sheet.choose(2), sheet.choose(3, 1) == 0
    hem = 540 if long else 480
    arm = Arm((136, 140), (124, 250), (206, 462), 66, puff=8)
    arms(sheet, arm, creases=False)
    _quilt_sleeves(sheet, arm)
    cuffs(sheet, arm, 15, taper=8, fill=shade(sheet.main, -0.25))
    if hooded:
        _down_hood(sheet)
    half = (
        "M0 146 C26 146 44 140 54 128 L136 140 C128 176 118 214 124 250 C128 300 124 340 128 380 "
        f"C132 420 126 {hem - 50} 128 {hem} C80 {hem + 7} 40 {hem + 7} 0 {hem + 7}"
    )
    sheet.part(symmetric(half), height=150, rim=12)
    _quilt_body(sheet, hem, 8 if long else 7)
    sheet.part(
        symmetric(
            "M0 150 C30 148 48 138 56 124 C62 112 62 98 58 90 C40 104 18 108 0 108"
            if not hooded
            else "M0 158 C34 156 58 140 64 118 C70 130 70 146 60 156 C40 172 18 176 0 176"
        ),
        height=190,
        rim=10,
    )
    sheet.zipper(
        f"M0 {110 if not hooded else 162} L0 {hem + 5}", colour=DARK_METAL, slider=(0, 118 if not hooded else 170)
    )
    for s in (-1, 1):
        sheet.zipper(f"M{s * 66} 402 L{s * 84} 346", colour=DARK_METAL)
    if sheet.choose(2, 4):
        sheet.part("M44 214 L84 214 L84 232 L44 232Z", sheet.accent, height=200, rim=3)


def _quilt_sleeves(sheet: Sheet, arm: Arm) -> None:
    for place in range(1, 7):
        share = place / 7
        cx, cy = 130 + (206 - 130) * share, 195 + (462 - 195) * share
        wide = 42 + (28 - 42) * share
        (dx, dy) = arm.along
        path = (
            f"M{cx + dy * wide:.1f} {cy - dx * wide:.1f} Q{cx + dx * 9:.1f} {cy + dy * 9:.1f} "
            f"{cx - dy * wide:.1f} {cy + dx * wide:.1f}"
        )
        for each in (path, mirror(path)):
            sheet.line(each, 1.8, opacity=0.6)
            sheet.groove(each, 10, 0.75)


def _down_hood(sheet: Sheet) -> None:
    sheet.part(symmetric("M0 44 C44 42 76 64 82 104 C86 132 78 150 60 160 L0 172"), height=160, rim=10)
    sheet.part(symmetric("M0 76 C30 74 50 88 54 112 C56 136 30 158 0 168"), sheet.inside, height=90, rim=3)
    for path in ("M30 50 C36 60 40 74 40 82", "M62 66 C66 80 66 96 62 110"):
        sheet.groove(path, 8, 0.5)
        sheet.groove(mirror(path), 8, 0.5)


def _quilt_body(sheet: Sheet, hem: float, rows: int) -> None:
    for place in range(1, rows):
        y = 160 + (hem - 160) * place / rows
        wide = 128 if y > 230 else 126
        path = (
            f"M{-wide} {y - 3:.0f} C-80 {y + 8:.0f} -30 {y + 4:.0f} 0 {y + 3:.0f} C30 {y + 4:.0f} 80 "
            f"{y + 8:.0f} {wide} {y - 3:.0f}"
        )
        sheet.line(path, 1.8, opacity=0.6)
        sheet.groove(path, 13, 0.85)
        for x in range(-116, 120, 26):
            puff = x + sheet.rng.uniform(-8, 8)
            sheet.fold(
                f"M{puff:.0f} {y + 6:.0f} L{puff + sheet.rng.uniform(-5, 5):.0f} {y + 17:.0f}", width=5, depth=0.28
            )


def _coat(sheet: Sheet, t: Torso, arm: Arm, hem: float, meet: float) -> None:
    """A long coat's arms, lining and front."""
    arms(sheet, arm)
    _lining(sheet, t.top, meet)
    half = (
        f"M0 {meet} C16 {meet - 60} 36 {t.top + 40} {t.neck} {t.top - 4} L{t.shoulder[0]} "
        f"{t.shoulder[1]} C{t.shoulder[0] - 10} 150 {t.under[0] - 10} 170 {t.under[0]} {t.under[1]} "
        f"C{t.under[0]} 260 {t.waist[0]} 280 {t.waist[0]} {t.waist[1]} C{t.waist[0]} 380 "
        f"{t.hem[0] - 4} {hem - 90} {t.hem[0]} {hem} L0 {hem + 5}"
    )
    sheet.part(symmetric(half))
    for s in (-1, 1):
        sheet.fold(f"M{s * 90} 350 C{s * 94} 420 {s * 96} 480 {s * 100} {hem - 8}", width=18, depth=0.2)
        sheet.fold(f"M{s * 50} 380 C{s * 52} 440 {s * 52} 500 {s * 60} {hem - 6}", width=16, depth=0.16)
        sheet.fold(f"M{s * 104} 208 C{s * 80} 226 {s * 62} 236 {s * 44} 260", width=12, depth=0.2)


def _trench_coat(sheet: Sheet) -> None:
    t = Torso(neck=40, top=84, shoulder=(116, 108), under=(106, 204), waist=(90, 318), hem=(140, 626))
    arm = Arm(t.shoulder, t.under, (168, 424), 48)
    hem = 626 if sheet.choose(3) else 570
    _coat(sheet, t, arm, hem, 240)
    strap = arm.corners(-34)
    for s in (-1, 1):
        (ox, oy), (ix, iy) = strap
        sheet.part(
            f"M{s * (ox + 2)} {oy} L{s * (ix - 2)} {iy} L{s * (ix - 1)} {iy + 12} L{s * (ox + 3)} {oy + 12}Z",
            height=195,
            rim=4,
        )
        sheet.button(s * (ix * 0.7 + ox * 0.3), (iy * 0.7 + oy * 0.3) + 6, 3.6)
        sheet.part(f"M{s * 62} 92 L{s * 114} 107 L{s * 112} 121 L{s * 64} 108Z", height=190, rim=4)
        sheet.button(s * 72, 102, 3.4)
    flap = "M8 222 L26 204 L104 172 C108 190 106 210 104 218 C80 240 50 250 20 246Z"
    sheet.part(flap, height=178, rim=5)
    sheet.stitch("M22 242 C52 246 80 236 101 215")
    edge = f"M24 250 L24 {hem + 2}"
    sheet.seam(edge)
    sheet.stitch(f"M18 344 L18 {hem}")
    lapels(sheet, t, 244, width=50, notch=0.52)
    for y in (226, 282, 372, 428):
        for x in (-34, 36):
            sheet.button(x, y, 6.4, mix(sheet.ink, "#5a4632", 0.5))
    for s in (-1, 1):
        _welt(sheet, s * 78 - 8, 372, 17, 62, s * 6)
    sheet.part("M-93 306 L93 306 L94 330 L-94 330Z", height=195, rim=5)
    sheet.stitch("M-92 311 L92 311", "M-93 325 L93 325", width=1)
    for x in (-72, 64):
        sheet.part(f"M{x} 301 L{x + 8} 301 L{x + 8} 335 L{x} 335Z", height=215, rim=3)
    sheet.part("M4 326 C16 352 12 390 24 420 L6 426 C0 392 -8 356 -10 328Z", turn=8, height=200, rim=5)
    sheet.part(
        "M-18 301 L16 301 L16 335 L-18 335Z M-10 308 L8 308 L8 328 L-10 328Z",
        mix("#4a3526", sheet.main, 0.2),
        height=225,
        rim=3,
    )


def _wool_coat(sheet: Sheet) -> None:
    double = sheet.choose(2)
    long = sheet.choose(3, 1)
    hem = (624, 580, 536)[long]
    t = Torso(neck=42, top=84, shoulder=(122, 110), under=(112, 212), waist=(108, 330), hem=(126, hem))
    arm = Arm(t.shoulder, t.under, (172, 442), 54)
    meet = (262, 230)[sheet.choose(2, 2)]
    _coat(sheet, t, arm, hem, meet)
    seam = f"M104 216 C94 300 92 420 102 {hem - 2}"
    sheet.seam(seam, mirror(seam))
    _front(sheet, meet, hem + 4, overlap=26 if double else 8)
    lapels(sheet, t, meet + 4, width=58, notch=0.46, peak=12 if double else 0)
    colour = mix(sheet.ink, "#3b2b22", 0.5)
    if double:
        for y in (meet + 34, meet + 92):
            for x in (-36, 34):
                sheet.button(x, y, 8.5, colour)
    else:
        buttons_down(sheet, 0, meet + 14, meet + 144, 3, 8.5, colour)
    for s in (-1, 1):
        if sheet.choose(2, 4):
            x = s * 66 - 32
            sheet.part(f"M{x} 392 L{x + 64} 392 L{x + 64} 416 L{x} 416Z", height=188, rim=5)
        else:
            patch_pocket(sheet, s * 66 - 33, 382, 66, 76, point=0)


DRAWERS: dict[str, Callable[[Sheet], None]] = {
    "blazer": _blazer, "denim_jacket": _denim_jacket, "leather_jacket": _leather_jacket,
    "puffer_jacket": _puffer_jacket, "trench_coat": _trench_coat, "wool_coat": _wool_coat,
}  # fmt: skip
