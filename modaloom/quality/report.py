"""``modaloom check``: runs every check, and shows the report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from modaloom.config import Settings
from modaloom.data.shop import Shop
from modaloom.quality.behaviour import behaviour_findings, day
from modaloom.quality.catalogue import catalogue_findings
from modaloom.quality.findings import (
    Example,
    Finding,
    QualityReport,
    Severity,
    first_examples,
    locate,
    share_text,
)
from modaloom.quality.leaks import leak_findings
from modaloom.quality.looks import look_alikes, look_at_pictures, picture_findings
from modaloom.quality.overlap import overlap_findings
from modaloom.types import Event, Tell, silent

ALARMING_SHARE = 0.01
"""More than this share of bad rows of one kind is a warning rather than a note."""
SHOWN_EXAMPLES = 3
_STYLES = {
    Severity.OK: ("green", "ok"),
    Severity.NOTE: ("cyan", "note"),
    Severity.WARNING: ("yellow", "warning"),
    Severity.ERROR: ("red", "error"),
}
_ADVICE = {
    "duplicate item id": "Later rows were skipped; say keep_first = true if they are variants",
    "missing item id": "Fill in the id, or remove the rows; an order that lists its products has them in"
    ' item_id = "products[].product_id"',
    "missing user id": "Rows without a shopper teach nothing; export them with a visitor id",
    "bad price": "The price was emptied; correct the cells, or say decimal in shop.toml",
    "bad stock": "The stock was emptied; use plain numbers, or say what words mean under values in shop.toml",
    "bad item id": "Ids have at most 500 characters and no control characters; no store could keep these",
    "bad user id": "Ids have at most 500 characters and no control characters; no store could keep these",
    "missing date": "The row was skipped: tools write such a cell where no time is known",
    "word for nothing": "Such cells count as empty; say null_words in shop.toml where the word means something",
    "picture is a web address": "Modaloom fetches nothing by itself: save the pictures below the shop's folder and map "
    "them in [items.images], with a template or a column of paths",
    "unusable picture path": "No file can have such a name; correct the cells",
    "bad release_rank": "The rank was emptied; use a column of numbers",
    "bad value": "The value was emptied; use plain numbers",
    "bad date": "Say date_format in shop.toml, or correct the cells",
    "date in the future": "Correct the clock or the date_format ('s' or 'ms' for numbers)",
    "unmapped event": "Add the event to [interactions.events], or leave it out on purpose",
    "unknown item": "The log outlives the catalogue: export discontinued items too, without stock",
    "unknown user": "Export the shoppers and the log on the same day",
    "wrong number of fields": "Quote cells that contain the separator or a line break",
    "unclosed quotation mark": "Close it, or say quoted = false in shop.toml",
    "unreadable row": "Export the file again",
    "letters not readable": "Say encoding in shop.toml (gb18030 for a Chinese Excel)",
    "picture outside the shop": "Write picture paths below the shop's folder",
}

_HARMLESS = {"word for nothing"}
"""Kinds that are worth knowing, however many there are."""


def check_shop(shop: Shop, *, settings: Settings, progress: Tell | None = None) -> QualityReport:
    """Everything that is doubtful in a shop's data; nothing is changed.

    Args:
        shop: as :func:`~modaloom.data.shop.load_shop` gives it.
        settings: threads, the limit for picture sizes, and how many broken pictures are tolerated.
        progress: told of every few pictures.
    """
    progress = progress or silent
    looks = look_at_pictures(shop, settings, progress)
    groups = look_alikes(shop, looks)
    findings = [
        *_reading_findings(shop),
        *overlap_findings(shop),
        *catalogue_findings(shop),
        *picture_findings(shop, looks, groups, settings),
        *behaviour_findings(shop),
        *leak_findings(shop),
    ]
    findings = locate(shop, findings)
    findings.sort(key=lambda finding: -finding.severity)
    return QualityReport(shop.name, _counts(shop), tuple(findings), groups, looks.broken)


def _reading_findings(shop: Shop) -> list[Finding]:
    """What was skipped or emptied while the files were read, and what was decided about them."""
    facts = shop.problems.facts
    findings = []
    if facts:
        sentence = f"{len(facts)} thing{'s were' if len(facts) > 1 else ' was'} decided while the files were read"
        findings.append(Finding("how it was read", Severity.OK, sentence, examples=tuple(map(Example, facts))))
    if not shop.problems.counts:
        return [*findings, Finding("reading", Severity.OK, "Every row of every file could be used")]
    whole = shop.n_items + shop.n_users + shop.interactions.height
    for kind, number in shop.problems.counts.most_common():
        cases = [Example(problem.detail, file=problem.file, line=problem.line) for problem in shop.problems.of(kind)]
        findings.append(
            Finding(
                kind,
                Severity.WARNING if number > ALARMING_SHARE * whole and kind not in _HARMLESS else Severity.NOTE,
                f"{number:,} {'row' if number == 1 else 'rows'}: {kind}",
                _ADVICE.get(kind, "Correct the rows in the examples"),
                {"rows": number},
                first_examples(cases),
            )
        )
    return findings


def _counts(shop: Shop) -> dict[str, object]:
    log = shop.interactions
    counts: dict[str, object] = {"items": shop.n_items, "users": shop.n_users, "interactions": log.height}
    counts["pictures"] = int(shop.items["images"].list.len().sum())
    by_event = dict(log["event"].value_counts(sort=True).iter_rows())
    counts["events"] = {Event(code).name.lower(): number for code, number in by_event.items()}
    if log.height:
        counts["interactions_per_item"] = round(log.height / shop.n_items, 2)
        counts["interactions_per_user"] = round(log.height / shop.n_users, 2)
        counts["median_per_active_item"] = _median(shop, "item_num")
        counts["median_per_active_user"] = _median(shop, "user_num")
    if shop.has_times:
        counts["first_day"], counts["last_day"] = day(int(log["timestamp"][0])), day(shop.end - 1)
    return counts


def _median(shop: Shop, column: str) -> float:
    lengths = shop.interactions[column].drop_nulls().value_counts()["count"]
    return float(lengths.quantile(0.5) or 0.0)


def print_report(report: QualityReport, console: Console | None = None) -> None:
    """The report as tables: the figures first, then the findings, gravest first."""
    console = console or Console()
    figures = Table(title=f"{escape(report.shop)}: what is there", show_header=False, title_justify="left")
    for name, value in report.counts.items():
        text = ", ".join(f"{key} {number:,}" for key, number in value.items()) if isinstance(value, dict) else value
        figures.add_row(name.replace("_", " "), f"{text:,}" if isinstance(text, int | float) else escape(str(text)))
    console.print(figures)
    table = Table(title="Findings", title_justify="left", show_lines=True)
    table.add_column("how grave", no_wrap=True)
    table.add_column("check")
    table.add_column("what was found, and what to do")
    for finding in report.findings:
        colour, word = _STYLES[finding.severity]
        table.add_row(f"[{colour}]{word}[/{colour}]", escape(finding.check), _body(finding))
    console.print(table)
    console.print(summary(report))


def _body(finding: Finding) -> str:
    lines = [escape(finding.sentence) + "."]
    lines += [f"[dim]  {escape(str(example))}[/dim]" for example in finding.examples[:SHOWN_EXAMPLES]]
    if len(finding.examples) > SHOWN_EXAMPLES:
        lines.append("[dim]  ...[/dim]")
    if finding.advice:
        lines.append(f"[bold]Next:[/bold] {escape(finding.advice)}.")
    return "\n".join(lines)


def summary(report: QualityReport) -> str:
    """One line: how many findings of each severity."""
    numbers = {severity: sum(finding.severity == severity for finding in report.findings) for severity in Severity}
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
    parts = [f"{numbers[kind]} {word}{'s' if numbers[kind] != 1 else ''}" for kind, word in words.items()]
    return f"{', '.join(parts)}; {share_text(numbers[Severity.OK], len(report.findings))} checks found nothing"
