"""Shoes, a pair each: sneakers, ankle boots, heels, loafers. Drawn from the side, the second one behind the first."""

from __future__ import annotations

from collections.abc import Callable

from modaloom.samples.canvas import GOLD, METAL, Sheet, along, ellipse
from modaloom.samples.cloth import mix, shade


class Pair:
    """Draws one shoe twice: paths go through :meth:`at`, which moves them to where the shoe stands."""

    def __init__(self, sheet: Sheet, dx: float, dy: float):
        self.sheet = sheet
        self.dx = dx
        self.dy = dy

    def at(self, path: str) -> str:
        """The path, moved."""
        out = []
        odd = False
        for token in (
            path.replace("Z", " Z").replace("M", "M ").replace("L", "L ").replace("C", "C ").replace("Q", "Q ").split()
        ):
            if token in "MLCQZ":
                out.append(token)
            else:
                out.append(f"{float(token) + (self.dy if odd else self.dx):g}")
                odd = not odd
        return " ".join(out)

    def part(self, path: str, fill: str | None = None, height: int = 150, rim: float = 7) -> None:
        """A closed piece."""
        self.sheet.part(self.at(path), fill, height=height, rim=rim)

    def line(self, path: str, width: float, colour: str | None = None, opacity: float = 0.75, dash: str = "") -> None:
        """A line."""
        self.sheet.line(self.at(path), width, colour, opacity=opacity, dash=dash)

    def stitch(self, *paths: str, colour: str | None = None) -> None:
        """Rows of stitches."""
        self.sheet.stitch(*(self.at(path) for path in paths), colour=colour, width=1.4)

    def fold(self, *paths: str, width: float = 14, depth: float = 0.3) -> None:
        """Soft ridges."""
        self.sheet.fold(*(self.at(path) for path in paths), width=width, depth=depth)

    def seam(self, *paths: str) -> None:
        """Seams."""
        self.sheet.seam(*(self.at(path) for path in paths))

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        """An eyelet or rivet."""
        self.sheet.disc(x + self.dx, y + self.dy, radius, fill)


def _twice(sheet: Sheet, draw: Callable[[Pair], None], gap: tuple[float, float] = (54, -150)) -> None:
    sheet.tilt *= 2
    draw(Pair(sheet, gap[0] - 20, gap[1]))
    draw(Pair(sheet, -20, 40))


def _sneakers(sheet: Sheet) -> None:
    _twice(sheet, _sneaker, (40, -210 if _is_high(sheet) else -170))


def _is_high(sheet: Sheet) -> bool:
    return sheet.choose(3) == 0


def _sneaker(p: Pair) -> None:
    sheet = p.sheet
    top = 96 if _is_high(sheet) else 166
    second = mix(sheet.accent, sheet.main, 0.1)
    piece = f"M-160 {top + 8} C-140 {top - 8} -90 {top - 8} -62 {top + 4} L-52 {top + 40} L-160 {top + 50}Z"
    p.part(piece, sheet.inside, 100, 3)
    tongue = f"M-84 {top + 20} C-66 {top - 18} -44 {top - 26} -30 {top - 14} C0 {top + 34} 34 230 60 244 L20 282Z"
    p.part(tongue, height=165)
    upper = (
        f"M-166 {top + 4} C-176 {top + 50} -182 250 -178 300 L176 304 C184 286 172 262 140 254 C100 "
        "246 68 240 44 222 "
        f"C10 198 -30 {top + 40} -58 {top + 6} C-84 {top + 30} -140 {top + 30} -166 {top + 4}Z"
    )
    p.part(upper, None, 155, 10)
    p.part("M176 304 C186 286 172 262 140 254 C124 250 110 248 100 246 C84 262 78 286 80 304Z", second, 172, 7)
    piece = f"M-166 {top + 4} C-174 {top + 40} -180 250 -178 300 L-118 302 C-122 262 -132 230 -150 {top + 46}Z"
    p.part(piece, second, 172, 7)
    stay = (
        f"M-58 {top + 6} C-30 {top + 40} 10 198 44 222 C60 234 76 240 92 244 L74 266 C40 258 6 240 "
        f"-14 222 C-44 196 -66 {top + 60} -76 {top + 26}Z"
    )
    p.part(stay, shade(sheet.main, -0.06), 182, 6)
    _side_marks(p, second)
    _laces(p, top)
    _rubber_sole(p, second)


def _side_marks(p: Pair, second: str) -> None:
    sheet = p.sheet
    if sheet.choose(2, 2):
        for x in (-70, -40):
            piece = (
                f"M{x} 300 C{x + 14} 262 {x + 34} 236 {x + 56} 222 L{x + 68} 232 C{x + 48} 250 {x + 30} 276 "
                f"{x + 20} 300Z"
            )
            p.part(piece, second, 168, 5)
    else:
        p.part("M-112 290 C-40 288 10 270 48 240 C20 276 -30 306 -96 304Z", second, 168, 5)
    p.stitch("M84 300 C84 284 90 264 104 251", "M-124 298 C-128 264 -136 236 -152 214")


def _laces(p: Pair, top: float) -> None:
    lace = "#f7f4ee" if p.sheet.look.colour != "white" else mix(p.sheet.accent, "#ffffff", 0.2)
    number = 6 if top < 100 else 5
    for place in range(number):
        share = (place + 0.4) / number
        x, y = along(f"M-62 {top + 22} C-36 {top + 52} 8 206 62 240", share)
        p.disc(x, y + 12, 3, METAL)
        p.line(
            f"M{x:.0f} {y + 12:.0f} C{x + 10:.0f} {y - 6:.0f} {x + 26:.0f} {y - 20:.0f} {x + 36:.0f} {y - 24:.0f}",
            8,
            shade(lace, -0.25),
            1,
        )
        p.line(
            f"M{x:.0f} {y + 11:.0f} C{x + 10:.0f} {y - 7:.0f} {x + 26:.0f} {y - 21:.0f} {x + 36:.0f} {y - 25:.0f}",
            6.2,
            lace,
            1,
        )


def _rubber_sole(p: Pair, second: str) -> None:
    sheet = p.sheet
    sole = mix("#f6f2ea", sheet.main, 0.08) if sheet.choose(3, 1) else mix(sheet.accent, "#ffffff", 0.3)
    piece = (
        "M-184 290 C-120 296 100 300 180 292 C190 300 190 322 178 330 C60 336 -100 336 -176 330 "
        "C-188 322 -190 300 -184 290Z"
    )
    p.part(piece, sole, 190, 8)
    p.line("M-184 316 C-60 322 80 322 184 316", 3, shade(sole, -0.18), 0.8)
    p.line("M-180 306 C-60 312 80 312 182 305", 2.4, second, 0.9)


def _ankle_boots(sheet: Sheet) -> None:
    _twice(sheet, _ankle_boot, (62, -196))


def _ankle_boot(p: Pair) -> None:
    sheet = p.sheet
    lift = (34, 62, 48)[sheet.choose(3)] - 34
    toe = 192 if sheet.choose(2, 2) else 176
    piece = f"M-142 {20 - lift} C-110 {30 - lift} -60 {30 - lift} -24 {22 - lift} L-24 {54 - lift} L-142 {54 - lift}Z"
    p.part(piece, sheet.inside, 90, 3)
    upper = (
        f"M-142 {22 - lift} C-110 {36 - lift} -60 {36 - lift} -24 {24 - lift} C-26 {90 - lift} -12 "
        f"{150 - lift / 2} 20 176 C64 196 {toe - 52} 214 {toe - 20} 238 "
        f"C{toe} 252 {toe + 2} 268 {toe - 4} 282 L40 286 C-20 280 -60 {270 - lift} -140 "
        f"{262 - lift} C-150 {190 - lift} -136 {110 - lift} -142 {22 - lift}Z"
    )
    p.part(upper, None, 155, 12)
    p.fold(
        f"M-40 {150 - lift} C-16 {170 - lift / 2} 6 184 26 190", "M-30 196 C0 206 24 214 50 214", width=11, depth=0.3
    )
    p.fold(f"M-112 {60 - lift} C-116 {130 - lift} -108 190 -112 240", width=22, depth=0.25)
    if sheet.choose(2, 1):
        _elastic(p, lift)
    else:
        _zip_and_strap(p, lift)
    _boot_sole(p, lift, toe)


def _elastic(p: Pair, lift: float) -> None:
    sheet = p.sheet
    piece = (
        f"M-104 {34 - lift} L-58 {34 - lift} C-60 {90 - lift} -64 {120 - lift} -74 {150 - lift} "
        f"L-90 {150 - lift} C-100 {120 - lift} -104 {90 - lift} -104 {34 - lift}Z"
    )
    p.part(piece, shade(sheet.main, -0.32) if sheet.look.colour != "black" else shade(sheet.main, 0.14), 120, 5)
    for x in range(-98, -60, 7):
        p.line(f"M{x} {42 - lift} L{x * 0.6 - 34:.0f} {140 - lift}", 1.4, opacity=0.5)
    piece = f"M-134 {2 - lift} L-120 {2 - lift} L-120 {46 - lift} L-134 {46 - lift}Z"
    p.part(piece, mix(sheet.accent, sheet.main, 0.3), 180, 4)


def _zip_and_strap(p: Pair, lift: float) -> None:
    sheet = p.sheet
    p.line(f"M-66 {36 - lift} C-66 {120 - lift} -70 200 -66 268", 5, METAL, 1, "1.6 2")
    piece = (
        f"M-142 {150 - lift} C-100 {164 - lift} -50 {160 - lift} -12 {148 - lift} L-6 {166 - lift} "
        f"C-50 {182 - lift} -100 {184 - lift} -143 {170 - lift}Z"
    )
    p.part(piece, sheet.accent if sheet.choose(2, 4) else shade(sheet.main, -0.18), 185, 5)
    piece = (
        f"M-52 {150 - lift} L-26 {146 - lift} L-22 {176 - lift} L-50 {182 - lift}Z M-46 "
        f"{156 - lift} L-32 {153 - lift} L-29 {170 - lift} L-45 {174 - lift}Z"
    )
    p.part(piece, GOLD, 215, 2)


def _boot_sole(p: Pair, lift: float, toe: float) -> None:
    sole = mix("#3a2e28", p.sheet.main, 0.15)
    piece = (
        f"M-142 {258 - lift} C-60 {268 - lift} -20 280 40 282 L{toe - 2} 278 C{toe + 2} 286 {toe} "
        f"292 {toe - 8} 294 L36 296 C-10 292 -30 288 -54 {282 - lift * 0.8} L-60 {296 - lift} L-140 "
        f"{286 - lift}Z"
    )
    p.part(piece, sole, 180, 5)
    piece = (
        f"M-142 {272 - lift} L-66 {282 - lift} C-70 296 -76 300 -80 306 L-140 306 C-144 296 -144 284 -142 {272 - lift}Z"
    )
    p.part(piece, shade(sole, -0.15), 170, 6)


def _heels(sheet: Sheet) -> None:
    _twice(sheet, _pump, (56, -176))


def _pump(p: Pair) -> None:
    sheet = p.sheet
    y = 282 - (122, 92, 106)[sheet.choose(3)]  # of the heel seat
    strap = sheet.choose(3, 2)
    sole = "#b98f6b" if sheet.choose(2, 3) else "#2b2523"
    inner = f"M-158 {y - 60} C-110 {y - 46} -40 {y - 26} 10 {y} C50 {y + 14} 80 198 96 206 L60 250 L-120 {y + 10}Z"
    p.part(inner, mix("#d8b998", sheet.main, 0.25), 105, 3)
    if strap == 1:
        _ankle_strap(p, y)
    _heel(p, y)
    upper = (
        f"M-160 {y - 62} C-172 {y - 30} -174 {y} -164 {y + 14} L-110 {y + 22} C-50 {y + 44} -10 262 "
        "50 276 L150 280 "
        f"C190 280 206 270 200 258 C180 232 132 210 94 206 C54 222 0 {y + 28} -60 {y - 8} C-100 "
        f"{y - 34} -130 {y - 52} -160 {y - 62}Z"
    )
    p.part(upper, None, 155, 9)
    p.fold(f"M-140 {y - 30} C-90 {y} -20 {y + 52} 40 246", "M96 226 C130 232 160 244 180 258", width=13, depth=0.3)
    p.part(
        f"M-164 {y + 14} L-110 {y + 22} C-50 {y + 44} -10 262 50 276 L150 280 C190 281 206 270 200 258 "
        f"C210 272 196 287 150 286 L46 283 C-14 269 -56 {y + 51} -112 {y + 29} L-162 {y + 21}Z",
        sole, 165, 3,
    )  # fmt: skip
    if strap == 2:
        _bow(p)


def _bow(p: Pair) -> None:
    for s in (-1, 1):
        piece = (
            f"M104 212 C{104 + s * 14} 188 {104 + s * 36} 188 {104 + s * 38} 210 C{104 + s * 34} 226 "
            f"{104 + s * 12} 224 104 212Z"
        )
        p.part(piece, p.sheet.accent, 190, 5)
    p.part(ellipse(104, 211, 6, 8), p.sheet.accent, 210, 3)


def _heel(p: Pair, y: float) -> None:
    block = p.sheet.choose(3, 1) == 1
    foot = 285 if block else 286
    if block:
        piece = (
            f"M-164 {y + 10} C-146 {y + 20} -124 {y + 20} -96 {y + 26} C-106 {y + 60} -108 250 -108 "
            f"{foot} L-164 {foot} C-166 240 -172 {y + 60} -164 {y + 10}Z"
        )
        p.part(piece, None, 160, 7)
    else:
        piece = (
            f"M-164 {y + 10} C-150 {y + 20} -126 {y + 20} -104 {y + 25} C-130 {y + 46} -141 240 -144 "
            f"{foot} L-155 {foot} C-156 240 -172 {y + 54} -164 {y + 10}Z"
        )
        p.part(piece, None, 165, 5)


def _ankle_strap(p: Pair, y: float) -> None:
    piece = (
        f"M-158 {y - 54} C-120 {y - 84} -66 {y - 78} -44 {y - 34} L-54 {y - 28} C-76 {y - 62} -116 "
        f"{y - 68} -154 {y - 40}Z"
    )
    p.part(piece, None, 190, 4)
    p.disc(-70, y - 63, 5, GOLD)


def _loafers(sheet: Sheet) -> None:
    _twice(sheet, _loafer, (48, -166))


def _loafer(p: Pair) -> None:
    sheet = p.sheet
    sole = mix("#33271f", sheet.main, 0.1)
    p.part("M-160 176 C-120 196 -60 200 -14 168 L0 200 L-60 240 L-160 230Z", sheet.inside, 95, 3)
    upper = (
        "M-164 172 C-150 196 -90 214 -36 196 C-20 190 -14 176 -10 160 C16 152 40 160 58 176 C96 "
        "194 150 214 172 240 C184 256 184 272 178 284 L-172 286 C-178 250 -172 206 -164 172Z"
    )
    p.part(upper, None, 150, 11)
    piece = (
        "M-10 160 C16 152 40 160 58 176 C96 190 130 206 150 226 C120 232 80 230 52 216 C20 202 -10 "
        "190 -24 188 C-16 180 -12 172 -10 160Z"
    )
    p.part(piece, shade(sheet.main, -0.05), 176, 6)
    p.line("M-24 190 C-8 192 20 204 52 219 C82 233 122 235 152 228", 3, opacity=0.6, dash="3 4")
    saddle = "M2 176 C10 170 26 166 40 172 C34 200 10 236 -22 262 L-56 254 C-26 230 -6 206 2 176Z"
    p.part(saddle, shade(sheet.main, -0.1), 190, 6)
    p.stitch("M-160 190 C-130 214 -80 224 -40 210")
    p.fold("M-130 240 C-90 252 -50 256 -20 270", "M90 240 C110 252 140 256 160 258", width=14, depth=0.25)
    _saddle_trim(p)
    piece = (
        "M-174 276 C-100 282 100 284 180 276 C186 286 184 296 176 300 L-88 302 L-92 318 L-172 318 "
        "C-178 306 -178 288 -174 276Z"
    )
    p.part(piece, sole, 180, 6)
    p.line("M-172 284 C-80 290 100 290 180 283", 1.6, mix(sole, "#d9c4a0", 0.5), 0.8, "3 3")


def _saddle_trim(p: Pair) -> None:
    sheet, kind = p.sheet, p.sheet.choose(3)
    if kind == 0:
        p.part("M4 206 L26 196 L20 212 L0 222Z", shade(sheet.main, -0.4), 120, 2)
    elif kind == 1:
        p.line("M-22 236 C-8 220 10 204 32 186", 7, shade(GOLD, -0.3), 1)
        p.line("M-22 235 C-8 219 10 203 32 185", 5, GOLD, 1)
        p.disc(-18, 232, 6, GOLD)
        p.disc(28, 189, 6, GOLD)
    else:
        for turn in (-10, 0, 10):
            piece = f"M24 186 L{44 + turn} {236 - abs(turn) * 0.3} L{52 + turn} {234 - abs(turn) * 0.3} L32 184Z"
            p.part(piece, mix(sheet.accent, sheet.main, 0.4), 185, 3)
        p.disc(28, 186, 6, mix(sheet.accent, sheet.main, 0.4))


DRAWERS: dict[str, Callable[[Sheet], None]] = {
    "sneakers": _sneakers, "ankle_boots": _ankle_boots, "heels": _heels, "loafers": _loafers,
}  # fmt: skip
