"""What wants attention now: levels that jumped, things that are new, searches that find nothing, broken forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modaloom.trends.board import Alert, Term, Trend
from modaloom.types import LANGUAGES

MOST_ALERTS = 40
RECENT_PART = 8
"""A change is news in the last eighth of the period."""
UNMET_NOW = 1.5
"""A term that finds nothing is urgent when it is searched for so many times as much as before."""


def find_alerts(
    trends: Sequence[Trend], terms: Sequence[Term], broken: Mapping[str, tuple[float, float]], steps: Sequence[str]
) -> list[Alert]:
    """Alerts of a board, urgent ones first.

    Args:
        trends: all trends.
        terms: all terms.
        broken: expected and actual share, by id of the trend, where the last weeks left the forecast's band.
        steps: first days of the period's steps.
    """
    since = steps[-max(len(steps) // RECENT_PART, 1)]
    found = []
    for trend in trends:
        if trend.id in broken:
            expected, actual = broken[trend.id]
            found.append(Alert("break", trend.id, trend.names, steps[-1], True, 0.95, expected, actual))
        if trend.novel:
            step = next((step for step, share in zip(steps, trend.series, strict=True) if share), steps[-1])
            found.append(Alert("novelty", trend.id, trend.names, step, step >= since, 0.95, 0.0, trend.share))
        found += [
            Alert(
                "change", trend.id, trend.names, one.step, one.confidence > 0.999, one.confidence, one.before, one.after
            )
            for one in trend.change_points[-1:]
            if one.step >= since and trend.dimension != "word"  # a word jumps as soon as texts are written otherwise
        ]
    found += [alert for term in terms if (alert := _of_term(term, steps)) is not None]
    return sorted(found, key=lambda alert: (not alert.urgent, -alert.confidence, alert.kind))[:MOST_ALERTS]


def _of_term(term: Term, steps: Sequence[str]) -> Alert | None:
    """Terms that find nothing, and new ones."""
    names = dict.fromkeys(LANGUAGES, term.term)
    if not term.answered:
        recent = max(len(steps) // RECENT_PART, 1)
        known = [share or 0.0 for share in term.series]
        before, now = sum(known[:-recent]) / max(len(known) - recent, 1), sum(known[-recent:]) / recent
        sudden = term.state in ("new", "rising") or (before > 0 and now > UNMET_NOW * before)
        confidence = term.confidence if term.state != "steady" else 0.9
        return Alert("unmet", term.term, names, steps[-1], sudden, confidence, before, now, term.searches)
    if term.state == "new":
        return Alert(
            "novelty", term.term, names, term.first_seen, False, term.confidence, 0.0, term.share, term.searches
        )
    return None
