"""What is wrong with the behaviour log: doubles, robots, impossible times."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from modaloom.data.shop import Shop
from modaloom.quality.findings import Example, Finding, Severity, first_examples, percent, share_text
from modaloom.types import DAY_S, Event

OLDEST_PLAUSIBLE = 788_918_400
"""1995-01-01: no web shop has older rows; such dates are 1970 and its kin, from empty cells."""
MANY_DOUBLES = 0.2
MANY_TWINS = 0.01
TWIN_LENGTH = 3
"""Two shoppers with the same history of at least this many items are hardly two people."""
HEAVY_SHARE = 0.02
"""A shopper with more than this share of a log of some size is a robot, a till or a test account."""


def day(moment: int) -> str:
    """A date as people write it."""
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d")


def behaviour_findings(shop: Shop) -> list[Finding]:
    """Every check of the log itself; leaks are looked for in :mod:`modaloom.quality.leaks`."""
    if not shop.interactions.height:
        log = shop.spec.interactions
        what = f"{log.file} has no rows" if log else "There is no behaviour log"
        return [
            Finding(
                "behaviour",
                Severity.WARNING if log else Severity.NOTE,
                f"{what}: search, similar and new items work, and recommendations use content only",
                "Train and serve: 'modaloom retrain' learns from what happens there. "
                "If there is a log already, add [interactions] to shop.toml; purchases teach most, views are good too",
            )
        ]
    return [_doubles(shop), *_times(shop), _cold_items(shop), _one_timers(shop), *_heavy_users(shop), _twins(shop)]


def _names(shop: Shop, rows: pl.DataFrame, text: str = "") -> tuple[Example, ...]:
    """Examples of log rows."""
    users, items = shop.users["user_id"], shop.items["item_id"]
    cases = []
    for row in rows.head(20).iter_rows(named=True):
        user_id = users[row["user_num"]]
        item_id = None if row["item_num"] is None else items[row["item_num"]]
        event = Event(row["event"]).name.lower()
        when = f" on {day(row['timestamp'])}" if row["timestamp"] else ""
        what = f"user {user_id}, {event} of {item_id or 'a search'}{when}{text}"
        cases.append(Example(what, item_id, user_id, row["timestamp"]))
    return first_examples(cases)


def _doubles(shop: Shop) -> Finding:
    keys = ["user_num", "item_num", "event", "timestamp"]
    keys += [name for name in ("query", "session_id") if name in shop.interactions.columns]
    candidates = shop.interactions.select(keys).hash_rows(seed=0).is_duplicated()  # keeps large logs small
    groups = shop.interactions.filter(candidates).group_by(keys).len().filter(pl.col("len") > 1)
    extra = int(groups["len"].sum()) - groups.height
    whole = shop.interactions.height
    if not extra:
        return Finding("duplicate rows", Severity.OK, "No row of the log stands there twice")
    sentence = f"{share_text(extra, whole)} rows repeat an earlier one (same user, item, event and time)"
    if _only_days(shop):
        sentence += "; the log knows days only, so some may be two pieces bought at once"
    if not shop.has_times:
        sentence += "; the log has no times, so some may be true repetitions"
    many = extra > MANY_DOUBLES * whole
    return Finding(
        "duplicate rows",
        Severity.WARNING if many else Severity.NOTE,
        sentence,
        "Remove the repetitions, or say why they are real: they count double" if many else "Nothing, if these are real",
        {"rows": extra, "most_often": max(groups["len"].to_list())},
        _names(shop, groups.sort("len", *keys[:2], descending=[True, False, False])),
    )


def _only_days(shop: Shop) -> bool:
    return shop.has_times and bool((shop.interactions["timestamp"] % DAY_S == 0).all())


def _times(shop: Shop) -> list[Finding]:
    """Whether the log says when, how finely, and whether all of it is plausible."""
    times = shop.interactions["timestamp"]
    if not shop.has_times:
        sentence = "The log has no times: recency, trends and honest tests in time are out of reach"
        advice = "Map timestamp in [interactions.columns]; without it use --protocol random, last-out or file"
        return [Finding("times", Severity.WARNING, sentence, advice)]
    distinct = times.n_unique()
    if distinct == 1 and len(times) > 1:
        sentence = f"All {len(times):,} rows have the same time ({day(shop.end - 1)}): it is the date of the export"
        return [Finding("times", Severity.WARNING, sentence, "Export the time of the event, or leave timestamp out")]
    sentence = f"The log runs from {day(int(times[0]))} to {day(shop.end - 1)}"
    sentence += "; it knows days, not hours" if _only_days(shop) else ""
    findings = [Finding("times", Severity.OK, sentence, figures={"first": int(times[0]), "last": shop.end - 1})]
    old = shop.interactions.filter(pl.col("timestamp") < OLDEST_PLAUSIBLE)
    if old.height:
        findings.append(
            Finding(
                "implausible dates",
                Severity.WARNING,
                f"{share_text(old.height, len(times))} rows are older than 1995, the oldest from {day(int(times[0]))}",
                "Empty cells often become 1970; say date_format for numbers ('s', 'ms', or '%Y%m%d')",
                {"rows": old.height},
                _names(shop, old),
            )
        )
    return findings


def _cold_items(shop: Shop) -> Finding:
    touched = shop.interactions["item_num"].drop_nulls().n_unique()
    cold = shop.n_items - touched
    return Finding(
        "items nobody touched",
        Severity.NOTE if cold > 0.5 * shop.n_items else Severity.OK,
        f"{share_text(cold, shop.n_items)} items occur nowhere in the log"
        if cold
        else "Every item occurs in the log at least once",
        "Content must carry these: see to their pictures, words and attributes" if cold > 0.5 * shop.n_items else "",
        {"items": cold},
    )


def _one_timers(shop: Shop) -> Finding:
    lengths = shop.interactions.group_by("user_num").len()["len"]
    single = int((lengths == 1).sum())
    much = single > 0.5 * len(lengths)
    return Finding(
        "users with one row",
        Severity.NOTE if much else Severity.OK,
        f"{share_text(single, len(lengths))} users of the log have a single row"
        if single
        else "Every user of the log has at least two rows",
        "Little can be learned from one row; add views or carts to the log" if much else "",
        {"users": single},
    )


def _heavy_users(shop: Shop) -> list[Finding]:
    counts = shop.interactions.group_by("user_num").len().sort("len", "user_num", descending=[True, False])
    whole = shop.interactions.height
    if whole < 1000 or counts.height < 100:
        return []
    heavy = counts.filter(pl.col("len") > HEAVY_SHARE * whole)
    if not heavy.height:
        return []
    users = shop.users["user_id"]
    cases = [Example(f"user {users[num]}: {rows:,} rows", None, users[num]) for num, rows in heavy.head(20).iter_rows()]
    return [
        Finding(
            "robots",
            Severity.WARNING,
            f"{heavy.height:,} users made more than {percent(HEAVY_SHARE)} of all rows each",
            "Take robots, tills and test accounts out of the log",
            {"users": heavy.height},
            first_examples(cases),
        )
    ]


def _same_pasts(shop: Shop) -> pl.DataFrame:
    """Groups of users with the same items and events in the same order; sums sort out most users cheaply."""
    log = shop.interactions.filter(pl.col("item_num").is_not_null())
    sums = log.group_by("user_num").agg(
        pl.len().alias("rows"),
        (pl.col("item_num").cast(pl.UInt64) * 8 + pl.col("event")).sum().alias("first"),
        (pl.col("item_num").cast(pl.UInt64) ** 2).sum().alias("second"),
    )
    likely = sums.filter(pl.struct("rows", "first", "second").is_duplicated() & (pl.col("rows") >= TWIN_LENGTH))
    order = log.filter(pl.col("user_num").is_in(likely["user_num"].implode()))
    order = order.sort("user_num", "timestamp", "item_num", "event")
    pasts = order.group_by("user_num", maintain_order=True).agg(pl.col("item_num"), pl.col("event"))
    pasts = pasts.filter(pl.col("item_num").list.n_unique() >= TWIN_LENGTH)
    same = pasts.with_columns(past=pasts.select("item_num", "event").hash_rows(seed=0))
    return same.group_by("past", maintain_order=True).agg("user_num").filter(pl.col("user_num").list.len() > 1)


def _twins(shop: Shop) -> Finding:
    """Users whose whole pasts are the same: one person under several names, or copied rows."""
    groups = _same_pasts(shop)
    number = int(groups["user_num"].list.len().sum())
    if not number:
        return Finding("identical histories", Severity.OK, f"No two users share a past of {TWIN_LENGTH} or more items")
    users = shop.users["user_id"]
    cases = [
        Example("users " + ", ".join(users[num] for num in nums[:4]) + " have the same past", None, users[nums[0]])
        for nums in groups["user_num"].head(20).to_list()
    ]
    return Finding(
        "identical histories",
        Severity.WARNING if number > MANY_TWINS * shop.n_users else Severity.NOTE,
        f"{number:,} users share their whole past of {TWIN_LENGTH} or more items with somebody else"
        f" (in {groups.height:,} group{'s' if groups.height > 1 else ''})",
        "One person under several names, or copied rows? They leak from the past into a test: keep one of each",
        {"users": number, "groups": groups.height},
        first_examples(cases),
    )
