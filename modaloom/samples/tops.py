"""Tops: t-shirt, shirt, blouse, polo shirt, tank top, sweater, turtleneck, cardigan, hoodie."""

from __future__ import annotations

from collections.abc import Callable

from modaloom.samples.canvas import Sheet, ellipse, mirror, symmetric
from modaloom.samples.cloth import mix, shade
from modaloom.samples.pieces import (
    Arm,
    Torso,
    arms,
    band,
    buttons_down,
    cuffs,
    folds,
    neck_band,
    patch_pocket,
    placket,
    shirt_collar,
    sleeve_hem,
    torso,
)


def _t_shirt(sheet: Sheet) -> None:
    pointed = sheet.choose(4) == 3
    cropped, loose = sheet.choose(3, 1) == 2, sheet.choose(2, 2)
    depth = (40, 52, 46, 74)[sheet.choose(4)]
    wide = 12 if loose else 0
    t = Torso(
        neck=50 + (depth - 40) * 0.2, depth=depth, pointed=pointed, shoulder=(126 + wide, 113), under=(118 + wide, 222),
        waist=(116 + wide, 350), hem=(121 + wide, 468 if cropped else 536),
    )  # fmt: skip
    arm = Arm(t.shoulder, t.under, (192 + wide, 232) if loose else (184, 208), 92 if loose else 80)
    arms(sheet, arm)
    sleeve_hem(sheet, arm)
    torso(sheet, t)
    folds(sheet, t)
    trim = mix(sheet.accent, sheet.main, 0.2) if sheet.choose(3, 3) == 0 else None
    neck_band(sheet, t, 11, fill=trim, ribs=16 if trim is None else 0)
    sheet.stitch(
        f"M{-t.hem[0] + 2} {t.hem[1] - 10} C-60 {t.hem[1] - 4} 60 {t.hem[1] - 4} {t.hem[0] - 2} {t.hem[1] - 10}"
    )
    if sheet.choose(3, 4) == 0:
        patch_pocket(sheet, 30, 196, 52, 60)


def _shirt(sheet: Sheet) -> None:
    short = sheet.choose(3) == 0
    t = Torso(
        neck=44, depth=30, top=92, shoulder=(128, 116), under=(118, 220), waist=(112, 370), hem=(116, 528), curve=30
    )
    arm = Arm(t.shoulder, t.under, (190, 226), 78) if short else Arm(t.shoulder, t.under, (196, 448), 52)
    arms(sheet, arm)
    if short:
        sleeve_hem(sheet, arm, 12)
    else:
        cuffs(sheet, arm, 32, button=True, taper=2)
    sheet.part(
        symmetric(f"M0 {t.top - 4} L{t.neck} {t.top - 8} L{t.neck} {t.top + 14} L0 {t.top + t.depth + 14}"),
        sheet.inside,
        height=100,
        rim=2,
    )
    torso(sheet, t, back=False)
    folds(sheet, t)
    yoke = f"M{t.neck + 12} {t.top + 22} L{t.shoulder[0] - 4} {t.shoulder[1] + 14}"
    sheet.seam(yoke, mirror(yoke))
    placket(sheet, t.top + t.depth, t.hem[1] + t.curve - 1, buttons=7, start=16)
    shirt_collar(sheet, t)
    sheet.button(0, t.top + t.depth + 3, 4.5)
    pockets = sheet.choose(3, 1)
    if pockets:
        patch_pocket(sheet, 32, 196, 50, 58, flap=20 if pockets == 2 else 0)
    if pockets == 2:
        patch_pocket(sheet, -82, 196, 50, 58, flap=20)


def _blouse(sheet: Sheet) -> None:
    kind = sheet.choose(3)
    t = Torso(
        neck=44 if kind != 1 else 56, depth=(34, 84, 28)[kind], pointed=kind == 1, top=92,
        shoulder=(112, 116), under=(108, 212), waist=(102, 360), hem=(128, 508), curve=12,
    )  # fmt: skip
    puff = (
        Arm((112, 112), t.under, (194, 400), 70, puff=17)
        if sheet.choose(2, 1)
        else Arm((112, 112), t.under, (196, 272), 84, puff=20)
    )
    arms(sheet, puff)
    cuffs(sheet, puff, 22, taper=16, ribs=7, fill=sheet.cloth(puff.turn))
    torso(sheet, t)
    for x in (-70, -38, -8, 26, 58, 84):
        sheet.fold(f"M{x * 0.8} 250 C{x} 330 {x * 1.1} 420 {x * 1.2} 505", width=13, depth=0.22)
    for side in (-1, 1):
        for step in range(4):
            sheet.line(
                f"M{side * (70 + step * 9)} {106 + step * 3} L{side * (68 + step * 9)} {132 + step * 3}",
                1.2,
                opacity=0.5,
            )
    if kind == 1:
        neck_band(sheet, t, 9, fill=sheet.trim)
        buttons_down(sheet, 0, 196, 330, 4, 4.5)
        return
    neck_band(sheet, t, 12, fill=sheet.cloth())
    sheet.line(f"M0 {t.top + t.depth + 12} L0 {t.top + t.depth + 120}", 1.4)
    if kind == 0:
        _bow(sheet, t.top + t.depth + 8)
    else:
        for side in (-1, 1):
            ruffle = (
                f"M{side * 4} 138 C{side * 40} 150 {side * 20} 178 {side * 34} 200 C{side * 16} 214 "
                f"{side * 44} 244 {side * 26} 268 C{side * 12} 280 {side * 20} 300 {side * 4} 318Z"
            )
            sheet.part(ruffle, sheet.cloth(side * 20), height=185)
        buttons_down(sheet, 0, 146, 310, 6, 4)


def _bow(sheet: Sheet, y: float) -> None:
    tail = f"M2 {y} C22 {y + 30} 26 {y + 78} 40 {y + 138} L14 {y + 146} C12 {y + 90} 2 {y + 50} -4 {y + 6}Z"
    sheet.both(tail, sheet.cloth(14), height=175)
    loop = f"M2 {y} C30 {y - 30} 66 {y - 26} 70 {y - 4} C72 {y + 20} 32 {y + 24} 2 {y + 6}Z"
    sheet.both(loop, sheet.cloth(-30), height=190)
    for side in (1, -1):
        sheet.groove(f"M{side * 10} {y} L{side * 44} {y - 6}", 5, 0.6)
    sheet.part(ellipse(0, y + 2, 11, 13), sheet.cloth(), height=215)


def _polo_shirt(sheet: Sheet) -> None:
    loose = sheet.choose(2) * 8
    t = Torso(
        neck=44,
        depth=34,
        top=92,
        shoulder=(126 + loose, 116),
        under=(117 + loose, 220),
        waist=(113 + loose, 360),
        hem=(119 + loose, 534),
    )
    arm = Arm(t.shoulder, t.under, (188 + loose, 218), 78)
    arms(sheet, arm)
    tipped = sheet.choose(2, 1)
    cuffs(sheet, arm, 13, taper=2, ribs=18, fill=sheet.trim)
    sheet.part(
        symmetric(f"M0 {t.top - 4} L{t.neck} {t.top - 8} L{t.neck} {t.top + 14} L0 {t.top + t.depth + 14}"),
        sheet.inside,
        height=100,
        rim=2,
    )
    torso(sheet, t, back=False)
    folds(sheet, t)
    placket(sheet, t.top + t.depth, 226, half=11, buttons=3, start=22, fill=sheet.cloth())
    shirt_collar(sheet, t, drop=42, fill=sheet.trim, spread=6)
    if tipped:
        low = t.top + t.depth
        edge = (
            f"M12 {low + 8} L{t.neck - 6} {low + 26} C{t.neck + 8} {low + 14} {t.neck + 14} "
            f"{t.top + 34} {t.neck + 13} {t.top + 16}"
        )
        sheet.line(edge, 3.4, sheet.accent, opacity=1)
        sheet.line(mirror(edge), 3.4, sheet.accent, opacity=1)
    sheet.stitch(
        f"M{-t.hem[0] + 2} {t.hem[1] - 10} C-60 {t.hem[1] - 4} 60 {t.hem[1] - 4} {t.hem[0] - 2} {t.hem[1] - 10}"
    )
    sheet.shape(ellipse(66, 206, 7, 8), sheet.accent, 0.9)
    sheet.shape(ellipse(66, 204, 3, 3.6), sheet.main)


def _tank_top(sheet: Sheet) -> None:
    straps = sheet.choose(3)
    inner, outer = ((44, 76), (58, 72), (34, 84))[straps]
    deep = (96, 112, 70)[straps]
    hem = 500 if sheet.choose(3, 1) else 430
    flare = (104, 118)[sheet.choose(2, 2)]
    back = (
        f"M0 {86 + deep * 0.62} C{inner * 0.6} {86 + deep * 0.62} {inner} 110 {inner} 80 L{outer} "
        f"80 C{outer} 150 {outer + 6} 176 106 222 L0 240"
    )
    sheet.part(symmetric(back), sheet.inside, height=115, rim=3)
    half = (
        f"M0 {86 + deep} C{inner * 0.7} {86 + deep} {inner} {86 + deep * 0.4} {inner} 76 L{outer} "
        f"76 C{outer - 2} 150 {outer + 2} 200 108 226 "
        f"C104 290 {flare - 16} {hem - 130} {flare} {hem} C70 {hem + 9} 30 {hem + 9} 0 {hem + 9}"
    )
    sheet.part(symmetric(half))
    t = Torso(under=(106, 226), hem=(flare, hem))
    folds(sheet, t)
    neck = f"M0 {86 + deep + 8} C{(inner + 8) * 0.7} {86 + deep + 8} {inner + 8} {86 + deep * 0.4} {inner + 7} 78"
    side = f"M{outer - 7} 78 C{outer - 9} 150 {outer - 6} 204 104 234"
    for path in (neck, side):
        sheet.seam(path, mirror(path))
    sheet.stitch(f"M{-flare + 2} {hem - 10} C-60 {hem - 2} 60 {hem - 2} {flare - 2} {hem - 10}")
    if sheet.look.print_name == "solid" and sheet.choose(2, 3):
        sheet.ribs("M-98 250 L98 250", f"M{-flare + 4} {hem - 14} L{flare - 4} {hem - 14}", 34, opacity=0.22)


def _knit_body(sheet: Sheet, t: Torso, arm: Arm) -> None:
    arms(sheet, arm)
    cuffs(sheet, arm, 34, taper=7, ribs=9, fill=sheet.trim)
    torso(sheet, t)
    folds(sheet, t, soft=True)
    if sheet.look.print_name == "solid" and sheet.choose(2, 5):
        _cables(sheet, t)
    band(sheet, t.hem[0] - 1, t.hem[1] - 4, 34, inset=12, ribs=34, fill=sheet.trim)


def _cables(sheet: Sheet, t: Torso) -> None:
    """Twisted columns and diamonds down the front of a plain sweater."""
    top, bottom = t.top + t.depth + 22, t.hem[1] - 14
    step = 34
    for x in (-62, 0, 62):
        start = top if x == 0 else top - 10
        y = start
        while y + step < bottom:
            for way in (1, -1):
                twist = (
                    f"M{x - 11 * way} {y} C{x - 11 * way} {y + 14} {x + 11 * way} {y + 20} {x + 11 * way} {y + step}"
                )
                sheet.line(twist, 2.2, opacity=0.32)
                sheet.fold(twist, width=9, depth=0.5)
            y += step
        for edge in (-19, 19):
            sheet.line(f"M{x + edge} {start - 2} L{x + edge} {bottom}", 1.6, opacity=0.3)
            sheet.groove(f"M{x + edge} {start - 2} L{x + edge} {bottom}", 4, 0.5)


def _sweater(sheet: Sheet) -> None:
    pointed = sheet.choose(3) == 2
    wide = sheet.choose(2, 1) * 8
    t = Torso(
        neck=52, depth=72 if pointed else 40, pointed=pointed, top=90, shoulder=(130 + wide, 118),
        under=(122 + wide, 232), waist=(122 + wide, 360), hem=(124 + wide, 488),
    )  # fmt: skip
    _knit_body(sheet, t, Arm(t.shoulder, t.under, (200 + wide, 446), 56, puff=3 + wide / 2))
    neck_band(sheet, t, 15, ribs=16)


def _turtleneck(sheet: Sheet) -> None:
    slim = sheet.choose(2) * 10
    t = Torso(
        neck=42,
        depth=16,
        top=118,
        shoulder=(126 - slim, 140),
        under=(118 - slim, 246),
        waist=(112 - slim, 370),
        hem=(116 - slim, 500),
    )
    _knit_body(sheet, t, Arm(t.shoulder, t.under, (190 - slim, 462), 52))
    high = (52, 40)[sheet.choose(2, 1)]
    tube = (
        f"M0 {130 - high - 6} C20 {130 - high - 6} 36 {130 - high - 8} 40 {130 - high - 12} C38 "
        f"{100} 42 112 49 121 C34 138 16 142 0 142"
    )
    sheet.part(symmetric(tube), sheet.trim, height=170)
    sheet.ribs(
        f"M-40 {124 - high} C-20 {130 - high} 20 {130 - high} 40 {124 - high}", "M-48 122 C-30 145 30 145 48 122", 16
    )
    if high > 45:
        roll = (
            f"M0 {122 - high} C18 {122 - high} 34 {120 - high} 42 {116 - high} C46 {124 - high} 47 "
            f"{140 - high} 45 {152 - high} C30 {160 - high} 14 {161 - high} 0 {161 - high}"
        )
        sheet.part(symmetric(roll), sheet.trim, height=200)
        sheet.ribs(
            f"M-42 {117 - high} C-20 {124 - high} 20 {124 - high} 42 {117 - high}",
            f"M-45 {152 - high} C-20 {164 - high} 20 {164 - high} 45 {152 - high}",
            16,
        )


def _cardigan(sheet: Sheet) -> None:
    long = sheet.choose(3) == 0
    deep, hem = (150, 118, 60)[sheet.choose(3, 1)], 540 if long else 490
    t = Torso(
        neck=46,
        depth=deep,
        pointed=deep > 80,
        top=90,
        shoulder=(126, 118),
        under=(119, 230),
        waist=(118, 360),
        hem=(122, hem),
    )
    arm = Arm(t.shoulder, t.under, (198, 446), 54, puff=3)
    arms(sheet, arm)
    cuffs(sheet, arm, 32, taper=6, ribs=9, fill=sheet.trim)
    torso(sheet, t)
    folds(sheet, t, soft=True)
    band(sheet, t.hem[0] - 1, hem - 4, 30, inset=10, ribs=34, fill=sheet.trim)
    neck_band(sheet, t, 17, ribs=24 if deep > 80 else 16)
    low = t.top + deep + (14 if deep > 80 else 10)
    sheet.part(f"M-13 {low} L13 {low} L13 {hem + 33} L-13 {hem + 33}Z", sheet.trim, height=175, rim=4)
    for y in range(int(low) + 8, hem + 28, 7):
        sheet.line(f"M-11 {y} L11 {y}", 1.2, opacity=0.3)
    buttons_down(sheet, 0, low + 18, hem + 14, 5 if deep > 80 else 7, 7.2, mix(sheet.accent, "#e4d8c2", 0.3))
    if sheet.choose(2, 2):
        for x in (-96, 36):
            sheet.part(f"M{x} 396 L{x + 60} 396 L{x + 60} 462 L{x} 462Z", height=165, rim=4)
            sheet.part(f"M{x - 1} 390 L{x + 61} 390 L{x + 61} 408 L{x - 1} 408Z", sheet.trim, height=178, rim=3)
            sheet.ribs(f"M{x} 391 L{x + 60} 391", f"M{x} 407 L{x + 60} 407", 12)


def _hoodie(sheet: Sheet) -> None:
    t = Torso(neck=50, depth=34, top=128, shoulder=(132, 152), under=(126, 262), waist=(124, 380), hem=(126, 514))
    arm = Arm(t.shoulder, t.under, (204, 474), 58, puff=4)
    arms(sheet, arm)
    cuffs(sheet, arm, 34, taper=8, ribs=10, fill=sheet.trim)
    hood = "M0 64 C34 62 66 76 78 104 C86 124 84 144 74 160 L0 176"
    sheet.part(symmetric(hood), turn=0, height=140)
    torso(sheet, t, back=False)
    folds(sheet, t)
    zipped = sheet.choose(2)
    inner = "M0 92 C26 90 48 100 54 122 C56 140 30 172 0 186"
    sheet.part(symmetric(inner), sheet.inside, height=90, rim=3)
    sheet.line("M0 93 L0 176", 1.3, shade(sheet.inside, -0.3))
    wrap = "M-4 192 C22 182 52 152 55 122 C53 104 44 94 32 90 C62 92 84 116 82 142 C78 168 30 196 4 214Z"
    sheet.both(wrap, sheet.cloth(30), height=178)
    band(sheet, 125, 510, 32, inset=9, ribs=34, fill=sheet.trim)
    kangaroo = "M0 388 L62 388 C70 420 92 440 98 452 L98 508 L0 511"
    if zipped:
        half = "M8 392 L62 388 C70 420 92 440 98 452 L98 508 L8 511Z"
        sheet.both(half, height=168, rim=5)
        sheet.zipper("M0 206 L0 538", slider=(0, 214))
    else:
        sheet.part(symmetric(kangaroo), height=168, rim=5)
    edge = "M58 393 C66 422 86 442 93 455"
    sheet.stitch(edge, mirror(edge))
    cord = shade(sheet.accent, 0.25) if sheet.look.accent in ("black", "navy") else sheet.accent
    for side in (-1, 1):
        sheet.disc(side * 22, 196, 4, "#cfccc4")
        sheet.line(
            f"M{side * 22} 197 C{side * 26} 230 {side * 20} 250 {side * 25} {276 + side * 8}", 4.4, cord, opacity=1
        )
        sheet.line(f"M{side * 25} {276 + side * 8} L{side * 25.6} {290 + side * 8}", 6, shade(cord, -0.3), opacity=1)


DRAWERS: dict[str, Callable[[Sheet], None]] = {
    "t_shirt": _t_shirt, "shirt": _shirt, "blouse": _blouse, "polo_shirt": _polo_shirt, "tank_top": _tank_top,
    "sweater": _sweater, "turtleneck": _turtleneck, "cardigan": _cardigan, "hoodie": _hoodie,
}  # fmt: skip
