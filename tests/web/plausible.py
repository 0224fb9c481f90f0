"""A trend board that looks like a real one, made from its dataclasses: every verdict, gaps, long names, abstentions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from modaloom.messages import Names
from modaloom.trends.board import (
    Alert,
    Arrival,
    BackTest,
    Board,
    ChangePoint,
    Crowd,
    Driver,
    Gap,
    Outlook,
    Overview,
    Period,
    Segment,
    Series,
    Term,
    Trend,
)

WEEKS, AHEAD, SEASON = 130, 26, 52
LONG_EN = "Oversized double-breasted houndstooth blazer worn with wide pleated trousers and a ribbed roll-neck"
LONG_ZH = "廓形双排扣千鸟格西装外套搭配高腰百褶阔腿裤与螺纹高领针织衫的通勤叠穿风格"
KINDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "colour": (
        ("sage", "鼠尾草绿", "Sage green"),
        ("burgundy", "酒红", "Burgundy"),
        ("butter", "奶油黄", "Butter yellow"),
        ("navy", "藏青", "Navy"),
        ("lilac", "丁香紫", "Lilac"),
        ("camel", "驼色", "Camel"),
        ("coral", "珊瑚橙", "Coral"),
    ),
    "attribute.category": (
        ("blazer", "西装外套", "Blazers"),
        ("maxi_dress", "长连衣裙", "Maxi dresses"),
        ("skinny_jeans", "紧身牛仔裤", "Skinny jeans"),
        ("coat", "大衣", "Coats"),
        ("sandals", "凉鞋", "Sandals"),
    ),
    "attribute.material": (("linen", "亚麻", "Linen"), ("cashmere", "羊绒", "Cashmere"), ("satin", "缎面", "Satin")),
    "word": (
        ("puff sleeve", "泡泡袖", "puff sleeve"),
        ("cargo", "工装", "cargo"),
        ("<b>crochet</b> & lace", "钩针与蕾丝", "<b>crochet</b> & lace"),
    ),
    "look": (("look-3", LONG_ZH, LONG_EN), ("look-8", "法式 · 碎花 · 收腰", "French, floral, tied at the waist")),
    "price": (("30-60", "30 至 60", "30 to 60"), ("120-240", "120 至 240", "120 to 240")),
}
VERDICT_OF = ("rising", "falling", "seasonal", "stable", "rising", "seasonal", "unknown", "falling", "stable", "rising")
GROUPS = (
    ("age", "18-24", "18 至 24 岁", "18 to 24"),
    ("age", "25-34", "25 至 34 岁", "25 to 34"),
    ("age", "35-49", "35 至 49 岁", "35 to 49"),
    ("region", "coast", "沿海", "Coast"),
    ("region", "inland", "内陆", "Inland"),
)


def plausible_board(item_ids: Sequence[str], *, last: date = date(2026, 11, 22), seed: int = 7) -> Board:
    """The same board for the same items and day."""
    rng = np.random.default_rng(seed)
    steps = tuple((last - timedelta(days=7 * (WEEKS - week) - 1)).isoformat() for week in range(WEEKS))
    ahead = tuple((last + timedelta(days=7 * week + 1)).isoformat() for week in range(AHEAD))
    named = [(kind, *value) for kind, values in KINDS.items() for value in values]
    trends = [_trend(rng, number, named[number], steps, ahead, _some(rng, item_ids, 8)) for number in range(len(named))]
    trends = [replace(one, drivers=_drivers(rng, one, trends)) for one in trends]
    trends.sort(key=lambda one: (("rising", "falling", "seasonal", "stable", "unknown").index(one.verdict), one.id))
    verdicts = {name: sum(one.verdict == name for one in trends) for name in dict.fromkeys(VERDICT_OF)}
    overview = Overview(
        shop="Modaloom",
        made_at=f"{last.isoformat()}T22:14:00",
        period=Period(steps, 7, steps[0], last.isoformat()),
        events={"view": 912_480, "search": 141_204, "cart": 88_120, "purchase": 41_993},
        traffic=tuple(int(9_000 + 20 * week + 800 * np.sin(week / 8)) for week in range(WEEKS)),
        shoppers=18_204,
        items=max(len(item_ids), 1),
        k=20,
        hidden=37,
        verdicts=verdicts,
        horizon=AHEAD,
        level=0.8,
    )
    return Board(
        overview,
        tuple(trends),
        _terms(rng, steps),
        _gaps(rng, trends),
        _alerts(trends, steps),
        _arrivals(rng, item_ids),
    )


def _some(rng: np.random.Generator, item_ids: Sequence[str], n: int) -> tuple[str, ...]:
    return tuple(rng.permutation(np.array(item_ids, dtype=object))[:n].tolist()) if len(item_ids) else ()


def _curve(rng: np.random.Generator, verdict: str, base: float, n: int) -> np.ndarray:
    week = np.arange(n)
    season = np.sin(2 * np.pi * (week - rng.integers(SEASON)) / SEASON)
    swell = {"rising": 0.85, "falling": -0.55}.get(verdict, 0.02)
    swing = {"seasonal": 0.6, "unknown": 0.0}.get(verdict, 0.1)
    return np.asarray(base * (1 + swell / (1 + np.exp(-(week - 0.62 * WEEKS) / 11))) * (1 + swing * season))


def _trend(
    rng: np.random.Generator,
    number: int,
    named: tuple[str, str, str, str],
    steps: tuple[str, ...],
    ahead: tuple[str, ...],
    examples: tuple[str, ...],
) -> Trend:
    kind, value, chinese, english = named
    verdict = VERDICT_OF[number % len(VERDICT_OF)]
    base = float(rng.uniform(0.008, 0.09))
    truth = _curve(rng, verdict, base, WEEKS + AHEAD)
    noise = 0.30 if verdict == "unknown" else 0.07
    shares = truth[:WEEKS] * (1 + noise * rng.standard_normal(WEEKS))
    series: list[float | None] = shares.clip(0.0005).tolist()
    for gap in (41, 42, 77) if number % 4 == 1 else ():
        series[gap] = None
    if verdict == "unknown":
        series[: WEEKS - 30] = [None] * (WEEKS - 30)
    level = () if verdict == "unknown" else tuple(truth[:WEEKS].tolist())
    recent, early = truth[WEEKS - 32 : WEEKS].mean(), truth[:32].mean()
    change = None if verdict == "unknown" else float(recent / early - 1)
    outlook = _outlook(rng, verdict, number, truth, steps, ahead)
    jump = ChangePoint(steps[int(0.62 * WEEKS)], float(truth[60]), float(truth[100]), 0.97)
    return Trend(
        id=f"{kind}={value}",
        dimension=kind,
        value=value,
        names={"zh": chinese, "en": english},
        verdict=verdict,
        confidence=0.31 if verdict == "unknown" else float(rng.uniform(0.86, 0.999)),
        share=float(np.mean([one for one in series[-4:] if one is not None])),
        change=change,
        interval=None if change is None else (change - 0.11, change + 0.13),
        series=tuple(series),
        level=level,
        events=int(rng.integers(400, 60_000)),
        shoppers=int(rng.integers(60, 9_000)),
        items=int(rng.integers(3, 90)),
        also=("rising",) if verdict == "seasonal" and number % 2 else (),
        peak=f"{int(rng.integers(1, 13)):02d}" if verdict == "seasonal" else None,
        swing=3.4 if verdict == "seasonal" else None,
        seen=int(rng.integers(2, 30)) if number % 3 == 0 else 0,
        novel=number == 4,
        outlook=outlook,
        change_points=(jump,) if verdict in ("rising", "falling") else (),
        examples=examples,
        segments=_segments(rng, base) if number % 5 != 3 else (),
        crowd=_crowd(truth[:WEEKS], verdict) if verdict in ("rising", "falling") else None,
    )


def _outlook(
    rng: np.random.Generator,
    verdict: str,
    number: int,
    truth: np.ndarray,
    steps: tuple[str, ...],
    ahead: tuple[str, ...],
) -> Outlook:
    if verdict == "unknown":
        return Outlook(abstained="short")
    if number == 11:
        return Outlook(abstained="sparse")
    mean = truth[WEEKS:] * (1 + 0.03 * rng.standard_normal())
    width = mean * np.linspace(0.05, 0.24, AHEAD)
    tested = truth[WEEKS - AHEAD : WEEKS] * (1 + 0.06 * rng.standard_normal())
    spread = tested * np.linspace(0.07, 0.2, AHEAD)
    test = BackTest(
        mase=0.68,
        covered=0.81,
        error=0.084,
        horizon=AHEAD,
        origins=4,
        steps=steps[-AHEAD:],
        mean=tuple(tested.tolist()),
        lower=tuple((tested - spread).tolist()),
        upper=tuple((tested + spread).tolist()),
    )
    return Outlook(
        steps=ahead,
        mean=tuple(mean.tolist()),
        lower=tuple((mean - width).clip(0).tolist()),
        upper=tuple((mean + width).tolist()),
        change=float(mean.mean() / truth[WEEKS - AHEAD : WEEKS].mean() - 1),
        models={"seasonal-naive": 0.12, "ets": 0.33, "theta": 0.21, "attention": 0.34},
        back_test=test,
    )


def _segments(rng: np.random.Generator, base: float) -> tuple[Segment, ...]:
    made = []
    for kind, value, chinese, english in GROUPS:
        index = float(rng.uniform(55, 190))
        change = None if value == "inland" else float(rng.uniform(-0.3, 0.8))
        names: Names = {"zh": chinese, "en": english}
        made.append(Segment(kind, value, names, int(rng.integers(25, 2_500)), base * index / 100, index, change))
    return tuple(made)


def _crowd(truth: np.ndarray, verdict: str) -> Crowd:
    early = np.concatenate([truth[8:], np.full(8, truth[-1])]) * (1.15 if verdict == "rising" else 0.9)
    setters: Series = tuple(None if week % 17 == 3 else float(one) for week, one in enumerate(early))
    now, others = float(early[-4:].mean()), float(truth[-4:].mean())
    return Crowd(212, setters, tuple(truth.tolist()), now, others, float(np.log(now / others)), verdict == "rising")


def _drivers(rng: np.random.Generator, trend: Trend, trends: Sequence[Trend]) -> tuple[Driver, ...]:
    if trend.verdict not in ("rising", "falling"):
        return ()
    others = [one for one in trends if one.dimension != trend.dimension][:4]
    parts = sorted((float(part) for part in rng.uniform(-0.2, 0.6, len(others))), reverse=True)
    return tuple(Driver(one.id, one.names, part) for one, part in zip(others, parts, strict=True))


def _terms(rng: np.random.Generator, steps: tuple[str, ...]) -> tuple[Term, ...]:
    told = (
        (
            "linen jumpsuit",
            "en",
            (("linen jumpsuit", 214), ("linnen jumpsuit", 31), ("linen jump suit", 18)),
            "rising",
            0,
        ),
        ("阔腿裤", "zh", (("阔腿裤", 402), ("阔褪裤", 22)), "rising", 14),
        ("多巴胺穿搭", "zh", (("多巴胺穿搭", 188), ("多巴安穿搭", 9)), "new", 0),
        ("ballet flats", "en", (("ballet flats", 173), ("balet flats", 40), ("ballett flats", 12)), "new", 6),
        ("skinny jeans", "en", (("skinny jeans", 95),), "falling", 21),
        ("white shirt", "en", (("white shirt", 310), ("whit shirt", 11)), "steady", 32),
        ("羊绒大衣", "zh", (("羊绒大衣", 260),), "steady", 9),
        ("=HYPERLINK(1)", "en", (("=HYPERLINK(1)", 24),), "steady", 0),
    )
    made = []
    for term, language, spellings, state, matches in told:
        n = sum(count for _, count in spellings)
        slope = {"rising": 2.2, "new": 3.0, "falling": -0.7, "steady": 0.0}[state]
        curve = n / 1e5 * (1 + slope * np.linspace(0, 1, WEEKS) ** 3) * (1 + 0.12 * rng.standard_normal(WEEKS))
        series: list[float | None] = curve.tolist()
        if state == "new":
            series[:90] = [0.0] * 90
        change = {"rising": 0.9, "new": None, "falling": -0.42, "steady": 0.03}[state]
        first = steps[90] if state == "new" else steps[0]
        made.append(
            Term(
                term, language, spellings, n, max(20, n // 3), state, 0.95, n / 8_000, change, tuple(series),
                matches, max(matches - 3, 0), matches > 0, first,
            )
        )  # fmt: skip
    return tuple(made)


def _gaps(rng: np.random.Generator, trends: Iterable[Trend]) -> tuple[Gap, ...]:
    made = []
    for number, trend in enumerate(trends):
        state = ("short", "long", "balanced")[number % 3]
        ratio = {"short": 1.9, "long": 0.45, "balanced": 1.02}[state] * float(rng.uniform(0.9, 1.1))
        advice = {"short": "widen_now", "long": "narrow", "balanced": "keep"}[state]
        made.append(
            Gap(
                trend.id, trend.dimension, trend.value, trend.names, state, trend.share,
                (trend.share * 0.9, trend.share * 1.12), trend.share / ratio, trend.items, ratio,
                None if number % 4 == 0 else trend.share * 0.8, None if number % 5 == 0 else trend.share * 1.1,
                trend.verdict, advice,
            )
        )  # fmt: skip
    return tuple(made)


def _alerts(trends: Sequence[Trend], steps: tuple[str, ...]) -> tuple[Alert, ...]:
    rising, falling = trends[0], next(one for one in trends if one.verdict == "falling")
    seasonal = next(one for one in trends if one.verdict == "seasonal")
    both = {"zh": "多巴胺穿搭", "en": "多巴胺穿搭"}
    return (
        Alert("change", rising.id, rising.names, steps[-2], True, 0.98, 0.031, 0.047),
        Alert("unmet", "多巴胺穿搭", both, steps[-1], True, 0.99, count=197),
        Alert("novelty", trends[1].id, trends[1].names, steps[-3], False, 0.95, None, 0.012),
        Alert("break", seasonal.id, seasonal.names, steps[-1], False, 0.91, 0.052, 0.031),
        Alert("change", falling.id, falling.names, steps[-5], False, 0.93, 0.044, 0.029),
    )


def _arrivals(rng: np.random.Generator, item_ids: Sequence[str]) -> tuple[Arrival, ...]:
    made = []
    for number, item_id in enumerate(_some(rng, item_ids, 7)):
        mean = float(rng.uniform(0.0006, 0.004)) * np.exp(-((np.arange(12) - 3) ** 2) / 40)
        neighbours = tuple(one for one in _some(rng, item_ids, 5) if one != item_id)[:3]
        names: Names = {"zh": f"新款 {item_id}", "en": f"New piece {item_id}"}
        made.append(
            Arrival(
                item_id, names, "2026-11-16", neighbours, tuple(mean.tolist()), tuple((0.5 * mean).tolist()),
                tuple((1.7 * mean).tolist()), 1 - number / 7,
            )
        )  # fmt: skip
    return tuple(made)
