"""Items that came or changed after learning: read by the bundle's encoders in the background, then placed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from modaloom.data.shop import items_of
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import NewItems
from modaloom.shop.bundle import Bundle
from modaloom.shop.catalogue import Catalogue
from modaloom.shop.content import ContentReader
from modaloom.storage.contract import ItemChange
from modaloom.types import LANGUAGES, FloatArray, IntArray, Item, Tokens

AT_ONCE = 16
"""Items that are read together: few enough that the first one is there within a second."""
LIKE = 20
"""What a new item is expected to sell is taken from so many items that are most like it."""
logger = logging.getLogger(__name__)


class Placing:
    """Keeps one bundle's catalogue and scores up to date with changes of the shop's items.

    Prices, stock and deletions hold at once. New content has to be read by the encoders first, which a thread
    does; until then a new item is not there, and a changed one is still listed by what it was like before.
    """

    def __init__(self, catalogue: Catalogue, reader: ContentReader, lock: threading.RLock, bundle: Bundle):
        self.catalogue, self.reader, self.lock = catalogue, reader, lock
        self._groups = _first_groups(bundle)
        self._next_group = 2 * len(catalogue) + 1  # behind every number that the bundle may have given
        self._content = {
            item.item_id: content_of(item) for item in items_of(bundle.snapshot.items, bundle.pictures_root)
        }
        self._waiting: dict[str, Item] = {}
        self._wake = threading.Condition()
        self._texts: list[str] = [""] * len(catalogue)
        self._frame: pl.DataFrame | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="modaloom-placing", daemon=True)
        self._thread.start()

    def apply(self, changes: Sequence[ItemChange]) -> None:
        """Takes in changes of the catalogue, oldest first."""
        with self.lock, self._wake:
            for change in changes:
                self._waiting.pop(change.item_id, None)
                if change.item is None:
                    self.catalogue.remove(change.item_id)
                    continue
                if self._content.get(change.item_id) != content_of(change.item):
                    self._waiting[change.item_id] = change.item
                if change.item_id in self.catalogue.nums:
                    self._put(change.item)
            self._wake.notify_all()

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Waits until everything that was applied is placed; whether it is."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._waiting or self._stopped, timeout_s)

    def waiting(self) -> int:
        """Number of items that are still to be read."""
        return len(self._waiting)

    def stop(self) -> None:
        """Ends the thread; what waits is left."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._thread.join(timeout=10)

    def words(self) -> pl.DataFrame:
        """One text column of every item (n,), for looking for words."""
        if self._frame is None or self._frame.height != len(self._texts):
            self._frame = pl.DataFrame({"title": self._texts})
        return self._frame

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                chunk = list(self._waiting.values())[:AT_ONCE]
            for items, tokens in self._read(chunk):
                try:
                    self._place(items, tokens)
                except Exception:  # a thread that ends here would leave every later item out
                    logger.exception("items could not be placed, and are left as they were")
                with self._wake:
                    for item in items:
                        if self._waiting.get(item.item_id) is item:
                            del self._waiting[item.item_id]
                    self._wake.notify_all()

    def _read(self, items: list[Item]) -> Iterator[tuple[list[Item], dict[str, Tokens]]]:
        """What the encoders make of items; one that they cannot read is alone without."""
        try:
            yield items, self.reader.tokens(items)
        except Exception as error:  # whatever is wrong with one of them, the others must not wait for ever
            if len(items) > 1:
                for item in items:
                    yield from self._read([item])
                return
            logger.error("item %r cannot be read and is placed by its facts alone: %s", items[0].item_id, error)
            yield items, {}

    def _place(self, items: Sequence[Item], tokens: dict[str, Tokens]) -> None:
        # What takes long comes before the lock: only this thread changes what is read here.
        count = len(items)
        keys, like = self._keys(tokens, count), self._like(tokens, count)
        with self.lock:
            keep = [row for row, item in enumerate(items) if self._waiting.get(item.item_id) is item]
            if not keep:  # all were deleted, or changed again, while they were read
                return
            places = np.array([self._put(items[row]) for row in keep], dtype=np.int64)
            order = np.argsort(places, kind="stable")
            rows = np.array(keep, dtype=np.int64)[order]
            groups = np.array([self._group(items[row]) for row in rows], dtype=np.int64)
            kept = {name: _rows(made, rows.tolist()) for name, made in tokens.items()}
            fused = () if keys is None else (keys[0][rows], keys[1][rows])
            self.reader.ranker.add_items(NewItems(places[order], kept, groups, like[rows], *fused))
            for row in keep:
                self._content[items[row].item_id] = content_of(items[row])

    def _keys(self, tokens: dict[str, Tokens], count: int) -> tuple[FloatArray, FloatArray] | None:
        table = self.reader.ranker.table
        if table is None:
            return None
        if not tokens:
            return (
                np.zeros((count, table.keys.shape[1]), dtype=np.float32),
                np.zeros((count, len(table.modalities)), dtype=np.float32),
            )
        return self.reader.keys(tokens)

    def _like(self, tokens: dict[str, Tokens], count: int) -> IntArray:
        """Numbers (k, j) of the items most like each arrival, by picture or, where it has none, by words."""
        like = np.full((count, LIKE), -1, dtype=np.int64)
        for name in ("text", "image"):
            kernel = self.reader.ranker.part(name)
            if name in tokens and isinstance(kernel, ContentKernel):
                for row in np.flatnonzero(tokens[name].mask).tolist():
                    near = kernel.score_vector(tokens[name].vectors[row])
                    best = np.argpartition(-near, min(LIKE, len(near) - 1))[:LIKE]
                    like[row, : len(best)] = best
        return like

    def _put(self, item: Item) -> int:
        num = self.catalogue.put(item)
        if num >= len(self._texts):
            self._texts.append("")
        text = _text_of(item)
        if self._texts[num] != text:
            self._texts[num] = text
            self._frame = None
        return num

    def _group(self, item: Item) -> int:
        """The number of an item's model among those that the bundle knows; a new one for a new model."""
        key = item.group_id if item.group_id is not None else f"\0{item.item_id}"
        if key not in self._groups:
            self._groups[key] = self._next_group
            self._next_group += 1
        return self._groups[key]


def content_of(item: Item) -> int:
    """A number that changes with anything that the encoders read; price and stock are not among it."""
    facts = tuple(sorted((name, value) for name, value in item.attributes.items()))
    words = item.title, item.description, tuple(sorted(item.titles.items())), tuple(sorted(item.descriptions.items()))
    return hash((words, facts, item.images[:1], item.group_id))


def _rows(tokens: Tokens, rows: Sequence[int]) -> Tokens:
    return Tokens(tokens.modality, tokens.encoder_id, tokens.vectors[list(rows)], tokens.mask[list(rows)])


def _first_groups(bundle: Bundle) -> dict[str, int]:
    """Numbers of the models that the bundle knows, as the part for variants counts them."""
    known = bundle.snapshot.items["group_id"]
    nums = known.rank("dense").fill_null(0).to_list()
    return {group: num for group, num in zip(known.to_list(), nums, strict=True) if group is not None}


def _text_of(item: Item) -> str:
    parts = [item.title, item.description]
    parts += [texts.get(language, "") for texts in (item.titles, item.descriptions) for language in LANGUAGES]
    return " ".join([*(part for part in parts if part), *item.attributes.values()])
