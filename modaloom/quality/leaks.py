"""Ways for the future to creep into the past: what makes a measurement look better than it is."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from scipy.stats import rankdata

from modaloom.data.schema import FileSpec
from modaloom.data.shop import Shop
from modaloom.data.tables import columns_of
from modaloom.quality.behaviour import day
from modaloom.quality.findings import Example, Finding, Severity, first_examples, plain_number, share_text
from modaloom.types import ATTRIBUTE_PREFIX, NOT_STYLE, Event

EARLY_NOTE = 0.01
"""More than this share of interactions before the item's release is more than a wrong clock here and there."""
COUNTED = 0.8
"""A number that ranks items as their sales do (Spearman) was counted from the log, test period included."""
ENOUGH_ITEMS = 50
AFTERWARDS = 0.2
_TEST_LIKE = re.compile(
    r"^(x_label|split|fold|partition|subset|is_?(train|test|val\w*)|train|test|valid\w*|evaluation_status)$", re.I
)
_OUTCOME_LIKE = re.compile(
    r"(^|_)(sales|sold|popularity|rank|clicks|views|n_?purchases|avg_?rating|review_?count|num_?ratings)(_|$)", re.I
)


def leak_findings(shop: Shop) -> list[Finding]:
    """Every check for leaks that this shop's data allow."""
    findings = [*_test_columns(shop), *_outcome_attributes(shop)]
    if shop.interactions.height and shop.has_times:
        findings += [*_release_dates(shop), *_looked_at_afterwards(shop)]
    return findings or [Finding("leaks", Severity.OK, "No sign that the future leaks into the past")]


def _used_columns(shop: Shop, section: str) -> set[str]:
    spec = getattr(shop.spec, section)
    used = set(getattr(spec, "attributes", {}).values())
    columns = getattr(spec, "columns", None)
    return used | (set(columns.model_dump(exclude_none=True).values()) if columns else set())


def _test_columns(shop: Shop) -> list[Finding]:
    """A column that says which rows are for the test, and that nobody reads."""
    findings = []
    for section in ("items", "users", "interactions"):
        spec: FileSpec | None = getattr(shop.spec, section)
        if spec is None:
            continue
        used = _used_columns(shop, section)
        for column in columns_of(spec, shop.root):
            if not _TEST_LIKE.match(column.strip()):
                continue
            event = getattr(getattr(spec, "columns", None), "event", None)
            if column == event:
                continue
            findings.append(
                Finding(
                    "test column",
                    Severity.WARNING,
                    f"[{section}] has a column {column!r}, which seems to part training from test"
                    + ("; it is mapped as an attribute" if column in used else "; all of its rows are read"),
                    f"To leave the test out, map it as the event: event = {column!r} with [interactions.events]"
                    if section == "interactions"
                    else f"Do not map {column!r}",
                    {"file": spec.file, "column": column},
                )
            )
    return findings


def _outcome_attributes(shop: Shop) -> list[Finding]:
    """Attributes that were counted from the very log that a test would ask for."""
    findings = []
    sold = np.zeros(shop.n_items)
    nums = shop.interactions["item_num"].drop_nulls().to_numpy()
    np.add.at(sold, nums, 1.0)
    for name in shop.attribute_names:
        if name in NOT_STYLE:
            continue
        column = shop.spec.items.attributes.get(name, name) if shop.spec.items else name
        numbers = shop.items[ATTRIBUTE_PREFIX + name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
        there = np.isfinite(numbers)
        alike = 0.0
        if there.sum() >= ENOUGH_ITEMS and np.ptp(numbers[there]) > 0 and np.ptp(sold[there]) > 0:
            alike = float(np.corrcoef(rankdata(numbers[there]), rankdata(sold[there]))[0, 1])
        if abs(alike) < COUNTED and not (_OUTCOME_LIKE.search(name) or _OUTCOME_LIKE.search(column)):
            continue
        findings.append(
            Finding(
                "outcome as attribute",
                Severity.WARNING if abs(alike) >= COUNTED else Severity.NOTE,
                f"The attribute {name} looks like a result of sales, not a property of the garment"
                + (f" (rank correlation with the log {alike:.2f})" if alike else ""),
                f"Leave {name} out: it was counted after the fact, and a test would reward reading it",
                {"attribute": name, "rank_correlation": plain_number(alike)},
            )
        )
    return findings


def _release_dates(shop: Shop) -> list[Finding]:
    """Events before an item's release, and items that are released after the log's end."""
    released = shop.items["released_at"]
    if released.null_count() == shop.n_items:
        sentence = "No item says when it was released: a test in time offers items that came later, too"
        advice = "Map released_at, the first day on sale; until then measured figures are a little too low"
        return [Finding("release dates", Severity.NOTE, sentence, advice)]
    findings = []
    log = shop.interactions.filter(pl.col("item_num").is_not_null())
    dates = released.gather(log["item_num"])
    early = log.with_columns(released_at=dates).filter(pl.col("timestamp") < pl.col("released_at"))
    if early.height:
        users, items = shop.users["user_id"], shop.items["item_id"]
        cases = []
        for row in early.head(20).iter_rows(named=True):
            user_id, item_id = users[row["user_num"]], items[row["item_num"]]
            text = f"item {item_id}, released {day(row['released_at'])}, user {user_id} on {day(row['timestamp'])}"
            cases.append(Example(text, item_id, user_id, row["timestamp"]))
        findings.append(
            Finding(
                "events before release",
                Severity.WARNING if early.height > EARLY_NOTE * log.height else Severity.NOTE,
                f"{share_text(early.height, log.height)} rows happened before their item was released",
                "Check released_at: a restock or import date hides items from tests in time that were on sale already",
                {"rows": early.height},
                first_examples(cases),
            )
        )
    late = shop.items.filter(pl.col("released_at") > shop.end)
    if late.height:
        ids = late["item_id"].head(20).to_list()
        findings.append(
            Finding(
                "released after the log",
                Severity.NOTE,
                f"{share_text(late.height, shop.n_items)} items are released after the log's end ({day(shop.end - 1)})",
                "They stay out of the catalogue until then; export the log again if that day has passed",
                {"items": late.height},
                first_examples([Example(f"item {item_id}", item_id) for item_id in ids]),
            )
        )
    return findings


def _looked_at_afterwards(shop: Shop) -> list[Finding]:
    """Targets whose other events on the same item all come later: their order is wrong, or times are."""
    wanted = [int(event) for event in shop.target_events]
    log = shop.interactions.filter(pl.col("item_num").is_not_null())
    before = log.filter(pl.col("event").is_in([int(Event.VIEW), int(Event.CART), int(Event.SEARCH)]))
    before = before.filter(~pl.col("event").is_in(wanted))
    pair = ["user_num", "item_num"]
    firsts = before.group_by(pair).agg(pl.col("timestamp").min().alias("looked"))
    targets = log.filter(pl.col("event").is_in(wanted)).unique(pair, keep="first", maintain_order=True)
    both = targets.join(firsts, on=pair, how="inner", maintain_order="left")
    late = both.filter(pl.col("looked") > pl.col("timestamp"))
    if both.height < ENOUGH_ITEMS or late.height <= AFTERWARDS * both.height:
        return []
    users, items = shop.users["user_id"], shop.items["item_id"]
    cases = []
    for row in late.head(20).iter_rows(named=True):
        user_id, item_id = users[row["user_num"]], items[row["item_num"]]
        text = f"user {user_id} took {item_id} {row['looked'] - row['timestamp']:,} s before first looking at it"
        cases.append(Example(text, item_id, user_id, row["timestamp"]))
    return [
        Finding(
            "looked at afterwards",
            Severity.WARNING,
            f"In {share_text(late.height, both.height)} cases the first view or cart comes after the purchase",
            "Are the clocks or time zones of the two logs different? A test in time would see the answer",
            {"pairs": late.height},
            first_examples(cases),
        )
    ]
