"""The catalogue: columns are read as wholes, rows become items, and a bad cell is emptied and listed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data.cells import LIST_SEPARATOR, fractions_matter, is_bad_id, to_id, to_text, without_html
from modaloom.data.numbers import NumberColumn, Numbers, no_numbers
from modaloom.data.problems import Problems
from modaloom.data.schema import ImageSpec, ItemsSpec
from modaloom.data.tables import Batch, Reading
from modaloom.data.times import TimeColumn
from modaloom.data.variants import differ_in_size, keys_of, merged, variant_columns, variants_of
from modaloom.types import ATTRIBUTE_PREFIX, CURRENCY_ATTRIBUTE, ITEM_COLUMNS, BoolArray

LARGEST_STOCK = 2**53
"""More pieces than this cannot be counted exactly, and nobody has them."""
STOCK_WORDS: Final[dict[str, float | None]] = {
    **dict.fromkeys(("in stock", "in_stock", "instock", "available", "yes", "true", "有货", "现货", "在售"), 1.0),
    **dict.fromkeys(
        ("out of stock", "out_of_stock", "outofstock", "sold out", "soldout", "unavailable", "discontinued", "no",
         "false", "无货", "缺货", "售罄", "下架"), 0.0
    ),
    **dict.fromkeys(("preorder", "pre-order", "pre order", "backorder", "back order", "on backorder", "onbackorder",
                     "available for order", "limited availability", "预售"), None),
}  # fmt: skip
"""What shops write in the place of a number of pieces. What can be ordered without a known stock has none."""
_TEXT_COLUMNS = (
    "title", "description", "title_zh", "title_en", "description_zh", "description_en", "group_id", "video", "currency",
)  # fmt: skip
_NUMBER_COLUMNS = ("price", "stock", "release_rank")


@dataclass
class Catalogue:
    """An item table, and what else the catalogue says."""

    items: pl.DataFrame
    aliases: dict[str, str] = field(default_factory=dict)
    """Ids of variants and stock keeping units, and the item that each belongs to."""
    keep_fraction: bool = False
    """Whether ``12.0`` and ``12`` are different ids here."""
    currency: str | None = None
    """The one currency that all prices name."""


class _Rows:
    """All rows of a table, column by column, and where each of them stands."""

    def __init__(self, reading: Reading):
        self.reading = reading
        self.batches = [*reading.batches()]
        self.frame = _joined([batch.frame for batch in self.batches])
        self.starts = np.cumsum([0, *(batch.frame.height for batch in self.batches)])

    def note(self, kind: str, marked: BoolArray, column: str | None, *, skip: bool = False) -> None:
        """Lists the rows that are marked; with ``skip`` they count as bad."""
        for batch, start, stop in zip(self.batches, self.starts, self.starts[1:], strict=False):
            part = marked[start:stop]
            if part.any():
                (self.reading.skip_rows if skip else self.reading.note_rows)(kind, batch, part, column)

    def place(self, row: int) -> tuple[Batch, int]:
        """The batch of a row, and its number there."""
        which = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.batches[which], row - int(self.starts[which])


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Frames one below the other; columns that are of several kinds become text."""
    if not frames:
        return pl.DataFrame()
    kinds = {name: {frame.schema[name] for frame in frames} for name in frames[0].columns}
    mixed = [name for name, found in kinds.items() if len(found) > 1]
    if mixed:
        frames = [frame.with_columns(to_text(frame[name]).rename(name) for name in mixed) for frame in frames]
    return pl.concat(frames)


def read_item_table(spec: ItemsSpec, root: Path, problems: Problems, settings: Settings) -> Catalogue:
    """The catalogue; a bad price or date is emptied and listed, the item stays.

    Raises:
        ShopError: the file is unusable, or too many of its rows are.
        ColumnError: a column is missing, or its numbers or dates can be read in two ways.
    """
    wanted = spec.columns.model_dump(exclude_none=True)
    variants = variants_of(spec)
    images = spec.images.columns if spec.images else ()
    extra = variant_columns(variants) if variants else ()
    columns = tuple(dict.fromkeys([*wanted.values(), *spec.attributes.values(), *images, *extra]))
    own = [wanted[name] for name in ("item_id", "sku", "price", "stock") if name in wanted]
    reading = Reading(root, spec, columns, problems, row_columns=_raw((*own, *extra)), list_columns=_raw(images))
    if variants and (variants.by or spec.columns.group_id or spec.columns.item_id) == spec.columns.item_id:
        reading.fill_over = spec.columns.item_id
    rows = _Rows(reading)
    if reading.rows == 0 or rows.frame.height == 0:
        reading.refuse_if_too_bad(settings, 0)
    catalogue = _Catalogues(spec, rows, wanted).read()
    reading.refuse_if_too_bad(settings, catalogue.items.height)
    if reading.left_out:
        problems.facts.append(f"{spec.file}: where left out {reading.left_out:,} rows")
    return catalogue


def _raw(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for name in columns for part in name.split(" | ")))


class _Catalogues:
    """Turns the rows of one catalogue into items."""

    def __init__(self, spec: ItemsSpec, rows: _Rows, wanted: dict[str, str]):
        self.spec, self.rows, self.wanted = spec, rows, wanted
        self.where = str(rows.reading.root / spec.file)
        raw = rows.frame[wanted["item_id"]]
        self.keep_fraction = fractions_matter(to_text(raw)) if raw.dtype == pl.String else False
        self.ids = to_id(raw, keep_fraction=self.keep_fraction)
        self.flags = False

    def read(self) -> Catalogue:
        """The items, their variants' ids and their currency."""
        usable = self._usable()
        variants, frame = variants_of(self.spec), self.rows.frame
        keys = self.ids
        if variants:
            keys = keys_of(self.spec, variants, frame, self.ids, self.keep_fraction)
            if self.spec.variants is None and not differ_in_size(variants, frame, keys):
                variants, keys = None, self.ids
        keep = usable if variants else self._first_of_each(usable)
        table = self._columns(keep)
        if variants:
            chosen = pl.Series(keep)
            rows = table.with_columns(key=keys).filter(chosen)
            result = merged(self.spec, variants, rows, frame.filter(chosen), flags=self.flags)
            items = result.items
            item_of_row = np.full(len(keep), -1, dtype=np.int64)
            item_of_row[np.flatnonzero(keep)] = result.item_of_row.fill_null(-1).to_numpy()
            if items.height < rows.height:
                fact = f"{self.spec.file}: {rows.height:,} rows are sizes and colours of {items.height:,} items"
                self.rows.reading.problems.facts.append(fact)
        else:
            items = table.filter(pl.Series(keep))
            item_of_row = _numbered(self.ids, items["item_id"], usable)
        items, currency = self._currency(items)
        items = self._with_images(items, item_of_row, usable & (keep | self.spec.keep_first))
        return Catalogue(_fill_titles(items), self._aliases(items, item_of_row), self.keep_fraction, currency)

    def _usable(self) -> BoolArray:
        """Rows with an id that can be kept."""
        missing, bad = self.ids.is_null().to_numpy(), is_bad_id(self.ids).to_numpy()
        self.rows.note("missing item id", missing, None, skip=True)
        self.rows.note("bad item id", bad, self.wanted["item_id"], skip=True)
        return np.asarray(~missing & ~bad)

    def _first_of_each(self, usable: BoolArray) -> BoolArray:
        """The first row of every id; the others are listed unless they are meant."""
        first = (self.ids.is_first_distinct().to_numpy() & usable).astype(bool)
        if not self.spec.keep_first:
            self.rows.note("duplicate item id", usable & ~first, self.wanted["item_id"])
        return np.asarray(first)

    def _columns(self, keep: BoolArray) -> pl.DataFrame:
        """The item table's columns for every row."""
        frame, data = self.rows.frame, {"item_id": self.ids.rename("item_id")}
        for name in _TEXT_COLUMNS:
            text = self._text(self.wanted.get(name))
            data[name] = without_html(text) if self.spec.strip_html and name.startswith(("title", "descr")) else text
        numbers = {name: self._numbers(name, keep) for name in _NUMBER_COLUMNS}
        data |= {name: one.values for name, one in numbers.items()}
        named = numbers["price"].currency
        if named is not None:
            data["currency"] = pl.select(pl.coalesce(named, data["currency"])).to_series()
        data["released_at"] = self._times(keep)
        for name, column in self.spec.attributes.items():
            data[ATTRIBUTE_PREFIX + name] = to_text(frame[column]).str.replace_all(LIST_SEPARATOR, " ", literal=True)
        return pl.DataFrame([cells.rename(name) for name, cells in data.items()])

    def _text(self, column: str | None) -> pl.Series:
        if column is None:
            return pl.Series([None], dtype=pl.String).new_from_index(0, self.rows.frame.height)
        return to_text(self.rows.frame[column])

    def _numbers(self, name: str, keep: BoolArray) -> Numbers:
        column = self.wanted.get(name)
        if column is None:
            return no_numbers(name, self.rows.frame.height)
        cells, known = self.rows.frame[column], None
        if name == "stock" and cells.dtype in (pl.String, pl.Boolean):
            cells, known = self._stock_words(to_text(cells))
        numbers = NumberColumn(column, self.spec.decimal, where=self.where).read(cells)
        values, bad = numbers.values, numbers.bad
        if known is not None:
            values = pl.select(pl.coalesce(known, values)).to_series()
        if name == "stock":
            large = (values.abs() >= LARGEST_STOCK).fill_null(False)
            values, bad = pl.select(pl.when(~large).then(values.floor())).to_series(), bad | large.to_numpy()
        self.rows.note(f"bad {name}", bad & keep, column)
        return Numbers(values, bad, numbers.currency)

    def _stock_words(self, text: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The cells that are left to be numbers, and what words among the others mean."""
        plain = text.str.to_lowercase()
        words = plain.is_in(list(STOCK_WORDS)).fill_null(False)
        known = plain.replace_strict(STOCK_WORDS, default=None, return_dtype=pl.Float64)
        mapped = set(self.spec.values.get(self.wanted["stock"], {}).values()) <= {"0", "1"}
        rest = pl.select(pl.when(~words).then(text)).to_series()
        flags = set(rest.drop_nulls().unique().to_list()) <= {"0", "1"}
        self.flags = flags and (bool(words.any()) or (mapped and self.wanted["stock"] in self.spec.values))
        return rest, known

    def _times(self, keep: BoolArray) -> pl.Series:
        column = self.wanted.get("released_at")
        if column is None:
            return pl.Series([None], dtype=pl.Int64).new_from_index(0, self.rows.frame.height)
        reader = TimeColumn(column, self.spec.date_format, self.spec.time_zone, self.where)
        times = reader.read(self.rows.frame[column])
        self.rows.note("bad date", times.bad & keep, column)
        self.rows.note("missing date", times.never & keep, column)
        return times.seconds

    def _currency(self, items: pl.DataFrame) -> tuple[pl.DataFrame, str | None]:
        """The currency of all prices; where there are several, each item keeps its own as an attribute."""
        priced = items.filter(pl.col("price").is_not_null())
        named = priced["currency"].drop_nulls().unique().to_list()
        if len(named) > 1:
            items = items.with_columns(pl.col("currency").alias(ATTRIBUTE_PREFIX + CURRENCY_ATTRIBUTE))
        single = named[0] if len(named) == 1 and not priced["currency"].null_count() else None
        return items.drop("currency"), single

    def _aliases(self, items: pl.DataFrame, item_of_row: np.ndarray) -> dict[str, str]:
        """Ids of rows that became part of another item, and their stock keeping units."""
        owner = pl.Series(item_of_row)
        there = owner >= 0
        item_ids = items["item_id"].gather(owner.filter(there))
        aliases: dict[str, str] = {}
        sku = self.wanted.get("sku")
        for column in [self.ids] + ([to_id(self.rows.frame[sku], keep_fraction=self.keep_fraction)] if sku else []):
            pairs = pl.DataFrame({"alias": column.filter(there), "item": item_ids}).drop_nulls()
            for alias, item in pairs.filter(pl.col("alias") != pl.col("item")).iter_rows():
                aliases.setdefault(alias, item)
        known = set(items["item_id"].to_list()) if aliases else set()
        return {alias: item for alias, item in aliases.items() if alias not in known}

    def _with_images(self, items: pl.DataFrame, item_of_row: np.ndarray, used: BoolArray) -> pl.DataFrame:
        """Adds the ``images`` column: the pictures that are really there, those of the first row first."""
        images = self.spec.images
        named: list[dict[str, None]] = [{} for _ in range(items.height)]
        if images:
            paths = _paths(images, self.rows.frame, self.ids)
            for row, (num, names) in enumerate(zip(item_of_row.tolist(), paths, strict=True)):
                if num >= 0 and used[row]:
                    named[num].update((path, None) for path in names if self._is_there(path, row, named[num]))
        cells = pl.Series("images", [list(paths) for paths in named], dtype=pl.List(pl.String))
        attributes = [name for name in items.columns if name.startswith(ATTRIBUTE_PREFIX)]
        items = items.with_columns(cells, pl.col("stock").cast(pl.Int64))
        return items.select(*ITEM_COLUMNS, *attributes)

    def _is_there(self, path: str, row: int, known: dict[str, None]) -> bool:
        """Whether a path is a picture below the shop's root; lists those that cannot be one."""
        if path in known:
            return True
        reading = self.rows.reading
        if "://" in path or path.startswith("//"):
            kind = "picture is a web address"
        elif not _stays_inside(path):
            kind = "picture outside the shop"
        else:
            kind = "unusable picture path"
            with contextlib.suppress(OSError, ValueError):  # longer than a name can be
                if "\0" not in path:
                    return (reading.root / path).is_file()
        batch, place = self.rows.place(row)
        shown = path if len(path) <= 200 else f"{path[:150]}... ({len(path)} characters)"
        reading.counts[kind] += 1
        reading.problems.add(kind, batch.file, int(batch.lines[place]), shown)
        return False


def _numbered(ids: pl.Series, item_ids: pl.Series, usable: BoolArray) -> np.ndarray:
    """Number of the item of each row; -1 where there is none."""
    table = pl.DataFrame({"id": item_ids, "num": pl.int_range(len(item_ids), eager=True)})
    joined = ids.rename("id").to_frame().join(table, on="id", how="left", maintain_order="left")
    nums = joined["num"].fill_null(-1).to_numpy().copy()
    nums[~usable] = -1
    return nums


def _paths(images: ImageSpec, frame: pl.DataFrame, ids: pl.Series) -> Iterator[list[str]]:
    """The paths that each row names."""
    if images.template:
        columns = [to_text(frame[name]).to_list() for name in images.columns]
        for item_id, *parts in zip(ids.to_list(), *columns, strict=True):
            values = dict(zip(images.columns, parts, strict=True))
            complete = item_id is not None and None not in parts
            yield [images.template.format_map({"item_id": item_id, **values})] if complete else []
        return
    for cells in zip(*(to_text(frame[name]).to_list() for name in images.columns), strict=True):
        paths: list[str] = []
        for cell in cells:
            for line in (cell or "").split(LIST_SEPARATOR):
                names = line.split(images.separator) if images.separator else [line]
                paths += [_prefixed(images.prefix, name.strip()) for name in names if name.strip()]
        yield paths


def _prefixed(prefix: str, path: str) -> str:
    if not prefix or "://" in path:
        return path
    return f"{prefix.rstrip('/')}/{path.lstrip('/')}"


def _stays_inside(path: str) -> bool:
    """Whether a path points below the shop's root: pictures are shown to shoppers, other files must not be."""
    return not Path(path).is_absolute() and ".." not in Path(path).parts


def _fill_titles(items: pl.DataFrame) -> pl.DataFrame:
    """A shop with translations only still has a main title, and the other way round nothing is invented."""
    return items.with_columns(
        title=pl.coalesce("title", "title_en", "title_zh"),
        description=pl.coalesce("description", "description_en", "description_zh"),
    )
