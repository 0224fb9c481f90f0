"""Shops and series with something wrong in their files: every value is read as it was written, or listed as bad.

Used by the tests and by ``benchmarks/fuzz_files.py``.
"""

from __future__ import annotations

import json
import random
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.errors import ModaloomError
from modaloom.forecasting.forecast import forecast
from modaloom.forecasting.series import read_series
from modaloom.quality.report import check_shop

START_S: Final = 1_711_360_800
NO_NUMBERS: Final = (
    "abc", "12x", "--", "1e400", "nan", "inf", "∞", "12 34", "=1+1", "１２", "NA", "-", "无", "", "  ", "1.2.3,4",
    "0x1F", "10 %", "12-13", "\u200b7", "null", "[1]", "1_000", "9" * 400, "\x007",
)  # fmt: skip
"""Cells that are no number in any notation."""
NO_TIMES: Final = (
    "soon", "2024-13-45", "0000-00-00 00:00:00", "-9223372036854775808", "9999-12-31", "NaT", "", "NA", "2024",
    "31/31/2024", "1e300", "\x00", "2024-02-30T10:00:00", "25:61", "0",
)  # fmt: skip
"""Cells that are no time in any format."""
ODD_TEXTS: Final = (
    '"',
    '""',
    "a\tb",
    "x;y",
    "é\u0301",
    "\u202e",
    "😀",
    "<b>x",
    "&amp;",
    "\ufeff",
    "l\u2028m",
    "'",
    "\\",
    "a,b",
)


@dataclass
class Spoilt:
    """What happened to one spoilt file."""

    outcome: str
    """``read``, ``refused``, or ``fault``."""
    detail: str = ""


@dataclass
class _Sheet:
    """A shop as it should be, with cells that were spoilt on purpose."""

    items: list[dict[str, str]]
    log: list[dict[str, str]]
    spoilt: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """Names of the spoilt cells by table and row."""


def spoilt_shop(folder: Path, seed: int, settings: Settings) -> Spoilt:
    """Writes a shop with faults of one kind or several, reads and checks it, and compares what was read.

    Returns a fault where an exception that is no :class:`~modaloom.errors.ModaloomError` came out, a warning was given,
    or a value was read that nobody wrote.
    """
    source = random.Random(seed)
    comma = source.random() < 0.3
    sheet = _sheet(source, comma)
    if source.random() < 0.8:
        _spoil_cells(source, sheet)
    kind = source.choice(["csv", "csv", "csv", "tsv", "jsonl", "json", "xml", "semicolon"])
    files = _written(source, folder, sheet, kind, comma)
    damaged = source.random() < 0.35
    if damaged:
        _damage(source, source.choice(files))
    return _judged(lambda: _read_and_compare(folder, sheet, settings, compare=not damaged))


def _judged(read: Callable[[], str]) -> Spoilt:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fault = read()
        except ModaloomError as error:
            return Spoilt("refused", str(error))
        except Exception:  # whatever it is, it is what is looked for
            return Spoilt("fault", traceback.format_exc(limit=-6))
    return Spoilt("fault", fault) if fault else Spoilt("read")


def _sheet(source: random.Random, comma: bool) -> _Sheet:
    def number(value: float) -> str:
        return f"{value:.2f}".replace(".", ",") if comma else f"{value:.2f}"

    items = [
        {"id": f"A{row}", "name": f"Shirt {row}", "price": number(source.randrange(100, 99_999) / 100),
         "stock": str(source.randrange(50)), "colour": source.choice(["red", "blue", "绿"]), "day": "2024-01-05"}
        for row in range(source.randrange(3, 12))
    ]  # fmt: skip
    style = source.choice(["iso", "s", "ms", "zone"])
    log = []
    for row in range(source.randrange(12, 30)):
        seconds = START_S + row * 3600
        moment = datetime.fromtimestamp(seconds, UTC)
        written = {
            "iso": moment.strftime("%Y-%m-%d %H:%M:%S"), "s": str(seconds), "ms": str(seconds * 1000),
            "zone": moment.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        }[style]  # fmt: skip
        user, item = f"u{source.randrange(5)}", f"A{source.randrange(len(items))}"
        log.append({"user": user, "item": item, "time": written, "value": str(row)})
    return _Sheet(items, log)


def _spoil_cells(source: random.Random, sheet: _Sheet) -> None:
    for _ in range(source.randrange(1, 4)):
        table, rows = source.choice([("items", sheet.items), ("log", sheet.log)])
        row = source.randrange(len(rows))
        name = source.choice(list(rows[row]))
        texts = (
            NO_TIMES if name in ("day", "time") else NO_NUMBERS if name in ("price", "stock", "value") else ODD_TEXTS
        )
        if name in ("id", "user", "item"):
            texts = ("", "A\x002", "x" * 600, "NA", "\n", "gone")
        rows[row][name] = source.choice(texts)
        sheet.spoilt.setdefault((table, row), set()).add(name)


def _written(source: random.Random, folder: Path, sheet: _Sheet, kind: str, comma: bool) -> list[Path]:
    ending = "csv" if kind == "semicolon" else kind
    separator = {"csv": ",", "tsv": "\t", "semicolon": ";"}.get(kind, "")
    if separator == "," and comma:
        separator, kind = ";", "semicolon"
    encoding = source.choice(["utf-8", "utf-8", "gb18030", "utf-16"]) if separator else "utf-8"
    extra = f"separator = {json.dumps(separator)}\n" if separator == ";" else ""
    extra += f'encoding = "{encoding}"\n' if encoding != "utf-8" else ""
    files = []
    for name, rows in (("items", sheet.items), ("log", sheet.log)):
        file = folder / f"{name}.{ending}"
        if separator:
            text = _delimited(rows, separator)
            file.write_bytes(text.encode(encoding, errors="replace"))
        elif kind == "xml":
            file.write_text(_xml(rows), encoding="utf-8", errors="replace")
        else:
            lines = [json.dumps(row, ensure_ascii=source.random() < 0.5) for row in rows]
            file.write_text("[" + ",\n".join(lines) + "]" if kind == "json" else "\n".join(lines), encoding="utf-8")
        files.append(file)
    toml = (
        f'name = "x"\n[items]\nfile = "items.{ending}"\n{extra}[items.columns]\nitem_id = "id"\ntitle = "name"\n'
        f'price = "price"\nstock = "stock"\nreleased_at = "day"\n[items.attributes]\ncolour = "colour"\n'
        f'[interactions]\nfile = "log.{ending}"\nevent = "view"\n{extra}[interactions.columns]\nuser_id = "user"\n'
        'item_id = "item"\ntimestamp = "time"\nvalue = "value"\n'
    )
    (folder / "shop.toml").write_text(toml, encoding="utf-8")
    return files


def _delimited(rows: list[dict[str, str]], separator: str) -> str:
    def cell(text: str) -> str:
        quoted = any(sign in text for sign in (separator, '"', "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines = [separator.join(rows[0])] + [separator.join(cell(text) for text in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def _xml(rows: list[dict[str, str]]) -> str:
    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("\x00", "?").replace("\n", " ")

    items = "".join(
        "<item>" + "".join(f"<{name}>{escaped(text)}</{name}>" for name, text in row.items()) + "</item>\n"
        for row in rows
    )
    return f"<rss><channel>\n{items}</channel></rss>\n"


def _damage(source: random.Random, file: Path) -> None:
    """Damages the bytes of a file: what they mean afterwards nobody knows."""
    data = bytearray(file.read_bytes())
    for _ in range(source.randrange(1, 5)):
        place = source.randrange(len(data)) if data else 0
        match source.randrange(8):
            case 0:
                data[place : place + 1] = bytes([source.randrange(256)])
            case 1:
                del data[place : place + source.randrange(1, 40)]
            case 2:
                data[place:place] = bytes(source.randrange(256) for _ in range(source.randrange(1, 20)))
            case 3:
                del data[place:]
            case 4:
                data[place:place] = source.choice(
                    [b'"', b"\n\n", b"\r", b"\x00", b",,,", b"\xff\xfe", b"\\ud83d", b"{", b"["]
                )
            case 5:
                lines = data.split(b"\n")
                source.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case 6:
                data += data[place:]
            case _:
                data[place:place] = source.choice([b"1e999", b"-9223372036854775808", b"NaN", b"99999999999999999999"])
    file.write_bytes(bytes(data))


def _read_and_compare(folder: Path, sheet: _Sheet, settings: Settings, *, compare: bool) -> str:
    shop = load_shop(folder, settings=settings)
    report = check_shop(shop, settings=settings)
    report.to_dict()
    if not compare:
        return ""
    return _items_fault(shop, sheet) or _log_fault(shop, sheet)


def _items_fault(shop: Shop, sheet: _Sheet) -> str:
    read = {row["item_id"]: row for row in shop.items.iter_rows(named=True)}
    for number, row in enumerate(sheet.items):
        spoilt = sheet.spoilt.get(("items", number), set())
        got = read.get(row["id"])
        if got is None:
            if not spoilt & {"id"} and not shop.problems.total:
                return f"item {row['id']} is gone without a word"
            continue
        if "id" in spoilt:
            continue
        for name, value in (("price", float(row["price"].replace(",", ".")) if "price" not in spoilt else None),
                            ("stock", int(row["stock"]) if "stock" not in spoilt else None),
                            ("released_at", 1_704_412_800 if "day" not in spoilt else None)):  # fmt: skip
            if got[name] != value:
                return f"item {row['id']}: {name} is {got[name]!r}, written was {row}"
    return ""


def _log_fault(shop: Shop, sheet: _Sheet) -> str:
    wanted: dict[int, Any] = {}
    for number, row in enumerate(sheet.log):
        spoilt = sheet.spoilt.get(("log", number), set())
        if "time" not in spoilt:
            wanted[START_S + number * 3600] = None if "value" in spoilt else float(row["value"])
    ids = shop.items["item_id"]
    for item, seconds, value in shop.interactions.select("item_num", "timestamp", "value").iter_rows():
        if seconds not in wanted:
            return f"an event at {seconds} that nobody wrote"
        row = sheet.log[(seconds - START_S) // 3600]
        whole = "item" not in sheet.spoilt.get(("log", (seconds - START_S) // 3600), set())
        if value != wanted[seconds] or (whole and ids[item] != row["item"]):
            return f"event {row}: read as {ids[item]}, {value}"
    missing = len(sheet.log) - shop.interactions.height
    if missing > shop.problems.total:
        return f"{missing} events are gone, {shop.problems.total} problems are listed"
    return ""


def spoilt_series(folder: Path, seed: int) -> Spoilt:
    """Writes a file of series with faults, reads and forecasts it, and compares what was read."""
    source = random.Random(seed)
    steps, names = source.randrange(1, 40), [f"s{number}" for number in range(source.randrange(1, 4))]
    comma = source.random() < 0.3
    values = np.array([[source.randrange(1, 9_999) / 100 for _ in range(steps)] for _ in names])
    cells = [[f"{value:.2f}".replace(".", "," if comma else ".") for value in line] for line in values]
    spoilt: set[tuple[int, int]] = set()
    for _ in range(source.choice([0, 1, 2, 3])):
        place = (source.randrange(len(names)), source.randrange(steps))
        cells[place[0]][place[1]] = source.choice([*NO_NUMBERS, "1e200", "-1e150", "1e-200"])
        spoilt.add(place)
    separator = ";" if comma else source.choice([",", ";", "\t"])
    rows = [separator.join(["step", *names])]
    rows += [separator.join([str(step), *(line[step].replace("\n", " ") for line in cells)]) for step in range(steps)]
    file = folder / "series.csv"
    file.write_bytes(("\n".join(rows) + "\n").encode())
    damaged = source.random() < 0.3
    if damaged:
        _damage(source, file)
    season, horizon = source.choice([1, 2, 3, 4, 7, 12, 52]), source.randrange(1, 30)

    def read() -> str:
        series = read_series(file)
        made = forecast(
            series, season=season, horizon=horizon, models=["seasonal-naive", "linear", "attention", "theta"]
        )
        if not np.isfinite(made.mean[~made.abstained]).all():
            return "a forecast that is no number"
        if damaged:
            return ""
        same = [[(row, step) in spoilt or series.values[row, step] == values[row, step] for step in range(steps)]
                for row in range(len(names))]  # fmt: skip
        return "" if np.all(same) else "a value was read that nobody wrote"

    return _judged(read)
