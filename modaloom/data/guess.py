"""Guesses a ``shop.toml`` from a folder: by the maps of well-known exports, else by names and contents of columns."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from modaloom.data.cells import NULL_WORDS, is_null_word, to_text
from modaloom.data.items import STOCK_WORDS
from modaloom.data.maps import SECTIONS, Section, blocks_of, fitting, map_spec, map_text
from modaloom.data.numbers import NumberColumn
from modaloom.data.schema import FileSpec
from modaloom.data.sniff import sample_of, sniff
from modaloom.data.tables import PICTURE_SUFFIXES, columns_of
from modaloom.data.times import TimeColumn
from modaloom.errors import ColumnError, ModaloomError, ShopNotFoundError
from modaloom.types import Event

SAMPLE_ROWS = 2_000
GOOD_SHARE = 0.8
"""Share of the filled cells that must be of a column's kind."""


def _known_names() -> dict[str, dict[str, str]]:
    """Patterns of names by section of ``column_names.toml`` and our name."""
    text = (Path(__file__).parent / "column_names.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, list[str]]] = tomllib.loads(text)
    return {table: {ours: "|".join(parts) for ours, parts in names.items()} for table, names in tables.items()}


_KNOWN: Final = _known_names()
NAMES, ATTRIBUTES = _KNOWN["columns"], _KNOWN["attributes"]
"""Names that columns have for each of ours, and for attributes."""
_EVENT_WORDS: Final[tuple[tuple[str, Event], ...]] = (
    (r"remove|abandon|checkout|impress|scroll|page_?view|session|list", Event.VIEW),
    (r"search|query|搜索", Event.SEARCH),
    (r"refund|return|退", Event.RETURN),
    (r"dislike", Event.DISLIKE),
    (r"wish|fav|like|收藏|heart|save", Event.LIKE),
    (r"cart|basket|bag|加购|warenkorb|atc", Event.CART),
    (r"purchase|buy|order|transaction|bought|paid|sale|购买|成交|kauf|checkout_completed", Event.PURCHASE),
    (r"rate|rating|review|评", Event.RATING),
    (r"view|click|pv|look|detail|浏览|点击|ansicht|visit|open", Event.VIEW),
)


@dataclass
class Guess:
    """A first ``shop.toml``."""

    text: str
    uncertain: list[str] = field(default_factory=list)
    """What whoever runs the shop should look at, in sentences."""
    maps: list[str] = field(default_factory=list)
    """Names of the maps of well-known exports that fit."""


@dataclass
class _Table:
    """A file, what its columns seem to hold, and how sure that is."""

    spec: FileSpec
    root: Path
    columns: dict[str, str]
    sure: set[str]
    frame: pl.DataFrame
    attributes: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    """Fields that make the file readable: ``decimal``, ``date_format``; commented out where they must be answered."""

    @property
    def section(self) -> Section | None:
        """What the table is."""
        has = self.columns
        if "item_id" in has and "user_id" in has and {"timestamp", "event", "query", "value", "session_id"} & set(has):
            return "interactions"
        described = {"title", "description", "price", "image", "stock", "group_id", "released_at"} & set(has)
        if "item_id" in has and (described or self.attributes) and "user_id" not in has:
            return "items"
        if "user_id" in has and "item_id" not in has:
            return "users"
        return "interactions" if {"item_id", "user_id"} <= set(has) else None


def guess_shop(folder: Path) -> Guess:
    """A ``shop.toml`` for the tables of a folder.

    Raises:
        ShopNotFoundError: no such folder, or nothing in it that is a table.
    """
    files = [*_tables(folder)]
    if not files:
        raise ShopNotFoundError(
            "the folder has no tables", where=folder, hint="CSV, TSV, JSON, XML, XLSX and Parquet files are looked at"
        )
    guess = Guess("")
    found: dict[Section, tuple[int, str, list[str], str | None]] = {}
    for spec in files:
        for section, worth, text, notes, name in _sections(spec, folder, guess):
            if section not in found or worth > found[section][0]:
                found[section] = (worth, text, notes, name)
    parts = [f"# Guessed from the files of {folder.resolve().name}; lines with '?' are less sure. See docs/shop.md.\n"]
    parts.append(f"name = {json.dumps(folder.resolve().name, ensure_ascii=False)}\n{_language(files, folder)}\n")
    for section in SECTIONS:
        if section in found:
            _, text, notes, name = found[section]
            parts.append(text)
            guess.uncertain += notes
            guess.maps += [name] if name and name not in guess.maps else []
    if not {"items", "interactions"} & set(found):
        guess.uncertain.append("no file looks like a catalogue or a log: fill in [items] or [interactions] by hand")
    guess.text = "\n".join(parts)
    return guess


def _tables(folder: Path) -> Iterator[FileSpec]:
    """The tables of a folder; files that differ only by digits in their names are one."""
    if not folder.is_dir():
        raise ShopNotFoundError("no such folder", where=folder, hint="Give the folder with your exports")
    series: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith(".") and file.suffix.lower() not in PICTURE_SUFFIXES:
            series.setdefault(re.sub(r"\d{4,}|(?<=[_-])\d+", "*", file.name), []).append(file)
    for pattern, members in series.items():
        try:
            spec = sniff(members[0])
        except (OSError, ModaloomError):
            continue
        if spec is not None:
            yield spec.model_copy(update={"file": pattern}) if len(members) > 1 else spec


def _sections(spec: FileSpec, folder: Path, guess: Guess) -> Iterator[tuple[Section, int, str, list[str], str | None]]:
    """Sections that a file may be: which, how much is known of it, its text, what is uncertain, and the map's name."""
    fit = fitting(spec, folder)
    if fit is not None:
        known: FileSpec = getattr(map_spec(fit.map_name), fit.section)
        text = blocks_of(map_text(fit.map_name), fit.section)
        yield fit.section, 100 + fit.columns, _with_file(text, known, spec), [], fit.map_name
        return
    table = _read(spec, folder)
    if table is not None and table.section is not None:
        text, notes = _written(table, table.section)
        yield table.section, len(table.columns) + len(table.attributes), text, notes, None


def _with_file(text: str, known: FileSpec, spec: FileSpec) -> str:
    """A map's section for this file, with what is otherwise about it."""
    lines = [f"file = {json.dumps(spec.file, ensure_ascii=False)}"]
    lines += [f'{name} = "{getattr(spec, name)}"' for name in ("encoding", "separator")
              if getattr(spec, name) not in (None, "utf-8", getattr(known, name))]  # fmt: skip
    return re.sub(r'(?m)^file = "[^"]*"', lambda _: "\n".join(lines), text, count=1)


def _read(spec: FileSpec, folder: Path) -> _Table | None:
    """A file with a guess at each of its columns."""
    try:
        names = columns_of(spec, folder)
    except ModaloomError:
        return None
    usable = tuple(name for name in dict.fromkeys(names) if name and names.count(name) == 1)
    batch = sample_of(spec, folder, usable)
    if batch is None or not batch.frame.height:
        return None
    table = _Table(spec, folder, {}, set(), batch.frame.head(SAMPLE_ROWS))
    _assign(table, usable)
    return table


def _assign(table: _Table, names: tuple[str, ...]) -> None:
    """Gives each of our names the column that fits best."""
    taken: set[str] = set()
    for ours in NAMES:
        scored = [(score, -place, name) for place, name in enumerate(names)
                  if name not in taken and (score := _score(table, ours, name))]  # fmt: skip
        if scored:
            score, _, name = max(scored)
            table.columns[ours] = name
            taken.add(name)
            if score >= 2:
                table.sure.add(ours)
    if "timestamp" in table.columns and "user_id" not in table.columns:  # a catalogue's only date
        table.columns.setdefault("released_at", table.columns.pop("timestamp"))
    for ours, pattern in ATTRIBUTES.items():
        match = next((name for name in names if name not in taken and re.fullmatch(pattern, _normal(name))), None)
        if match is not None:
            table.attributes[ours] = match
            taken.add(match)


def _normal(name: str) -> str:
    """``Product ID``, ``product-id`` and ``productId`` alike."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^\w]+", "_", name).strip("_").lower()


def _score(table: _Table, ours: str, name: str) -> int:
    """0: cannot be; 1: the name or a part of it fits; 2: the name fits; 3: it is our own; contents must fit as well."""
    normal = _normal(name)
    if re.fullmatch(NAMES[ours], normal):
        score = 3 if normal in (ours, f"{ours}_id") else 2
    elif ours not in ("value", "group_id", "item_id", "user_id") and re.search(rf"(^|_)({NAMES[ours]})(_|$)", normal):
        score = 1
    else:
        return 0
    return score if _holds(table, ours, name) else 0


def _holds(table: _Table, ours: str, name: str) -> bool:
    """Whether the cells of a column are of the kind that ours needs."""
    text = to_text(table.frame[name])
    filled = text.filter(text.is_not_null() & ~is_null_word(text, NULL_WORDS))
    if not len(filled):
        return ours in ("description", "query", "released_at", "image")
    if ours in ("price", "stock", "value"):
        words = filled.str.to_lowercase().is_in(list(STOCK_WORDS)) if ours == "stock" else filled.is_in([""])
        numbers = filled.filter(~words)
        try:
            bad = NumberColumn(name).read(numbers).bad
        except ColumnError as error:
            table.answers.setdefault("decimal", f'# decimal = ","            # ? {error.what}')
            return True
        return int(bad.sum()) <= (1 - GOOD_SHARE) * len(filled)
    if ours in ("timestamp", "released_at"):
        try:
            times = TimeColumn(name).read(table.frame[name])
        except ColumnError as error:
            table.answers.setdefault("date_format", f'# date_format = "%d/%m/%Y" # ? {error.what}')
            return True
        return int(times.seconds.is_not_null().sum()) >= GOOD_SHARE * len(filled)
    if ours == "item_id" and table.frame.height > 20:
        return filled.n_unique() > 1
    if ours == "image":
        ending = "|".join(suffix[1:] for suffix in sorted(PICTURE_SUFFIXES))
        pictures = filled.str.contains(rf"(?i)\.({ending})\b|^https?://")
        return int(pictures.sum()) >= GOOD_SHARE * len(filled)
    if ours == "event":
        return filled.n_unique() <= 60
    return True


def _written(table: _Table, section: Section) -> tuple[str, list[str]]:
    """A section as TOML, and what is uncertain of it."""
    spec, notes = table.spec, list[str]()
    lines = [f"[{section}]", f"file = {json.dumps(spec.file, ensure_ascii=False)}"]
    for name in ("format", "encoding", "separator", "header", "typed_header"):
        value = getattr(spec, name)
        if value != FileSpec.model_fields[name].default:
            lines.append(f"{name} = {json.dumps(value)}")
    fields = {
        "items": ("item_id", "title", "description", "price", "currency", "stock", "released_at", "group_id"),
        "users": ("user_id",),
        "interactions": ("user_id", "item_id", "timestamp", "event", "value", "query", "session_id"),
    }[section]
    for name, answer in table.answers.items():
        lines.append(answer)
        notes.append(f"{spec.file}: say {name}: {answer.split('# ? ', 1)[1]}")
    if section == "items" and _has_html(table):
        lines.append("strip_html = true")
    if section == "users":
        lines.append(f"user_id = {_quoted(table.columns['user_id'])}")
        known = set(table.columns.values())
        others = {_normal(name): name for name in table.frame.columns if name not in known}
        table.attributes = {name: column for name, column in others.items() if re.fullmatch(r"\w+", name)}
    else:
        lines += ["", f"[{section}.columns]"]
        for name in fields:
            if name in table.columns:
                mark = "" if name in table.sure else "   # ?"
                lines.append(f"{name} = {_quoted(table.columns[name])}{mark}")
                notes += [f"{spec.file}: is {table.columns[name]!r} the {name}?"] if mark else []
    if table.attributes and section != "interactions":
        lines += ["", f"[{section}.attributes]"]
        lines += [f"{_key(name)} = {_quoted(column)}" for name, column in table.attributes.items()]
    if section == "items" and "image" in table.columns:
        lines += ["", "[items.images]", f"column = {_quoted(table.columns['image'])}"]
    if section == "interactions" and "event" in table.columns:
        lines += ["", "[interactions.events]", *_events(table, notes)]
    return "\n".join(lines) + "\n", notes


def _events(table: _Table, notes: list[str]) -> Iterator[str]:
    """What each word of the event column seems to mean; the others as comments."""
    words = to_text(table.frame[table.columns["event"]]).drop_nulls().value_counts(sort=True)
    for word in words.head(40)[words.columns[0]].to_list():
        exact = word.upper() in Event.__members__
        meaning = Event[word.upper()] if exact else _meaning(word)
        doubtful = meaning is None or (not exact and re.search(_EVENT_WORDS[0][0], word.lower()))
        if doubtful:
            notes.append(f"{table.spec.file}: what does the event {word!r} mean? It is left out")
        shown = "view" if meaning is None else meaning.name.lower()
        yield f"{'# ' if doubtful else ''}{_key(word)} = {_quoted(shown)}{'   # ?' if doubtful else ''}"


def _meaning(word: str) -> Event | None:
    return next((event for pattern, event in _EVENT_WORDS if re.search(pattern, word.lower())), None)


def _has_html(table: _Table) -> bool:
    column = table.columns.get("description")
    return column is not None and bool(to_text(table.frame[column]).str.contains(r"<\w+[^>]*>|&\w+;").sum())


def _language(files: list[FileSpec], folder: Path) -> str:
    """Chinese where the first table has plenty of it."""
    for spec in files:
        try:
            batch = sample_of(spec, folder, tuple(dict.fromkeys(name for name in columns_of(spec, folder) if name)))
        except ModaloomError:
            continue
        if batch is not None and batch.frame.height:
            texts = [to_text(batch.frame[name]).drop_nulls().head(50) for name in batch.frame.columns]
            chinese = sum(int(text.str.contains(r"\p{Han}{2}").sum()) for text in texts)
            return 'language = "zh"\n' if chinese > batch.frame.head(50).height / 2 else 'language = "en"\n'
    return 'language = "en"\n'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _quoted(text)
