"""What a check says: findings with figures and examples, gathered in one report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

import polars as pl

from modaloom.data.cells import to_id
from modaloom.data.problems import EXAMPLES_PER_KIND, Problems
from modaloom.data.shop import Shop
from modaloom.data.tables import Reading
from modaloom.data.times import TimeColumn


class Severity(IntEnum):
    """How much a finding matters."""

    OK = 0
    NOTE = 1
    """Worth knowing; learning works."""
    WARNING = 2
    """Learning works, but answers or measurements suffer."""
    ERROR = 3
    """Results cannot be trusted before this is corrected."""


@dataclass(frozen=True, slots=True)
class Example:
    """One case of a finding, and the place in the shop's files where it stands."""

    text: str
    item_id: str | None = None
    user_id: str | None = None
    timestamp: int | None = None
    file: str = ""
    line: int = 0
    """Physical line (row number in Parquet files); 0 where it is not known."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return place + self.text


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check."""

    check: str
    severity: Severity
    sentence: str
    advice: str = ""
    """What to do next; empty when there is nothing to do."""
    figures: Mapping[str, object] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "check": self.check,
            "severity": self.severity.name.lower(),
            "sentence": self.sentence,
            "advice": self.advice,
            "figures": dict(self.figures),
            "examples": [str(example) for example in self.examples],
        }


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Pictures that look the same, and whose they are."""

    item_ids: tuple[str, ...]
    paths: tuple[str, ...]
    """Below the shop's root, in the order of ``item_ids``."""
    one_group: bool
    """Whether all of the items share a ``group_id`` (colours of one model) or are one item."""


@dataclass(frozen=True)
class QualityReport:
    """All that was found in one shop."""

    shop: str
    counts: Mapping[str, object]
    findings: tuple[Finding, ...]
    look_alikes: tuple[LookAlikes, ...] = ()
    broken: tuple[Example, ...] = ()

    @property
    def worst(self) -> Severity:
        """The gravest finding."""
        return max((finding.severity for finding in self.findings), default=Severity.OK)

    def of(self, check: str) -> list[Finding]:
        """The findings of one check."""
        return [finding for finding in self.findings if finding.check == check]

    def to_dict(self) -> dict[str, object]:
        """For JSON: plain numbers, strings and lists."""
        return {
            "shop": self.shop,
            "worst": self.worst.name.lower(),
            "counts": dict(self.counts),
            "findings": [finding.to_dict() for finding in self.findings],
            "look_alikes": [
                {"item_ids": list(group.item_ids), "pictures": list(group.paths), "one_group": group.one_group}
                for group in self.look_alikes
            ],
            "broken_pictures": [str(example) for example in self.broken],
        }


def percent(share: float) -> str:
    """``22.3 %``; a share that is neither nothing nor all never reads as 0 % or 100 %."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    return f"{100 * share:.1f} %".replace(".0 ", " ")


def share_text(part: int, whole: int) -> str:
    """``1,234 of 5,678 (21.7 %)``."""
    return f"{part:,} of {whole:,} ({percent(part / whole if whole else 0.0)})"


def plain_number(value: float) -> float | None:
    """A number that JSON can hold."""
    return round(value, 6) if math.isfinite(value) else None


def locate(shop: Shop, findings: list[Finding]) -> list[Finding]:
    """The findings with the file and line of each example that names an item or a user.

    The tables do not keep line numbers, so the files are read once more, as far as needed.
    """
    examples = [example for finding in findings for example in finding.examples if not example.file]
    in_log = {_key(example) for example in examples if example.user_id is not None}
    in_catalogue = {example.item_id for example in examples if example.user_id is None and example.item_id}
    places: dict[object, tuple[str, int]] = {}
    if in_catalogue and shop.spec.items:
        wanted = pl.Series([str(item_id) for item_id in in_catalogue], dtype=pl.String)
        for item_id, file, line in _item_lines(shop, wanted):
            places.setdefault(item_id, (file, line))
            if len(places) == len(in_catalogue):
                break
    if in_log and shop.spec.interactions:
        missing = set(in_log)
        for key, file, line in _log_lines(shop, {user_id for user_id, _, _ in in_log if user_id}):
            if key in missing:
                places[key] = (file, line)
                missing.discard(key)
            if not missing:
                break
    return [
        replace(finding, examples=tuple(_placed(case, places) for case in finding.examples)) for finding in findings
    ]


def _key(example: Example) -> tuple[str | None, str | None, int | None]:
    return example.user_id, example.item_id, example.timestamp


def _placed(example: Example, places: Mapping[object, tuple[str, int]]) -> Example:
    place = places.get(_key(example) if example.user_id is not None else example.item_id)
    return replace(example, file=place[0], line=place[1]) if place and not example.file else example


def _item_lines(shop: Shop, wanted: pl.Series) -> Iterator[tuple[str, str, int]]:
    spec = shop.spec.items
    assert spec is not None
    column = spec.columns.item_id
    for batch in Reading(shop.root, spec, (column,), Problems()).batches():
        ids = to_id(batch.frame[column], keep_fraction=shop.keeps_fractions[0])
        for row in ids.is_in(wanted.implode()).fill_null(False).arg_true().to_list():
            yield ids[row], batch.file, int(batch.lines[row])


def _log_lines(shop: Shop, users: set[str]) -> Iterator[tuple[tuple[str, str | None, int | None], str, int]]:
    """Every row of these users, under both keys that an example may have: with and without item and time."""
    spec = shop.spec.interactions
    assert spec is not None
    columns = (spec.columns.user_id, spec.columns.item_id, spec.columns.timestamp)
    reading = Reading(shop.root, spec, tuple(dict.fromkeys(name for name in columns if name)), Problems())
    wanted = pl.Series(sorted(users), dtype=pl.String)
    reader = TimeColumn(columns[2] or "", spec.date_format, spec.time_zone)
    keep_items, keep_users = shop.keeps_fractions
    for batch in reading.batches():
        user_ids = to_id(batch.frame[columns[0]], keep_fraction=keep_users)
        item_ids = to_id(batch.frame[columns[1]], keep_fraction=keep_items)
        rows = user_ids.is_in(wanted.implode()).fill_null(False).arg_true()
        times: list[int | None] = [0] * len(rows)
        if columns[2]:
            times = reader.read(batch.frame[columns[2]]).seconds.gather(rows).to_list()
        for row, time in zip(rows.to_list(), times, strict=True):
            place = (batch.file, int(batch.lines[row]))
            yield (user_ids[row], item_ids[row], time), *place
            yield (user_ids[row], None, None), *place


def first_examples(examples: list[Example]) -> tuple[Example, ...]:
    """As many as are shown."""
    return tuple(examples[:EXAMPLES_PER_KIND])
