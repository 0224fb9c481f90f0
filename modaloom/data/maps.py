"""The maps of well-known exports that come with Modaloom, and which of them fits a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from modaloom.data.cells import to_text
from modaloom.data.records import parse_path
from modaloom.data.schema import ALTERNATIVE, FileSpec, ItemsSpec, ShopSpec, read_spec
from modaloom.data.sniff import sample_of
from modaloom.data.tables import columns_of
from modaloom.data.variants import variant_columns
from modaloom.errors import ModaloomError, ShopNotFoundError

Section = Literal["items", "users", "interactions"]
SECTIONS: Final[tuple[Section, ...]] = ("items", "users", "interactions")
LEAST_COLUMNS, LEAST_SHARE = 3, 0.5
"""So many of a map's columns, and so large a share, must be in a file before it is thought to be of the map's kind."""
KNOWN_EVENTS = 0.5
"""Share of the rows of a file without a header whose event a map must know."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A section of a map that fits a file."""

    map_name: str
    section: Section
    columns: int
    """Number of the section's columns that the file has."""


def maps_folder() -> Path:
    """Where the maps lie: inside the installed package, or beside it in its source tree."""
    package = Path(__file__).parents[1]
    inside = package / "maps"
    return inside if inside.is_dir() else package.parent / "examples" / "shops"


def map_names() -> list[str]:
    """Names of all maps."""
    return sorted(file.stem for file in maps_folder().glob("*.toml"))


def map_text(name: str) -> str:
    """One map as it is written.

    Raises:
        ShopNotFoundError: no such map; names those that there are.
    """
    if name not in map_names():
        raise ShopNotFoundError(f"no map {name!r}", hint=f"There are: {', '.join(map_names())}")
    return (maps_folder() / f"{name}.toml").read_text(encoding="utf-8")


def map_spec(name: str) -> ShopSpec:
    """One map as it is understood."""
    return read_spec(maps_folder() / f"{name}.toml")


def summary_of(name: str) -> str:
    """The first sentence of a map's comment."""
    lines = [line.lstrip("# ") for line in map_text(name).splitlines() if line.startswith("#")]
    return re.split(r"(?<=[.:])\s", " ".join(lines))[0].rstrip(":.")


def blocks_of(text: str, section: Section) -> str:
    """The tables of one section of a map, with their comments."""
    blocks = re.split(r"(?m)^(?=\[)", text)
    return "".join(block for block in blocks if re.match(rf"\[\[?{section}[.\]]", block)).rstrip() + "\n"


def columns_needed(spec: FileSpec) -> tuple[str, ...]:
    """All columns that a section names, alternatives as one."""
    names: list[str | None] = [*getattr(spec, "attributes", {}).values(), getattr(spec, "user_id", None)]
    columns = getattr(spec, "columns", None)
    names += columns.model_dump(exclude_none=True).values() if columns else []
    if isinstance(spec, ItemsSpec):
        names += variant_columns(spec.variants) if spec.variants else ()
        names += spec.images.columns if spec.images else ()
    made = {name for extract in spec.extract for name in extract.names}
    names += [extract.column for extract in spec.extract] + list(spec.where) + list(spec.where_not)
    return tuple(dict.fromkeys(name for name in names if name and name not in made))


def fitting(file_spec: FileSpec, root: Path) -> Fit | None:
    """The section of a map that fits a file best."""
    found = []
    for name in map_names():
        shop = map_spec(name)
        for section in SECTIONS:
            spec: FileSpec | None = getattr(shop, section)
            if spec is not None and (number := _columns_met(spec, file_spec, root)) >= LEAST_COLUMNS:
                found.append(Fit(name, section, number))
    return max(found, key=lambda fit: fit.columns, default=None)


def _columns_met(spec: FileSpec, file_spec: FileSpec, root: Path) -> int:
    """How many columns of a map's section a file has; 0 where one that is needed is missing."""
    if spec.typed_header != file_spec.typed_header or spec.header != file_spec.header:
        return 0
    whole = spec.model_copy(update={"file": file_spec.file, "format": file_spec.format or spec.format})
    try:
        there = set(columns_of(whole.model_copy(update={"encoding": file_spec.encoding}), root))
    except ModaloomError:
        return 0
    met, needed = 0, columns_needed(spec)
    for column in needed:
        parts = column.split(ALTERNATIVE)
        if column in there or any(part in there or _root_of(part) in there for part in parts):
            met += 1
        elif not set(parts) & set(spec.optional):
            return 0
    if met < LEAST_SHARE * len(needed):
        return 0
    return met if spec.header or _knows_events(spec, whole, root) else 0


def _root_of(path: str) -> str:
    steps = parse_path(path)
    return steps[0].name if len(steps) > 1 or steps[0].every else path


def _knows_events(spec: FileSpec, whole: FileSpec, root: Path) -> bool:
    """Of a file without names of columns, its events tell whose it is."""
    events = set(getattr(spec, "events", {}))
    column = getattr(getattr(spec, "columns", None), "event", None)
    if not events or column is None:
        return False
    batch = sample_of(whole, root, (column,))
    if batch is None or not batch.frame.height:
        return False
    known = to_text(batch.frame[column]).is_in(pl.Series(sorted(events)).implode())
    return int(known.sum()) >= KNOWN_EVENTS * batch.frame.height
