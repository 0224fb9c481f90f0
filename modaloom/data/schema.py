"""``shop.toml``: how a merchant's files and columns become ours."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from modaloom.errors import ShopError, ShopNotFoundError
from modaloom.types import Event

EVENT_NAMES = tuple(event.name.lower() for event in Event)
Format = Literal["csv", "tsv", "parquet", "jsonl", "list"]
EventName = Literal["view", "search", "cart", "purchase", "rating", "like", "dislike", "return"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    typed_header: bool = False
    """True: header cells look like ``user_id:token`` (RecBole); the part after the colon is dropped."""


class ItemColumns(_Section):
    """Our name = their column. Several columns for a text are joined with spaces."""

    item_id: str
    title: str | None = None
    description: str | None = None
    title_zh: str | None = None
    title_en: str | None = None
    description_zh: str | None = None
    description_en: str | None = None
    price: str | None = None
    video: str | None = None
    stock: str | None = None
    released_at: str | None = None
    release_rank: str | None = None
    group_id: str | None = None


class ImageSpec(_Section):
    """Where an item's pictures are: a template over its id, or a column that holds paths."""

    template: str | None = None
    """``images/{item_id:.3}/{item_id}.jpg``: Python format syntax over ``item_id``."""
    column: str | None = None
    """A column with a path below the shop's root. Web addresses are not fetched: they count as no picture."""


class ItemsSpec(FileSpec):
    """The catalogue."""

    columns: ItemColumns
    attributes: dict[str, str] = {}
    """Open set: our attribute name = their column."""
    images: ImageSpec | None = None
    keep_first: bool = False
    """True: later rows with the same id are variants of the first, not mistakes (Shopify)."""
    strip_html: bool = False
    date_format: str | None = None


class UsersSpec(FileSpec):
    """What is known of shoppers."""

    user_id: str
    attributes: dict[str, str] = {}


class InteractionColumns(_Section):
    """Our name = their column."""

    user_id: str
    item_id: str
    timestamp: str | None = None
    event: str | None = None
    value: str | None = None
    query: str | None = None
    session_id: str | None = None


class InteractionsSpec(FileSpec):
    """The behaviour log."""

    columns: InteractionColumns
    event: EventName = "purchase"
    """What every row means, where there is no event column."""
    events: dict[str, EventName] = {}
    """Their value of the event column = ours. Values that are missing here are skipped and counted."""
    date_format: str | None = None
    """strftime pattern; ``s`` or ``ms`` for numbers since 1970; guessed when absent."""


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
        fields = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ShopNotFoundError("no such file", where=file, hint="See docs/shop.md for how to write a shop.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
    sections = (ShopSpec, ItemsSpec, ItemColumns, ImageSpec, UsersSpec, InteractionsSpec, InteractionColumns)
    return sorted({name for section in (*sections, FeatureSpec, EvaluationSpec) for name in section.model_fields})
