"""One trend's chart as SVG and PNG, for slides; the page draws its own, which can be asked with a finger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from resvg_py import svg_to_bytes

from modaloom.messages import board_messages
from modaloom.trends.board import Board, Series, Trend

WIDTH, HEIGHT = 1_600, 900
LEFT, RIGHT, TOP, BOTTOM = 120, 60, 210, 150
INK, SOFT, LINE, BAND, TEST = "#1c1a17", "#625d56", "#e3ded5", "#0d5c7d", "#9a4a00"
PAPER = "#fbfaf7"
LATIN = "Helvetica Neue, Arial, Liberation Sans, DejaVu Sans"
CHINESE = "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei"
MAX_TITLE = 62
"""In half letters: a Chinese one is as wide as two of ours."""
FIRST_WIDE = "\u2e80"
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Scale:
    """From steps and shares to places in the drawing."""

    steps: tuple[str, ...]
    most: float

    def x(self, place: float) -> float:
        """Of a step by its number."""
        return LEFT + place / max(len(self.steps) - 1, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, share: float) -> float:
        """Of a share."""
        return HEIGHT - BOTTOM - min(share / self.most, 1.0) * (HEIGHT - TOP - BOTTOM)


def chart_png(drawing: str) -> bytes:
    """The drawing as a picture."""
    return bytes(svg_to_bytes(svg_string=drawing, background=PAPER, font_family="Noto Sans CJK SC"))


def chart_svg(board: Board, trend: Trend, language: str) -> str:
    """History, fitted level, forecast with its band, and the newest back-test beside what then happened."""
    said = board_messages(language)
    history, outlook = board.overview.period.steps, trend.outlook
    test = outlook.back_test if outlook else None
    scale = _Scale(tuple(dict.fromkeys((*history, *(outlook.steps if outlook else ())))), _most(trend))
    place = {step: number for number, step in enumerate(scale.steps)}
    parts = [*_axes(scale), *_marks(trend, place, scale)]
    if outlook and outlook.mean:
        parts += _forecast(outlook.steps, (outlook.lower, outlook.mean, outlook.upper), place, scale)
    parts.append(_line(trend.series, 0, scale, f'stroke="{SOFT}" stroke-width="2" stroke-opacity="0.65"'))
    parts.append(_line(trend.level, 0, scale, f'stroke="{INK}" stroke-width="4"'))
    if test and test.mean:
        first = place.get(test.steps[0], 0)
        parts.append(_line(test.mean, first, scale, f'stroke="{TEST}" stroke-width="3.5" stroke-dasharray="3 8"'))
    name = trend.names.get(language) or trend.value
    fonts = f"{CHINESE}, {LATIN}" if language == "zh" else f"{LATIN}, {CHINESE}"
    subtitle = _subtitle(trend, said)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{fonts}, sans-serif" role="img"><title>{escape(name)}</title><desc>{escape(subtitle)}</desc>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
        f'<text x="{LEFT}" y="86" font-size="44" fill="{INK}">{escape(_fitting(name))}</text>'
        f'<text x="{LEFT}" y="138" font-size="26" fill="{SOFT}">{escape(subtitle)}</text>'
    )
    return head + "".join(parts) + _legend(trend, said["chart"]) + "</svg>"


def _fitting(name: str) -> str:
    """The name, or as much of it as stands beside its end in one line."""
    width = 0
    for place, one in enumerate(name):
        width += 2 if one >= FIRST_WIDE else 1
        if width > MAX_TITLE:
            return f"{name[:place].rstrip()}…"
    return name


def _subtitle(trend: Trend, said: Mapping[str, Any]) -> str:
    words = [said["verdict"][trend.verdict]]
    if trend.change is not None:
        low, high = trend.interval or (trend.change, trend.change)
        words.append(f"{_signed(trend.change)} ({_signed(low)} … {_signed(high)})")
    words.append(said["chart"]["share_now"].format(share=f"{trend.share:.2%}"))
    if trend.outlook and trend.outlook.change is not None:
        words.append(said["chart"]["forecast_of"].format(change=_signed(trend.outlook.change)))
    return " · ".join(words)


def _signed(value: float) -> str:
    return f"{value:+.0%}".replace("-", "−")


def _most(trend: Trend) -> float:
    """The top of the scale: a little over everything that is drawn."""
    outlook = trend.outlook
    test = outlook.back_test if outlook else None
    known = [one for one in (*trend.series, *trend.level) if one is not None]
    known += [*(outlook.upper if outlook else ()), *(test.mean if test else ())]
    return max([*known, 1e-9]) * 1.08


def _axes(scale: _Scale) -> list[str]:
    """Shares on the left, months and years below."""
    parts = []
    tick = _tick(scale.most)
    for number in range(int(scale.most / tick) + 1):
        y = scale.y(number * tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE}"/>')
        text = f"{100 * number * tick:.6g} %"
        parts.append(
            f'<text x="{LEFT - 16}" y="{y + 8:.1f}" font-size="23" fill="{SOFT}" text-anchor="end">{text}</text>'
        )
    every = max(1, -(-len({step[:7] for step in scale.steps}) // 10))
    months = [n for n, step in enumerate(scale.steps) if not n or step[:7] != scale.steps[n - 1][:7]]
    for number in months[1 if len(months) > 1 else 0 :: every]:
        x = scale.x(number)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 36}" font-size="23" fill="{SOFT}" text-anchor="middle">'
            f"{scale.steps[number][:7]}</text>"
        )
    return parts


def _tick(most: float) -> float:
    """A round distance of which three to seven fit."""
    size = 10.0**-12
    while most / size > 7:
        for factor in (2, 2.5, 2):
            size *= factor
            if most / size <= 7:
                break
    return size


def _marks(trend: Trend, place: dict[str, int], scale: _Scale) -> list[str]:
    """Where the level changed."""
    return [
        f'<line x1="{scale.x(place[one.step]):.1f}" x2="{scale.x(place[one.step]):.1f}" y1="{TOP}" '
        f'y2="{HEIGHT - BOTTOM}" stroke="{SOFT}" stroke-dasharray="2 6"/>'
        f'<path d="M{scale.x(place[one.step]):.1f} {TOP - 12}l9 12-9 12-9-12z" fill="{INK}"/>'
        for one in trend.change_points
        if one.step in place
    ]


def _forecast(
    steps: Sequence[str], values: tuple[Series, Series, Series], place: dict[str, int], scale: _Scale
) -> list[str]:
    lower, mean, upper = values
    first = place[steps[0]]
    points: Callable[[Series], list[Point]] = lambda series: [  # noqa: E731
        (scale.x(first + number), scale.y(one)) for number, one in enumerate(series) if one is not None
    ]
    around = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*points(upper), *reversed(points(lower))))
    x = scale.x(first)
    return [
        f'<polygon points="{around}" fill="{BAND}" fill-opacity="0.16"/>',
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{LINE}" stroke-width="2"/>',
        _line(mean, first, scale, f'stroke="{BAND}" stroke-width="4.5" stroke-dasharray="14 9"'),
    ]


def _line(series: Series, first: int, scale: _Scale, look: str) -> str:
    """A line with gaps where nothing is known."""
    path, pen = [], "M"
    for number, one in enumerate(series):
        if one is None:
            pen = "M"
            continue
        path.append(f"{pen}{scale.x(first + number):.1f} {scale.y(one):.1f}")
        pen = "L"
    return (
        f'<path d="{"".join(path)}" fill="none" stroke-linejoin="round" stroke-linecap="round" {look}/>' if path else ""
    )


def _legend(trend: Trend, said: dict[str, str]) -> str:
    entries = [(said["series"], f'stroke="{SOFT}" stroke-width="2"')]
    if trend.level:
        entries.append((said["level"], f'stroke="{INK}" stroke-width="4"'))
    if trend.outlook and trend.outlook.mean:
        entries.append((said["forecast"], f'stroke="{BAND}" stroke-width="4.5" stroke-dasharray="14 9"'))
        if trend.outlook.back_test and trend.outlook.back_test.mean:
            entries.append((said["back_test"], f'stroke="{TEST}" stroke-width="3.5" stroke-dasharray="3 8"'))
    y, x, parts = HEIGHT - 52, float(LEFT), []
    for text, look in entries:
        parts.append(f'<line x1="{x:.0f}" x2="{x + 56:.0f}" y1="{y}" y2="{y}" stroke-linecap="round" {look}/>')
        parts.append(f'<text x="{x + 70:.0f}" y="{y + 8}" font-size="23" fill="{SOFT}">{escape(text)}</text>')
        x += 70 + 40 + sum(23 if one >= FIRST_WIDE else 12.2 for one in text)
    return "".join(parts)
