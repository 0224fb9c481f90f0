"""Shoppers, the log and ready-made vectors, in the columns of :mod:`modaloom.types`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data.cells import fractions_matter, is_bad_id, to_id, to_text
from modaloom.data.identities import Identities, suggest_visitor_column
from modaloom.data.items import Catalogue
from modaloom.data.numbering import Numbering
from modaloom.data.numbers import NumberColumn
from modaloom.data.overlap import spelling_hint
from modaloom.data.problems import Problems
from modaloom.data.schema import ALTERNATIVE, FeatureSpec, InteractionsSpec, ShopSpec, UsersSpec
from modaloom.data.tables import Batch, Reading
from modaloom.data.times import TimeColumn, Times
from modaloom.errors import ShopError, ShopNotFoundError, TooManyBadRowsError
from modaloom.types import ATTRIBUTE_PREFIX, INTERACTION_COLUMNS, ITEM_COLUMNS, BoolArray, Event, IntArray, Tokens

TOLERATED_UNKNOWN_SHARE = 0.5
"""Logs outlive catalogues; but a log of which more than this share is unknown belongs to another shop."""
FUTURE_SLACK_S = 36 * 3600
"""Clocks and time zones differ; later than this after now is an error."""
KEPT_UNKNOWN = 2_000
"""Ids that the catalogue lacks are remembered up to this number, to explain why it lacks them."""


@dataclass
class UserTable:
    """What is known of shoppers."""

    users: pl.DataFrame
    keep_fraction: bool = False
    """Whether ``12.0`` and ``12`` are different ids here."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Visitors' ids, and the shopper that each turned out to be."""


def read_user_table(spec: UsersSpec, root: Path, problems: Problems, settings: Settings) -> UserTable:
    """What is known of shoppers, the first row of each id."""
    columns = tuple(dict.fromkeys([spec.user_id, *spec.attributes.values()]))
    reading = Reading(root, spec, columns, problems)
    batches = [*reading.batches()]
    texts = [to_text(batch.frame[spec.user_id]) for batch in batches if batch.frame[spec.user_id].dtype == pl.String]
    keep_fraction = fractions_matter(pl.concat(texts)) if texts else False
    frames = []
    for batch in batches:
        ids = to_id(batch.frame[spec.user_id], keep_fraction=keep_fraction)
        bad = is_bad_id(ids)
        reading.skip_rows("missing user id", batch, ids.is_null().to_numpy())
        reading.skip_rows("bad user id", batch, bad.to_numpy(), spec.user_id)
        data = {"user_id": ids.rename("user_id")}
        for name, column in spec.attributes.items():
            data[ATTRIBUTE_PREFIX + name] = to_text(batch.frame[column]).rename(ATTRIBUTE_PREFIX + name)
        frames.append(pl.DataFrame(data).filter(ids.is_not_null() & ~bad))
    users = pl.concat(frames).unique("user_id", keep="first", maintain_order=True) if frames else pl.DataFrame()
    reading.refuse_if_too_bad(settings, users.height)
    return UserTable(users, keep_fraction)


@dataclass
class LogTables:
    """A log, with the items and users that it brings with it."""

    items: pl.DataFrame
    users: pl.DataFrame
    interactions: pl.DataFrame
    user_aliases: dict[str, str] = field(default_factory=dict)


def read_interaction_table(
    spec: ShopSpec,
    root: Path,
    catalogue: Catalogue | None,
    known: UserTable | None,
    problems: Problems,
    settings: Settings,
    *,
    grow: bool = True,
) -> LogTables:
    """Items, users and interactions. Users grow with the log; items only where there is no catalogue."""
    items, users = catalogue.items if catalogue else None, known.users if known else None
    frames: list[pl.DataFrame] = []
    log = None
    if spec.interactions:
        log = _Log(spec.interactions, root, problems, catalogue, known, grow=grow)
        frames = [log.batch(batch) for batch in log.reading.batches()]
        log.refuse_if_foreign()
        if log.reading.rows or items is None or not grow:  # beside a catalogue, a header alone is an empty log
            log.reading.refuse_if_too_bad(settings, sum(frame.height for frame in frames), hint=log.hint())
        if log.reading.left_out:
            problems.facts.append(f"{spec.interactions.file}: where left out {log.reading.left_out:,} rows")
    empty = pl.DataFrame(schema=INTERACTION_COLUMNS)
    interactions = pl.concat(frames, rechunk=True).sort("timestamp", maintain_order=True) if frames else empty
    known_users = users if users is not None else pl.DataFrame(schema={"user_id": pl.String})
    new_ids = log.user_ids.ids()[known_users.height :] if log else []
    aliases = dict(known.aliases) if known else {}
    if log and grow:
        links = log.identities.links()
        new_ids, interactions = log.identities.united(links, known_users.height, new_ids, interactions, log.user_ids)
        aliases |= links
        problems.facts += log.identities.facts(spec.interactions.file if spec.interactions else "", links)
    if items is None:
        items = _bare_items(log.item_ids.ids() if log else [])
    new_users = pl.DataFrame({"user_id": pl.Series(new_ids, dtype=pl.String)})
    return LogTables(items, pl.concat([known_users, new_users], how="diagonal"), interactions, aliases)


def _bare_items(ids: list[str]) -> pl.DataFrame:
    """Items of which nothing is known but their ids."""
    bare = pl.DataFrame({"item_id": pl.Series(ids, dtype=pl.String)})
    missing = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in ITEM_COLUMNS.items()
        if name not in ("item_id", "images")
    ]
    images = pl.Series("images", [[]] * bare.height, dtype=pl.List(pl.String))
    return bare.with_columns(*missing, images).select(*ITEM_COLUMNS)


class _Log:
    """One log being read: what its columns turned out to hold, and the numbers of its ids."""

    def __init__(
        self,
        spec: InteractionsSpec,
        root: Path,
        problems: Problems,
        catalogue: Catalogue | None,
        known: UserTable | None,
        *,
        grow: bool,
    ):
        self.spec, self.columns = spec, spec.columns
        names = tuple(dict.fromkeys(spec.columns.model_dump(exclude_none=True).values()))
        identity = spec.columns.user_id if ALTERNATIVE in spec.columns.user_id else None
        self.reading = Reading(
            root, spec, names, problems, row_columns=_parts(spec.columns.item_id, spec.columns.value), identity=identity
        )
        where = str(root / spec.file)
        self.times = TimeColumn(spec.columns.timestamp or "", spec.date_format, spec.time_zone, where)
        self.values = NumberColumn(spec.columns.value or "", spec.decimal, where=where)
        self.item_ids = Numbering(catalogue.items["item_id"], catalogue.aliases) if catalogue else Numbering()
        self.user_ids = Numbering(known.users["user_id"], known.aliases) if known else Numbering()
        self._keep_item_fraction = catalogue.keep_fraction if catalogue else False
        self._keep_user_fraction = known.keep_fraction if known else False
        self._grow_items, self._grow_users = catalogue is None, grow
        self.identities = Identities(self.reading.alternatives(identity) if identity else ())
        self._unknown: dict[str, None] = {}

    def batch(self, batch: Batch) -> pl.DataFrame:
        """One batch in our columns. Bad rows are counted once, under the first thing that is wrong."""
        columns, frame, reading = self.columns, batch.frame, self.reading
        events, unmapped = self._events(frame)
        user_text = to_id(frame[columns.user_id], keep_fraction=self._keep_user_fraction)
        item_text = to_id(frame[columns.item_id], keep_fraction=self._keep_item_fraction)
        times = self._times(frame)
        is_search = events.to_numpy() == int(Event.SEARCH)
        good = np.ones(frame.height, dtype=bool)

        def refuse(kind: str, bad: BoolArray, column: str | None) -> None:
            reading.skip_rows(kind, batch, bad & good, column)
            good[bad] = False

        reading.note_rows("unmapped event", batch, unmapped, columns.event)
        good[unmapped] = False
        refuse("missing user id", user_text.is_null().to_numpy(), None)
        refuse("bad user id", is_bad_id(user_text).to_numpy(), columns.user_id)
        no_item = item_text.is_null().to_numpy() & ~is_search
        if columns.event:  # in a log of many kinds of events some have no item, and nothing is wrong with the file
            reading.note_rows("missing item id", batch, no_item & good, columns.event)
            good[no_item] = False
        else:
            refuse("missing item id", no_item, None)
        refuse("bad item id", is_bad_id(item_text).to_numpy(), columns.item_id)
        refuse("bad date", times.bad, columns.timestamp)
        if columns.timestamp:
            refuse("missing date", times.seconds.is_null().to_numpy(), columns.timestamp)
        future = (times.seconds > time.time() + FUTURE_SLACK_S).fill_null(False).to_numpy()
        refuse("date in the future", future, columns.timestamp)
        item_nums = self.item_ids.number(item_text.filter(pl.Series(good)), grow=self._grow_items)
        unknown = np.zeros(frame.height, dtype=bool)
        unknown[np.flatnonzero(good)] = (item_nums < 0) & ~is_search[good]
        reading.note_rows("unknown item", batch, unknown, columns.item_id)
        if len(self._unknown) < KEPT_UNKNOWN and unknown.any():
            self._unknown.update(dict.fromkeys(item_text.filter(pl.Series(unknown)).unique(maintain_order=True)))
        item_nums = item_nums[~unknown[good]]
        good &= ~unknown
        kept = pl.Series(good)
        user_nums = self.user_ids.number(user_text.filter(kept), grow=self._grow_users)
        self.identities.see(frame.filter(kept), self._keep_user_fraction)
        return self._numbered(batch, good, (user_nums, item_nums), events, times.seconds)

    def _events(self, frame: pl.DataFrame) -> tuple[pl.Series, BoolArray]:
        """Event codes, and the rows whose event has no counterpart of ours."""
        spec = self.spec
        if spec.columns.event is None:
            code = int(Event[spec.event.upper()])
            return pl.Series("event", np.full(frame.height, code, dtype=np.uint8)), np.zeros(frame.height, dtype=bool)
        own_names = {event.name.lower(): int(event) for event in Event}
        codes = {theirs: own_names[ours] for theirs, ours in spec.events.items()} or own_names
        theirs = to_text(frame[spec.columns.event])
        mapped = theirs.replace_strict(codes, default=None, return_dtype=pl.UInt8)
        return mapped.fill_null(255).rename("event"), mapped.is_null().to_numpy()

    def _times(self, frame: pl.DataFrame) -> Times:
        if self.columns.timestamp is None:
            nothing = np.zeros(frame.height, dtype=bool)
            return Times(pl.Series("timestamp", np.zeros(frame.height, dtype=np.int64)), nothing, nothing)
        return self.times.read(frame[self.columns.timestamp])

    def _numbered(
        self, batch: Batch, good: BoolArray, nums: tuple[IntArray, IntArray], events: pl.Series, times: pl.Series
    ) -> pl.DataFrame:
        frame, keep = batch.frame, pl.Series(good)
        values = pl.Series("value", [None], dtype=pl.Float32).new_from_index(0, frame.height)
        if self.columns.value:
            numbers, bad, _ = self.values.read(frame[self.columns.value])
            values = numbers.cast(pl.Float32)
            beyond = (values.is_infinite()).fill_null(False)
            values = pl.select(pl.when(~beyond).then(values)).to_series()
            self.reading.note_rows("bad value", batch, (bad | beyond.to_numpy()) & good, self.columns.value)
        data = {
            "user_num": pl.Series(nums[0]).cast(pl.Int64),
            "item_num": pl.Series(nums[1]).cast(pl.Int64),
            "event": events.filter(keep),
            "value": values.filter(keep),
            "timestamp": times.filter(keep),
        }
        for name, column in (("query", self.columns.query), ("session_id", self.columns.session_id)):
            if column:
                data[name] = to_text(frame[column]).filter(keep)
        table = pl.DataFrame({name: cells.rename(name) for name, cells in data.items()})
        unknown = np.zeros(frame.height, dtype=bool)
        unknown[np.flatnonzero(good)] = nums[0] < 0
        self.reading.note_rows("unknown user", batch, unknown, self.columns.user_id)
        return table.filter(pl.col("user_num") >= 0).with_columns(
            pl.col("user_num").cast(pl.UInt32),
            pl.when(pl.col("item_num") >= 0).then(pl.col("item_num")).cast(pl.UInt32),
            pl.col("timestamp").cast(pl.Int64),
        )

    def refuse_if_foreign(self) -> None:
        """Unknown users don't count: in a later file of the same shop most may be new."""
        reading = self.reading
        unknown = reading.counts["unknown item"]
        with_item = reading.rows - reading.counts["unmapped event"]
        missing = reading.counts["missing item id"]
        if missing > TOLERATED_UNKNOWN_SHARE * with_item and "missing item id" not in reading.bad_kinds:
            reading.bad += missing
            reading.bad_kinds.add("missing item id")
        if unknown > TOLERATED_UNKNOWN_SHARE * with_item:
            hint = spelling_hint(list(self._unknown), self.item_ids.ids())
            raise TooManyBadRowsError(
                f"{unknown:,} of {reading.rows:,} rows name an unknown item, for example"
                f" {reading.problems.of('unknown item')[-1]}",
                where=reading.root / reading.spec.file,
                hint=hint or "Check that catalogue and log belong together and write ids alike (leading zeros?)",
            )

    def hint(self) -> str | None:
        """What to do where most rows lack a shopper; None where something else is wrong."""
        if "missing user id" not in self.reading.bad_kinds:
            return None
        return suggest_visitor_column(self.spec, self.reading.root)


def _parts(*columns: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for name in columns if name for part in name.split(ALTERNATIVE)))


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
