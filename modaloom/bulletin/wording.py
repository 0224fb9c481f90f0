"""A board's numbers and keys in words of one language."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from modaloom.messages import Names, trend_messages
from modaloom.trends.board import Alert, Overview, Trend

BLOCKS = "▁▂▃▄▅▆▇█"
Series = Sequence[float | None]


def percent(share: float | None) -> str:
    """A share with two figures that count; an en dash for nothing."""
    if share is None:
        return "–"
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %" if value >= 0.995 else f"{value:.2g} %"


def signed(change: float | None) -> str:
    """A change as a percentage with its sign, or as a factor where it is large."""
    if change is None:
        return "–"
    if change >= 2:
        return f"×{1 + change:.1f}"
    return f"{100 * change:+.0f} %".replace("-", "\N{MINUS SIGN}")


def spark(series: Series, width: int = 20) -> str:
    """A small chart of blocks: means of equal stretches, a blank where nothing is known."""
    cells = stretches(series, width)
    known = [cell for cell in cells if cell is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    return "".join(
        " " if cell is None else BLOCKS[min(int((cell - low) / span * len(BLOCKS)), len(BLOCKS) - 1)] for cell in cells
    )


def stretches(series: Series, number: int) -> list[float | None]:
    """Means of so many equal stretches of a series, None where a stretch has nothing known."""
    number = min(number, len(series))
    bounds = [round(at * len(series) / number) for at in range(number + 1)] if number else []
    means: list[float | None] = []
    for start, stop in itertools.pairwise(bounds):
        known = [value for value in series[start:stop] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


class Wording:
    """One language's words for a board.

    Raises:
        QueryError: there is no such language.
    """

    def __init__(self, language: str):
        self.language = language
        self.say: Mapping[str, Any] = trend_messages(language)
        self.report: Mapping[str, str] = self.say["report"]

    def name(self, names: Names) -> str:
        """What something is called."""
        return names.get(self.language) or next(iter(names.values()), "")

    def dimension(self, name: str) -> str:
        """What a dimension is called; a shop's own attribute by its own name."""
        said: Mapping[str, Mapping[str, str]] = self.say
        if not name.startswith("attribute."):
            return said["dimensions"].get(name, name)
        short = name.removeprefix("attribute.")
        return said["attributes"].get(short, short.replace("_", " "))

    def kind(self, name: str) -> str:
        """What a way to divide shoppers is called."""
        said: Mapping[str, str] = self.say["kinds"]
        return said.get(name, name.replace("_", " "))

    def verdict(self, trend: Trend) -> str:
        """The verdicts in a few words."""
        said: Mapping[str, str] = self.say["verdicts"]
        return str(self.say["comma"]).join(said[one] for one in (trend.verdict, *trend.also))

    def sentence(self, trend: Trend) -> str:
        """The verdict as a sentence, and what holds as well."""
        said: Mapping[str, str] = self.say["verdict_long"]
        fields = self._fields(trend)
        return " ".join(said[one].format(**fields) for one in (trend.verdict, *trend.also)).strip()

    def _fields(self, trend: Trend) -> dict[str, str]:
        low, high = trend.interval or (None, None)
        return {
            "name": self.name(trend.names),
            "change": signed(trend.change),
            "low": signed(low),
            "high": signed(high),
            "month": self.month(trend.peak),
            "swing": f"{trend.swing or 1:.1f}",
        }

    def month(self, number: str | None) -> str:
        """A month's name."""
        return str(self.say["months"][number]) if number else "–"

    def alert(self, alert: Alert) -> str:
        """An alert as a sentence."""
        return str(self.say["alerts"][alert.kind]).format(
            name=self.name(alert.names), step=alert.step, before=percent(alert.before), after=percent(alert.after),
            count=alert.count if alert.count is not None else "–",
        )  # fmt: skip

    def advice(self, key: str) -> str:
        """What to do about a gap."""
        return str(self.say["advice"][key])

    def notes(self, overview: Overview) -> list[str]:
        """What a shop's log cannot tell."""
        return [str(self.say["notes"][key]).format(k=overview.k) for key in overview.notes]

    def unit(self, overview: Overview) -> str:
        """Weeks or days."""
        return self.report["weeks" if overview.period.step_days == 7 else "days"]

    def facts(self, overview: Overview) -> list[str]:
        """What was read, how it is counted, and what is not shown."""
        period = overview.period
        counted = str(self.say["comma"]).join(
            f"{number:,} {self.report[key]}"
            for number, key in (
                (overview.shoppers, "shoppers"), (overview.items, "items"), (sum(overview.events.values()), "events"),
            )
        )  # fmt: skip
        when = self.report["period"].format(
            start=period.start, end=period.end, steps=len(period.steps), unit=self.unit(overview)
        )
        basis = self.report["basis_like" if overview.like_for_like else "basis_raw"]
        return [
            self.report["read"].format(when=when, counted=counted),
            basis,
            self.report["privacy"].format(k=overview.k, hidden=f"{overview.hidden:,}"),
        ]

    def outlook(self, trend: Trend, overview: Overview) -> str:
        """The forecast and its back-test in a line, or why there is none."""
        outlook = trend.outlook
        if outlook is None:
            return ""
        if outlook.abstained:
            return str(self.say["abstained"][outlook.abstained])
        said = self.report["next"].format(
            horizon=overview.horizon, unit=self.unit(overview), change=signed(outlook.change)
        )
        test = outlook.back_test
        if test is None:
            return said
        tested = self.report["tested"].format(
            error=percent(test.error), mase=f"{test.mase:.2f}", covered=percent(test.covered)
        )
        return f"{said} ({tested})"

    def crowd(self, trend: Trend) -> str:
        """Trendsetters beside the others, where the difference is more than chance."""
        crowd = trend.crowd
        if crowd is None or not crowd.sure or crowd.ahead is None:
            return ""
        key = "ahead" if crowd.ahead > 0 else "behind"
        return self.report[key].format(setters=percent(crowd.setters_now), mainstream=percent(crowd.mainstream_now))
