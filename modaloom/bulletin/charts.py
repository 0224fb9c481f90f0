"""Charts as SVG that stands inside a page: they take its width, its colours and its type, on a phone too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from modaloom.bulletin.wording import percent
from modaloom.trends.board import Trend

WIDTH, HEIGHT = 360, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 2, 4, 14, 16
Series = Sequence[float | None]
Point = tuple[float, float]


def trend_chart(trend: Trend, steps: Sequence[str], label: str) -> str:
    """One trend: every step's share as a dot, the fitted line, and the forecast with its band.

    Args:
        trend: the trend.
        steps: first days of the period's steps.
        label: what a screen reader says.
    """
    outlook = trend.outlook
    ahead = outlook.steps if outlook else ()
    scale = _Scale(_highest(trend), len(steps) + len(ahead))
    start = len(steps)
    parts = [_axis(scale, steps, ahead)]
    parts += [
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="1.6"/>' for x, y in _points(scale, trend.series, 0) if y > -1
    ]
    if trend.level:
        parts.append(_line("fit", _points(scale, trend.level, 0)))
    if outlook and outlook.steps:
        upper, lower = _points(scale, outlook.upper, start), _points(scale, outlook.lower, start)
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
        parts.append(f'<polygon class="band" points="{corners}"/>')
        parts.append(_line("next", _points(scale, outlook.mean, start)))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def spark_line(series: Series, smooth: int = 4) -> str:
    """A line without axes, as high as the text beside it; means of so many steps."""
    means: list[float | None] = []
    for at in range(len(series)):
        known = [value for value in series[max(at - smooth + 1, 0) : at + 1] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    highest = max((value for value in means if value is not None), default=0.0) or 1.0
    points = [
        (96 * at / max(len(means) - 1, 1) + 2, 22 - 20 * value / highest)
        for at, value in enumerate(means)
        if value is not None
    ]
    return f'<svg class="spark" viewBox="0 0 100 24" aria-hidden="true">{_line("fit", points)}</svg>'


class _Scale:
    def __init__(self, highest: float, steps: int):
        self.highest, self._steps = highest, max(steps - 1, 1)

    def x(self, step: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * step / self._steps

    def y(self, share: float) -> float:
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - min(share / self.highest, 1.0))


def _highest(trend: Trend) -> float:
    """What the chart must reach: single wild steps may leave it, lines and bands may not."""
    known = sorted(value for value in trend.series if value is not None)
    wanted = [known[min(int(0.98 * len(known)), len(known) - 1)] if known else 0.0]
    wanted += [value for value in trend.level if value is not None]
    if trend.outlook:
        wanted += [*trend.outlook.upper]
    return max(wanted) * 1.08 or 1.0


def _points(scale: _Scale, series: Series, start: int) -> list[Point]:
    return [(scale.x(start + at), scale.y(value)) for at, value in enumerate(series) if value is not None]


def _line(kind: str, points: Sequence[Point]) -> str:
    return f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _axis(scale: _Scale, steps: Sequence[str], ahead: Sequence[str]) -> str:
    """The ground, the highest share, years at their first step, and where the forecast begins."""
    ground = scale.y(0)
    parts = [f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{ground:.1f}" y2="{ground:.1f}"/>']
    parts.append(f'<text class="top" x="{_LEFT}" y="10">{percent(scale.highest / 1.08)}</text>')
    everything = [*steps, *ahead]
    marks = [(0, everything[0][:7])] if everything else []
    marks += [(at, step[:4]) for at, step in enumerate(everything) if at and step[:4] != everything[at - 1][:4]]
    last = -100.0
    for at, text in marks:
        x = scale.x(at)
        if x - last < 48 or x > WIDTH - 30:
            continue
        last = x
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{ground:.1f}" y2="{ground + 3:.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 3}">{text}</text>')
    if ahead:
        x = scale.x(len(steps) - 0.5)
        parts.append(f'<line class="now" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{ground:.1f}"/>')
    return "".join(parts)
