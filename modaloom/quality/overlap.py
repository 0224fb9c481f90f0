"""Whether catalogue, shoppers and log speak of the same items and people."""

from __future__ import annotations

import polars as pl

from modaloom.data.overlap import spelling_hint
from modaloom.data.shop import Shop
from modaloom.quality.findings import Finding, Severity, plain_number, share_text
from modaloom.types import ATTRIBUTE_PREFIX

POOR_USERS = 0.1
"""Where less of the log's shoppers than this share are in the table of shoppers, the two hardly belong together."""
POOR_ITEMS = 0.05
"""Where less of the catalogue than this share is in the log, most of it has never been seen."""
SAMPLE = 5_000


def overlap_findings(shop: Shop) -> list[Finding]:
    """How far the ids of the tables meet, and why they may not."""
    if not shop.interactions.height:
        return []
    findings = []
    if shop.spec.users is not None:
        findings.append(_users(shop))
    if shop.spec.items is not None:
        findings.append(_items(shop))
    return findings


def _users(shop: Shop) -> Finding:
    """Shoppers of the log among those of whom something is known; the latter come first in the table."""
    names = [name for name in shop.users.columns if name.startswith(ATTRIBUTE_PREFIX)]
    known = shop.n_described
    active = shop.interactions["user_num"].unique()
    met = int((active < known).sum())
    share = met / len(active)
    sentence = f"{share_text(met, len(active))} shoppers of the log are in [users], which has {known:,}"
    figures = {"in_log": len(active), "in_users": known, "met": met, "share": plain_number(share)}
    if share >= POOR_USERS or not names:
        return Finding("overlap of users and log", Severity.OK, sentence, figures=figures)
    strangers = shop.users["user_id"].gather(active.filter(active >= known).head(SAMPLE)).to_list()
    hint = spelling_hint(strangers, shop.users["user_id"].head(known).to_list())
    advice = hint or "Export the table of shoppers and the log from the same place, with the same ids"
    return Finding("overlap of users and log", Severity.ERROR if hint else Severity.WARNING, sentence, advice, figures)


def _items(shop: Shop) -> Finding:
    """Items of the catalogue among those of the log, and rows of the log that name others."""
    seen = shop.interactions.select(pl.col("item_num").drop_nulls().n_unique()).item()
    unknown = shop.problems.counts["unknown item"]
    rows = shop.interactions.height + unknown
    sentence = f"{share_text(seen, shop.n_items)} items are in the log; {share_text(unknown, rows)} rows name others"
    figures = {"seen": seen, "items": shop.n_items, "unknown_rows": unknown, "rows": rows}
    poor = seen < POOR_ITEMS * shop.n_items
    strangers = [problem.detail.split(" = ", 1)[-1].strip("'") for problem in shop.problems.of("unknown item")]
    hint = spelling_hint(strangers, shop.items["item_id"].to_list()) if len(strangers) >= 3 else None
    severity = Severity.ERROR if hint else Severity.NOTE if poor else Severity.OK
    advice = hint or ("Most of the catalogue was never met; is the log of the same shop and years?" if poor else "")
    return Finding("overlap of catalogue and log", severity, sentence, advice, figures)
