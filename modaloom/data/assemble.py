"""Puts what the tables hold into the columns of :mod:`modaloom.types`."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data.cells import to_text, to_time
from modaloom.data.numbers import NumberColumn, no_numbers
from modaloom.data.numbering import Numbering
from modaloom.data.problems import Problems
from modaloom.data.schema import FeatureSpec, InteractionsSpec, ItemsSpec, ShopSpec, UsersSpec
from modaloom.data.tables import Batch, Reading
from modaloom.errors import ShopError, ShopNotFoundError, TooManyBadRowsError
from modaloom.types import ATTRIBUTE_PREFIX, INTERACTION_COLUMNS, ITEM_COLUMNS, BoolArray, Event, IntArray, Tokens

TOLERATED_BAD_ROWS = 5
"""However small the file, this many bad rows never stop a run."""
TOLERATED_UNKNOWN_SHARE = 0.5
"""Logs outlive catalogues; but a log of which more than this share is unknown belongs to another shop."""
LARGEST_STOCK = 2**53
"""More pieces than this cannot be counted exactly, and nobody has them."""
FUTURE_SLACK_S = 36 * 3600
"""Clocks and time zones differ; later than this after now is an error."""

_TAGS = re.compile(r"<[^>]+>")
_TEXT_COLUMNS = (
    "title",
    "description",
    "title_zh",
    "title_en",
    "description_zh",
    "description_en",
    "group_id",
    "video",
)
_NUMBER_COLUMNS = ("price", "stock", "release_rank")


def _refuse_if_too_bad(reading: Reading, settings: Settings, kept: int) -> None:
    where = reading.root / reading.spec.file
    if reading.rows == 0:
        raise ShopError("the file has no rows", where=where, hint="Export it again")
    most = max(TOLERATED_BAD_ROWS, settings.max_bad_share * reading.rows)
    if reading.garbled > most:
        raise TooManyBadRowsError(
            f"{reading.garbled:,} of {reading.rows:,} rows have letters that are no {reading.spec.encoding}",
            where=where,
            hint="Say encoding in shop.toml (gb18030 for a Chinese Excel), save it as UTF-8, or raise max_bad_share",
        )
    if kept and reading.bad <= most:
        return
    kinds = sorted(reading.bad_kinds if kept else reading.counts)
    examples = [str(problem) for kind in kinds for problem in reading.problems.of(kind)[:2]]
    lost = reading.bad if kept else reading.rows
    raise TooManyBadRowsError(
        f"{lost:,} of {reading.rows:,} rows cannot be used, for example {'; '.join(examples[:4])}",
        where=where,
        hint="Correct the file or shop.toml (columns, date_format, separator), or raise max_bad_share",
    )


def read_item_table(spec: ItemsSpec, root: Path, problems: Problems, settings: Settings) -> pl.DataFrame:
    """The catalogue: first row of each id; a bad price or date is emptied and listed, the item stays."""
    wanted = spec.columns.model_dump(exclude_none=True)
    columns = list(dict.fromkeys([*wanted.values(), *spec.attributes.values()]))
    if spec.images and spec.images.column:
        columns = list(dict.fromkeys([*columns, spec.images.column]))
    reading = Reading(root, spec, tuple(columns), problems)
    frames: list[pl.DataFrame] = []
    pictures: list[pl.DataFrame] = []
    seen = Numbering()
    numbers = _number_columns(reading, {name: wanted[name] for name in _NUMBER_COLUMNS if name in wanted})
    for batch in reading.batches():
        frame, paths = _item_batch(spec, wanted, reading, batch, seen, numbers)
        frames.append(frame)
        pictures.append(paths)
    items = pl.concat(frames) if frames else pl.DataFrame()
    _refuse_if_too_bad(reading, settings, items.height)
    return _with_images(items, pl.concat(pictures), spec, reading)


def _item_batch(
    spec: ItemsSpec,
    wanted: dict[str, str],
    reading: Reading,
    batch: Batch,
    seen: Numbering,
    numbers: dict[str, NumberColumn],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The new items of one batch in our columns, and the picture that each usable row names."""
    ids = to_text(batch.frame[wanted["item_id"]])
    reading.skip_rows("missing item id", batch, ids.is_null().to_numpy())
    known = len(seen)
    nums = seen.number(ids, grow=True)
    _, first_rows = np.unique(nums, return_index=True)
    first: BoolArray = np.zeros(len(ids), dtype=bool)
    first[first_rows] = True
    keep: BoolArray = first & (nums >= known)
    if not spec.keep_first:
        reading.note_rows("duplicate item id", batch, ~keep & (nums >= 0), wanted["item_id"])
    data: dict[str, pl.Series] = {"item_id": ids}
    for name in _TEXT_COLUMNS:
        data[name] = _text_cell(batch, wanted.get(name), spec.strip_html and name.startswith(("title", "descr")))
    for name in _NUMBER_COLUMNS:
        data[name] = _number_cell(reading, batch, numbers.get(name), name, keep)
    data["released_at"] = _time_cell(reading, batch, wanted.get("released_at"), spec.date_format, keep)
    paths = pl.DataFrame(
        {
            "num": nums,
            "path": _text_cell(batch, spec.images.column if spec.images else None, False),
            "line": batch.lines,
        }
    )
    paths = paths.filter(pl.Series((nums >= 0) & (keep | spec.keep_first)) & pl.col("path").is_not_null())
    for name, column in spec.attributes.items():
        data[ATTRIBUTE_PREFIX + name] = to_text(batch.frame[column])
    frame = pl.DataFrame({name: cells.rename(name) for name, cells in data.items()})
    return _fill_titles(frame).filter(pl.Series(keep)), paths


def _fill_titles(frame: pl.DataFrame) -> pl.DataFrame:
    """A shop with translations only still has a main title, and the other way round nothing is invented."""
    return frame.with_columns(
        title=pl.coalesce("title", "title_en", "title_zh"),
        description=pl.coalesce("description", "description_en", "description_zh"),
        stock=pl.col("stock").cast(pl.Int64),
    )


def _text_cell(batch: Batch, column: str | None, strip_html: bool) -> pl.Series:
    if column is None:
        return pl.Series([None] * batch.frame.height, dtype=pl.String)
    text = to_text(batch.frame[column])
    if strip_html:
        plain = [None if cell is None else " ".join(html.unescape(_TAGS.sub(" ", cell)).split()) for cell in text]
        return to_text(pl.Series(plain, dtype=pl.String))
    return text


def _number_columns(reading: Reading, wanted: dict[str, str]) -> dict[str, NumberColumn]:
    """A reader of numbers for each of our names."""
    where = str(reading.root / reading.spec.file)
    return {name: NumberColumn(column, reading.spec.decimal, where=where) for name, column in wanted.items()}


def _number_cell(reading: Reading, batch: Batch, numbers: NumberColumn | None, name: str, keep: BoolArray) -> pl.Series:
    if numbers is None:
        return no_numbers(name, batch.frame.height).values
    values, bad, _ = numbers.read(batch.frame[numbers.column])
    if name == "stock":
        too_large = (values.abs() >= LARGEST_STOCK).fill_null(False).to_numpy()
        values, bad = pl.select(pl.when(~pl.Series(too_large)).then(values)).to_series(), bad | too_large
    reading.note_rows(f"bad {name}", batch, bad & keep, numbers.column)
    return values


def _time_cell(
    reading: Reading, batch: Batch, column: str | None, date_format: str | None, keep: BoolArray
) -> pl.Series:
    if column is None:
        return pl.Series([None] * batch.frame.height, dtype=pl.Int64)
    times, bad = to_time(batch.frame[column], date_format)
    reading.note_rows("bad date", batch, bad & keep, column)
    return times


def _with_images(items: pl.DataFrame, pictures: pl.DataFrame, spec: ItemsSpec, reading: Reading) -> pl.DataFrame:
    """Adds the ``images`` column: the pictures that are really there, those of the first row first."""
    named: list[list[str]] = [[] for _ in range(items.height)]
    if spec.images and spec.images.template:
        template = spec.images.template
        named = [[template.format(item_id=item_id)] for item_id in items["item_id"]]
    separator = spec.images.separator if spec.images else None
    for num, cell, line in pictures.iter_rows():
        for path in cell.split(separator) if separator else [cell]:
            named[num].append(path.strip())
            if "://" not in path and not _stays_inside(path):
                reading.problems.add("picture outside the shop", spec.file, line, path)
    there = [[path for path in dict.fromkeys(paths) if _is_there(reading.root, path)] for paths in named]
    images = pl.Series("images", there, dtype=pl.List(pl.String))
    attributes = [name for name in items.columns if name.startswith(ATTRIBUTE_PREFIX)]
    return items.with_columns(images).select(*ITEM_COLUMNS, *attributes)


def _stays_inside(path: str) -> bool:
    """Whether a path points below the shop's root: pictures are shown to shoppers, other files must not be."""
    return not Path(path).is_absolute() and ".." not in Path(path).parts


def _is_there(root: Path, path: str) -> bool:
    return bool(path) and "://" not in path and _stays_inside(path) and (root / path).is_file()


def read_user_table(spec: UsersSpec, root: Path, problems: Problems, settings: Settings) -> pl.DataFrame:
    """What is known of shoppers, the first row of each id."""
    columns = tuple(dict.fromkeys([spec.user_id, *spec.attributes.values()]))
    reading = Reading(root, spec, columns, problems)
    frames = []
    for batch in reading.batches():
        ids = to_text(batch.frame[spec.user_id])
        reading.skip_rows("missing user id", batch, ids.is_null().to_numpy())
        data = {"user_id": ids.rename("user_id")}
        for name, column in spec.attributes.items():
            data[ATTRIBUTE_PREFIX + name] = to_text(batch.frame[column]).rename(ATTRIBUTE_PREFIX + name)
        frames.append(pl.DataFrame(data).filter(ids.is_not_null()))
    users = pl.concat(frames).unique("user_id", keep="first", maintain_order=True) if frames else pl.DataFrame()
    _refuse_if_too_bad(reading, settings, users.height)
    return users


def read_interaction_table(
    spec: ShopSpec,
    root: Path,
    items: pl.DataFrame | None,
    users: pl.DataFrame | None,
    problems: Problems,
    settings: Settings,
    *,
    grow: bool = True,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Items, users and interactions. Users grow with the log; items only where there is no catalogue."""
    item_ids = Numbering(items["item_id"] if items is not None else ())
    user_ids = Numbering(users["user_id"] if users is not None else ())
    frames = []
    if spec.interactions:
        reading = Reading(root, spec.interactions, _interaction_columns(spec.interactions), problems)
        value = spec.interactions.columns.value
        numbers = _number_columns(reading, {"value": value} if value else {})
        frames = [
            _interaction_batch(spec.interactions, reading, batch, (user_ids, item_ids), (grow, items is None), numbers)
            for batch in reading.batches()
        ]
        _refuse_if_foreign(reading)
        _refuse_if_too_bad(reading, settings, sum(frame.height for frame in frames))
    empty = pl.DataFrame(schema=INTERACTION_COLUMNS)
    interactions = pl.concat(frames, rechunk=True).sort("timestamp", maintain_order=True) if frames else empty
    if items is None:
        bare = pl.DataFrame({"item_id": pl.Series(item_ids.ids(), dtype=pl.String)})
        missing = [
            pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in ITEM_COLUMNS.items()
            if name not in ("item_id", "images")
        ]
        items = bare.with_columns(*missing, pl.Series("images", [[]] * bare.height, dtype=pl.List(pl.String))).select(
            *ITEM_COLUMNS
        )
    known = users if users is not None else pl.DataFrame(schema={"user_id": pl.String})
    new_users = pl.DataFrame({"user_id": pl.Series(user_ids.ids()[known.height :], dtype=pl.String)})
    return items, pl.concat([known, new_users], how="diagonal"), interactions


def _interaction_columns(spec: InteractionsSpec) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spec.columns.model_dump(exclude_none=True).values()))


def _refuse_if_foreign(reading: Reading) -> None:
    """Unknown users don't count: in a later file of the same shop most may be new."""
    unknown = reading.counts["unknown item"]
    if unknown > TOLERATED_UNKNOWN_SHARE * reading.rows:
        raise TooManyBadRowsError(
            f"{unknown:,} of {reading.rows:,} rows name an unknown item, for example"
            f" {reading.problems.of('unknown item')[-1]}",
            where=reading.root / reading.spec.file,
            hint="Check that catalogue and log belong together and write ids alike (leading zeros?)",
        )


def _interaction_batch(
    spec: InteractionsSpec,
    reading: Reading,
    batch: Batch,
    numberings: tuple[Numbering, Numbering],
    grow: tuple[bool, bool],
    value_column: dict[str, NumberColumn],
) -> pl.DataFrame:
    """One batch in our columns. Bad rows are counted once, under the first thing that is wrong."""
    columns, frame = spec.columns, batch.frame
    events, unmapped = _events(spec, frame)
    user_text, item_text = to_text(frame[columns.user_id]), to_text(frame[columns.item_id])
    times, bad_time = _times(spec, frame)
    is_search = events.to_numpy() == int(Event.SEARCH)
    good = np.ones(frame.height, dtype=bool)

    def refuse(kind: str, bad: BoolArray, column: str | None) -> None:
        reading.skip_rows(kind, batch, bad & good, column)
        good[bad] = False

    reading.note_rows("unmapped event", batch, unmapped, columns.event)
    good[unmapped] = False
    refuse("missing user id", user_text.is_null().to_numpy(), None)
    refuse("missing item id", item_text.is_null().to_numpy() & ~is_search, None)
    refuse("bad date", bad_time, columns.timestamp)
    refuse("date in the future", times.to_numpy() > time.time() + FUTURE_SLACK_S, columns.timestamp)
    item_nums = numberings[1].number(item_text.filter(pl.Series(good)), grow=grow[1])
    unknown = np.zeros(frame.height, dtype=bool)
    unknown[np.flatnonzero(good)] = (item_nums < 0) & ~is_search[good]
    reading.note_rows("unknown item", batch, unknown, columns.item_id)
    good &= ~unknown
    user_nums = numberings[0].number(user_text.filter(pl.Series(good)), grow=grow[0])
    return _numbered(
        spec,
        frame,
        good,
        (user_nums, numberings[1].number(item_text.filter(pl.Series(good))), events, times),
        (reading, batch),
        value_column.get("value"),
    )


def _events(spec: InteractionsSpec, frame: pl.DataFrame) -> tuple[pl.Series, BoolArray]:
    """Event codes, and the rows whose event has no counterpart of ours."""
    if spec.columns.event is None:
        code = int(Event[spec.event.upper()])
        return pl.Series("event", np.full(frame.height, code, dtype=np.uint8)), np.zeros(frame.height, dtype=bool)
    own_names = {event.name.lower(): int(event) for event in Event}
    codes = {theirs: own_names[ours] for theirs, ours in spec.events.items()} or own_names
    theirs = to_text(frame[spec.columns.event])
    mapped = theirs.replace_strict(codes, default=None, return_dtype=pl.UInt8)
    return mapped.fill_null(255).rename("event"), mapped.is_null().to_numpy()


def _times(spec: InteractionsSpec, frame: pl.DataFrame) -> tuple[pl.Series, BoolArray]:
    if spec.columns.timestamp is None:
        return pl.Series("timestamp", np.zeros(frame.height, dtype=np.int64)), np.zeros(frame.height, dtype=bool)
    times, bad = to_time(frame[spec.columns.timestamp], spec.date_format)
    return times.fill_null(0).rename("timestamp"), bad | times.is_null().to_numpy()


def _numbered(
    spec: InteractionsSpec,
    frame: pl.DataFrame,
    good: BoolArray,
    parts: tuple[IntArray, IntArray, pl.Series, pl.Series],
    origin: tuple[Reading, Batch],
    value_column: NumberColumn | None,
) -> pl.DataFrame:
    user_nums, item_nums, events, times = parts
    keep = pl.Series(good)
    values = pl.Series("value", [None] * frame.height, dtype=pl.Float32)
    if value_column:
        numbers, bad, _ = value_column.read(frame[value_column.column])
        origin[0].note_rows("bad value", origin[1], bad & good, value_column.column)
        values = numbers.cast(pl.Float32)
    data = {
        "user_num": pl.Series(user_nums).cast(pl.Int64),
        "item_num": pl.Series(item_nums).cast(pl.Int64),
        "event": events.filter(keep),
        "value": values.filter(keep),
        "timestamp": times.filter(keep),
    }
    for name, column in (("query", spec.columns.query), ("session_id", spec.columns.session_id)):
        if column:
            data[name] = to_text(frame[column]).filter(keep)
    table = pl.DataFrame({name: cells.rename(name) for name, cells in data.items()})
    unknown = np.zeros(frame.height, dtype=bool)
    unknown[np.flatnonzero(good)] = user_nums < 0
    origin[0].note_rows("unknown user", origin[1], unknown, spec.columns.user_id)
    return table.filter(pl.col("user_num") >= 0).with_columns(
        pl.col("user_num").cast(pl.UInt32),
        pl.when(pl.col("item_num") >= 0).then(pl.col("item_num")).cast(pl.UInt32),
        pl.col("timestamp").cast(pl.Int64),
    )


def read_features(spec: ShopSpec, root: Path, items: pl.DataFrame) -> dict[str, Tokens]:
    """Vectors that the shop brings itself, as tokens; rows without any number are missing."""
    return {modality: _read_feature(modality, feature, root, items) for modality, feature in spec.features.items()}


def _read_feature(modality: str, feature: FeatureSpec, root: Path, items: pl.DataFrame) -> Tokens:
    file = root / feature.file
    if not file.is_file():
        raise ShopNotFoundError(f"no such file: {feature.file}", where=root, hint=f"Check [features.{modality}]")
    try:
        matrix = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ShopError(
            f"not a NumPy matrix of numbers ({error})", where=file, hint="Save it with numpy.save"
        ) from error
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.floating):
        raise ShopError(f"expected a matrix of floats, found {matrix.dtype} of shape {matrix.shape}", where=file)
    rows = np.arange(items.height)
    if feature.by == "item_id":
        numbers = items["item_id"].cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
        rows = numbers
    inside = (rows >= 0) & (rows < matrix.shape[0])
    vectors = np.zeros((items.height, matrix.shape[1]), dtype=np.float32)
    vectors[inside] = matrix[rows[inside]]
    present = inside & np.isfinite(vectors).all(axis=1) & (np.abs(vectors).sum(axis=1) > 0)
    vectors[~present] = 0.0
    return Tokens(modality, f"shop:{feature.file}", vectors, present)
