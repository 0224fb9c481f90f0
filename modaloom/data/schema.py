"""``shop.toml``: how a merchant's files and columns become ours."""

from __future__ import annotations

import codecs
import difflib
import re
import tomllib
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Final, Literal, Self

import polars as pl
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from modaloom.data.cells import NULL_WORDS
from modaloom.errors import ShopError, ShopNotFoundError

Format = Literal["csv", "tsv", "parquet", "jsonl", "json", "xml", "xlsx", "list"]
ALTERNATIVE: Final = " | "
"""Between columns of which the first that is filled is taken: ``userId | anonymousId``."""
EventName = Literal["view", "search", "cart", "purchase", "rating", "like", "dislike", "return"]


def _joined(value: Any) -> Any:
    """A list of columns as one: the first that is filled is taken."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return ALTERNATIVE.join(value)
    return value


def _words(value: Any) -> Any:
    """One value or a list of them, as they stand in a cell."""
    parts = value if isinstance(value, list | tuple) else [value]
    return tuple(_word(part) for part in parts)


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Column = Annotated[str, BeforeValidator(_joined)]
"""A column of the file or a dotted path into nested records; a list of them: the first that is filled."""
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExtractSpec(_Section):
    """Columns that are cut out of another one: an item's id out of a path, for example."""

    column: Column
    """The column to read."""
    pattern: str
    """Regular expression with named groups; each group becomes a column: ``img/(?P<gender>[^/]+)/``."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that this makes."""
        return tuple(re.compile(self.pattern).groupindex)

    @field_validator("pattern")
    @classmethod
    def _has_named_groups(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
            pl.Series([""]).str.extract_groups(value)
        except (re.error, pl.exceptions.PolarsError) as error:
            raise ValueError(f"not a usable regular expression: {error}") from error
        if not groups:
            raise ValueError("name at least one group: (?P<name>...)")
        return value


class FileSpec(_Section):
    """One table on disk: where it is and how it is written."""

    file: str
    """Path below the shop's root; ``*`` and ``**`` gather several files."""
    format: Format | None = None
    """Guessed from the file's ending. ``list``: blank-separated columns (DeepFashion's lists)."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    header: bool = True
    """False: the file has no header line; its columns are called ``column_1``, ``column_2`` ..."""
    skip_lines: Annotated[int, Field(ge=0)] = 0
    """Lines before the header that are not part of the table."""
    encoding: str = "utf-8"
    """``gb18030`` for tables that a Chinese Excel has written."""
    extract: tuple[ExtractSpec, ...] = ()
    """Further columns, cut out of those in the file; they may be named like any other."""
    quoted: bool = True
    """False: quotation marks are ordinary letters (RecBole); else a cell in them may hold separators."""
    typed_header: bool = False
    """True: header cells look like ``user_id:token`` (RecBole); the part after the colon is dropped."""
    records: str | None = None
    """Where the rows are: a path below a JSON object (``data.products``), or the name of an XML element."""
    sheet: str | None = None
    """Of a workbook; the first one when absent."""
    optional: tuple[str, ...] = ()
    """Columns that an export may lack; their cells are empty then."""
    where: dict[str, Words] = {}
    """Rows to keep: column = value, or a list of values; ``""`` is an empty cell."""
    where_not: dict[str, Words] = {}
    """Rows to leave out, in the same way."""
    values: dict[str, dict[str, Annotated[str, BeforeValidator(_word)]]] = {}
    """By column: what its words mean (``"in stock" = 1``). Other cells stay as they are."""
    null_words: tuple[str, ...] = NULL_WORDS
    """Cells that say that nothing is there."""
    time_zone: str | None = None
    """Of times that name no zone, such as ``Europe/Berlin``; UTC when absent."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign of the table's numbers; decided from each column when absent, asked where that cannot be."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                pl.Series([datetime(2020, 1, 1)]).dt.replace_time_zone(value)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"unknown time zone {value!r}; write it as Europe/Berlin or Asia/Shanghai") from error
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(f"unknown encoding {value!r}; try utf-8 or gb18030") from error
        return value


class ItemColumns(_Section):
    """Our name = their column."""

    item_id: Column
    title: Column | None = None
    description: Column | None = None
    title_zh: Column | None = None
    title_en: Column | None = None
    description_zh: Column | None = None
    description_en: Column | None = None
    price: Column | None = None
    video: Column | None = None
    stock: Column | None = None
    released_at: Column | None = None
    release_rank: Column | None = None
    group_id: Column | None = None
    currency: Column | None = None
    sku: Column | None = None


class ImageSpec(_Section):
    """Where an item's pictures are: a template over its columns, or columns that hold paths."""

    template: str | None = None
    """``images/{item_id:.3}/{item_id}.jpg``: Python format syntax over ``item_id`` and the columns of the file."""
    column: Words | None = None
    """A column with a path below the shop's root, or several. Web addresses are not fetched: they are no picture."""
    separator: str | None = None
    """What stands between several paths in one cell of ``column``."""
    prefix: str = ""
    """What stands before every path of ``column``: ``media/catalog/product``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that are needed."""
        if self.template is None:
            return self.column or ()
        names = (name for _, name, _, _ in Formatter().parse(self.template) if name)
        return tuple(dict.fromkeys(name for name in names if name != "item_id"))

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.template is None) == (self.column is None):
            raise ValueError("say either template or column")
        return self

    @field_validator("template")
    @classmethod
    def _usable_template(cls, value: str | None) -> str | None:
        if value is None:
            return value
        names = {name: "0" for _, name, _, _ in Formatter().parse(value) if name}
        if not names:
            raise ValueError("it lacks {item_id}, so that every item would have the same picture")
        try:
            value.format_map(names)
        except (KeyError, IndexError, AttributeError, TypeError) as error:
            raise ValueError(f"only names of columns may stand in braces ({error})") from error
        return value


class VariantsSpec(_Section):
    """How rows that are sizes and colours of one garment become one item."""

    by: Column | None = None
    """The column whose equal values are one item, ``group_id`` or else ``item_id``; empty: the row's own id."""
    size: Column | None = None
    colour: Column | None = None
    options: tuple[tuple[Column, Column], ...] = ()
    """Pairs of columns, name and value of an option: the option called Size is the size, Color the colour."""
    children: Column | None = None
    """A column of the item's own row that lists the ids of its variants."""
    children_pattern: str = r"([^,|;\s]+)"
    """Finds each id in ``children``."""
    split_by_colour: bool = False
    """True: one item for each colour; they share a ``group_id``."""

    @field_validator("children_pattern")
    @classmethod
    def _one_group(cls, value: str) -> str:
        try:
            if re.compile(value).groups != 1:
                raise ValueError("it needs one group in parentheses, around the id")
        except re.error as error:
            raise ValueError(f"not a usable regular expression: {error}") from error
        return value


class ItemsSpec(FileSpec):
    """The catalogue."""

    columns: ItemColumns
    attributes: dict[str, Column] = {}
    """Open set: our attribute name = their column."""
    images: ImageSpec | None = None
    variants: VariantsSpec | Literal[False] | None = None
    """False: every row is an item. When absent, rows that share ``group_id`` and have a ``size`` are one item."""
    keep_first: bool = False
    """True: later rows with the same id are variants of the first, not mistakes (Shopify).

    The first row describes the item; pictures are gathered from all of its rows."""
    strip_html: bool = False
    date_format: str | None = None


class UsersSpec(FileSpec):
    """What is known of shoppers."""

    user_id: Column
    attributes: dict[str, Column] = {}


class InteractionColumns(_Section):
    """Our name = their column."""

    user_id: Column
    item_id: Column
    timestamp: Column | None = None
    event: Column | None = None
    value: Column | None = None
    query: Column | None = None
    session_id: Column | None = None


class InteractionsSpec(FileSpec):
    """The behaviour log."""

    columns: InteractionColumns
    event: EventName = "purchase"
    """What every row means, where there is no event column."""
    events: dict[str, EventName] = {}
    """Their value of the event column = ours. Values that are missing here are skipped and counted."""
    date_format: str | None = None
    """strftime pattern; ``s``, ``ms``, ``us`` or ``ns`` for numbers since 1970; guessed when absent."""


class FeatureSpec(_Section):
    """Vectors that the shop brings itself, one row per item."""

    file: str
    by: Literal["item_id", "row"] = "item_id"
    """``item_id``: row r belongs to the item whose id is the number r. ``row``: to the r-th item of the catalogue."""


class EvaluationSpec(_Section):
    """What success means in this shop."""

    target_events: tuple[EventName, ...] | None = None
    """Events that count as success; default: purchases if there are any, else every event with an item."""
    exclude_seen: bool = True
    """Whether what somebody already has is never recommended to them again."""

    @field_validator("target_events")
    @classmethod
    def _not_empty(cls, value: tuple[EventName, ...] | None) -> tuple[EventName, ...] | None:
        if value is not None and not value:
            raise ValueError("name at least one event")
        return value


class ShopSpec(_Section):
    """The whole of ``shop.toml``."""

    name: str
    language: Literal["zh", "en"] = "en"
    currency: str = Field(default="", max_length=8)
    """What stands before a price on the page."""
    labels: dict[Literal["zh", "en"], dict[str, dict[str, str]]] = {}
    """What the page calls an attribute's values, by language, attribute and value."""
    items: ItemsSpec | None = None
    users: UsersSpec | None = None
    interactions: InteractionsSpec | None = None
    features: dict[Literal["image", "text"], FeatureSpec] = {}
    evaluation: EvaluationSpec = EvaluationSpec()


def read_spec(file: Path) -> ShopSpec:
    """Reads and checks a ``shop.toml``.

    Raises:
        ShopNotFoundError: no such file.
        ShopError: not TOML, or fields unknown or wrong; all of them are named at once.
    """
    try:
        fields = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows' editor begins its files with a mark
    except FileNotFoundError as error:
        raise ShopNotFoundError(
            "no such file", where=file, hint="See docs/shop.md for how to write a shop.toml"
        ) from error
    except UnicodeDecodeError as error:
        raise ShopError(f"this is not UTF-8: {error}", where=file, hint="Save it again as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ShopError(f"this is not valid TOML: {error}", where=file) from error
    try:
        spec = ShopSpec.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(_explain(fault["loc"], fault["msg"], fault["type"]) for fault in error.errors())
        raise ShopError(faults, where=file, hint="docs/shop.md lists every field") from error
    if spec.items is None and spec.interactions is None:
        raise ShopError("neither [items] nor [interactions] is there", where=file, hint="docs/shop.md shows both")
    return spec


def _explain(place: tuple[int | str, ...], message: str, kind: str) -> str:
    path = ".".join(str(part) for part in place)
    if kind != "extra_forbidden":
        return f"{path}: {message}"
    near = difflib.get_close_matches(str(place[-1]), _known_fields(), n=1)
    return f"{path}: unknown field" + (f", did you mean {near[0]!r}?" if near else "")


def _known_fields() -> list[str]:
    sections = (
        ShopSpec,
        ExtractSpec,
        ItemsSpec,
        ItemColumns,
        ImageSpec,
        VariantsSpec,
        UsersSpec,
        InteractionsSpec,
        InteractionColumns,
    )
    return sorted({name for section in (*sections, FeatureSpec, EvaluationSpec) for name in section.model_fields})
