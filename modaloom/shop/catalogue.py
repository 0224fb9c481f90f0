"""The catalogue as it is now, in arrays: what is on offer, and which items a rule lets through.

Items keep the numbers that the bundle knows them by; items that came later take the next ones. A deleted item keeps
its number and is never let through.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modaloom.data.doubles import CATEGORY, COLOURS, GROUP_PREFIX, model_keys
from modaloom.messages.stated import BETWEEN, words_in
from modaloom.numerics import GrowingRows
from modaloom.shop.requests import Rules
from modaloom.types import LANGUAGES, NOT_STYLE, SIZE_ATTRIBUTES, BoolArray, FloatArray, IntArray, Item

__all__ = ["CATEGORY", "COLOURS", "UNKNOWN", "Catalogue", "Codes", "sizes_of"]

MASKS_KEPT = 64
UNKNOWN = -1
LARGEST = 2**62
"""Whatever a shop says there is more of, is as much as this."""
LARGEST_PRICE = float(np.finfo(np.float32).max)
ONE_SIZE = ("one size", "均码")


def sizes_of(attributes: Mapping[str, str]) -> tuple[str, ...]:
    """The sizes that an item comes in, in the shop's order."""
    text = next((attributes[name] for name in SIZE_ATTRIBUTES if attributes.get(name)), "")
    if text.strip().lower() in ONE_SIZE:
        return (text.strip(),)
    return tuple(dict.fromkeys(words_in(text) if BETWEEN.search(text) else text.split()))


def num_of(nums: dict[str, int], name: str) -> int:
    """The number of a name, the next one where it has none yet."""
    return nums.setdefault(name, len(nums))


class Codes:
    """One attribute of every item as numbers; :data:`UNKNOWN` where an item lacks it."""

    def __init__(self, n: int):
        self.values: list[str] = []
        self._code: dict[str, int] = {}
        self._rows = GrowingRows(np.full(n, UNKNOWN, dtype=np.int32))

    @property
    def rows(self) -> npt.NDArray[np.int32]:
        """Codes (n,)."""
        return self._rows.rows

    def code(self, value: str) -> int:
        """The number of a value; :data:`UNKNOWN` if no item ever had it."""
        return self._code.get(value, UNKNOWN)

    def put(self, num: int, value: str | None) -> None:
        """Sets the value of one item."""
        rows = self._rows.rows
        if num >= len(rows):
            gap = np.arange(len(rows), num + 1)
            rows = self._rows.put(gap, np.full(len(gap), UNKNOWN, dtype=np.int32))
        code = UNKNOWN if value is None else self._code.setdefault(value, len(self.values))
        if code == len(self.values):
            self.values.append(str(value))
        rows[num] = code


class Catalogue:
    """Every item that there is or was. Not safe to change while it is read: whoever owns it sees to that."""

    def __init__(self, known: Sequence[str]):
        """``known``: ids by the numbers that the bundle gives them."""
        n = len(known)
        self.ids: list[str] = list(known)
        self.nums: dict[str, int] = {item_id: num for num, item_id in enumerate(self.ids)}
        self.n_known = n
        self.attributes: dict[str, Codes] = {}
        self._sizes = Codes(n)  # of whole lists of sizes: there are few different ones
        self.titles: dict[str, list[str]] = {language: [""] * n for language in LANGUAGES}
        self.pictures: list[tuple[str, ...]] = [()] * n
        self.members: dict[int, set[int]] = {}
        self.arrived: list[int] = []
        self.changed: set[int] = set()
        """Items that may look otherwise, or whose other colours may, since somebody last emptied this."""
        self._group_nums: dict[str, int] = {}
        self._alike: dict[str, int] = {}
        self._arrays = {
            "alive": GrowingRows(np.zeros(n, dtype=bool)),
            "stock": GrowingRows(np.full(n, UNKNOWN, dtype=np.int64)),
            "price": GrowingRows(np.full(n, np.nan, dtype=np.float32)),
            "released_at": GrowingRows(np.zeros(n, dtype=np.int64)),
            "group": GrowingRows(-1 - np.arange(n, dtype=np.int64)),
        }
        self._masks: OrderedDict[Any, BoolArray] = OrderedDict()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def alive(self) -> BoolArray:
        """Which items (n,) there are."""
        return self._arrays["alive"].rows

    @property
    def stock(self) -> IntArray:
        """How many there are of each item (n,); :data:`UNKNOWN` where the shop does not say."""
        return self._arrays["stock"].rows

    @property
    def price(self) -> FloatArray:
        """Prices (n,); not a number where the shop does not say."""
        return self._arrays["price"].rows

    @property
    def released_at(self) -> IntArray:
        """When each item (n,) came out, in seconds since 1970 UTC; 0 where the shop does not say."""
        return self._arrays["released_at"].rows

    @property
    def group(self) -> IntArray:
        """Number of each item's model (n,): colours and prints of one model share it."""
        return self._arrays["group"].rows

    def put(self, item: Item) -> int:
        """Takes in one item as the shop describes it now; its number."""
        num = self.nums.get(item.item_id, UNKNOWN)
        if num == UNKNOWN:
            num = len(self.ids)
            self.nums[item.item_id] = num
            self.ids.append(item.item_id)
            self.pictures.append(())
            for titles in self.titles.values():
                titles.append("")
            self.arrived.append(num)
        self._set("alive", num, True)
        self._set("stock", num, UNKNOWN if item.stock is None else min(max(item.stock, 0), LARGEST))  # oversold
        self._set("price", num, np.nan if item.price is None else min(item.price, LARGEST_PRICE))
        self._set("released_at", num, min(item.released_at or 0, LARGEST))
        self._regroup(num, item)
        for language, titles in self.titles.items():
            titles[num] = item.titles.get(language) or item.title or next(iter(item.titles.values()), "")
        self.pictures[num] = tuple(str(path) for path in item.images)
        self._put_attributes(num, item.attributes)
        self._touch(num)
        return num

    def remove(self, item_id: str) -> int | None:
        """Takes an item out; its number, or None if it was never there."""
        num = self.nums.get(item_id)
        if num is not None:
            self._arrays["alive"].rows[num] = False
            self._touch(num)
            self._leave(int(self.group[num]), num)
        return num

    def allowed(self, rules: Rules) -> BoolArray:
        """Which items (n,) the rules let through; what is bought or hidden is for the shopper's own list."""
        wanted = tuple(sorted((name, tuple(sorted(values))) for name, values in rules.attributes.items()))
        key = (rules.in_stock, tuple(sorted(rules.sizes)), rules.price_min, rules.price_max, wanted)
        mask = self._masks.get(key)
        if mask is None:
            mask = self._mask(rules)
            mask.flags.writeable = False  # the next one with the same rules gets the same array
            self._masks[key] = mask
            if len(self._masks) > MASKS_KEPT:
                self._masks.popitem(last=False)
        self._masks.move_to_end(key)
        if not rules.exclude:
            return mask
        out = [num for item_id in rules.exclude if (num := self.nums.get(item_id)) is not None]
        out += [other for num in out for other in self.variants(num)]
        mask = mask.copy()
        mask[out] = False
        return mask

    def matching(self, key: str) -> BoolArray:
        """Which items (n,) ``attribute=value`` or ``item=ID`` speaks of."""
        name, _, value = key.partition("=")
        found = np.zeros(len(self), dtype=bool)
        if name == "item":
            if value in self.nums:
                found[self.nums[value]] = True
            return found
        codes = self.attributes.get(name)
        if codes is None or codes.code(value) == UNKNOWN:
            return found
        result: BoolArray = codes.rows == codes.code(value)
        return result

    def variants(self, num: int) -> list[int]:
        """Other colours and prints of the same model that there are, in order."""
        return sorted(other for other in self.members.get(int(self.group[num]), ()) if other != num)

    def size_counts(self) -> dict[str, int]:
        """How many of the items that there are come in each size."""
        rows = self._sizes.rows
        counts = np.bincount(rows[self.alive & (rows != UNKNOWN)], minlength=len(self._sizes.values)).tolist()
        found: dict[str, int] = {}
        for sizes, count in zip(self._sizes.values, counts, strict=True):
            for size in sizes.split(","):
                found[size] = found.get(size, 0) + count
        return found

    def value(self, name: str, num: int) -> str | None:
        """One attribute of one item."""
        codes = self.attributes.get(name)
        code = UNKNOWN if codes is None else int(codes.rows[num])
        return None if codes is None or code == UNKNOWN else codes.values[code]

    def numbers(self, item_ids: Iterable[str]) -> list[int]:
        """Numbers of those of the items that there are."""
        alive = self.alive
        return [num for item_id in item_ids if (num := self.nums.get(item_id)) is not None and alive[num]]

    def _set(self, name: str, num: int, value: float | int | bool) -> None:
        growing = self._arrays[name]
        if num < len(growing.rows):
            growing.rows[num] = value
        else:
            growing.put(np.array([num]), np.array([value], dtype=growing.rows.dtype))

    def _regroup(self, num: int, item: Item) -> None:
        before = int(self.group[num]) if num < len(self.group) else None
        group = self._group_of(num, item)
        if before is not None and before != group:
            self._touch(num)
            self._leave(before, num)
        self._set("group", num, group)
        self.members.setdefault(group, set()).add(num)

    def _group_of(self, num: int, item: Item) -> int:
        """The number of an item's model: the shop's word, else that of what it tells the same of but for the colour.

        An item without either is a model of its own, with a negative number that no other can have.
        """
        found_by_us = item.group_id is not None and item.group_id.startswith(GROUP_PREFIX)
        if item.group_id is not None and not found_by_us:
            return num_of(self._group_nums, item.group_id)
        title, description = (
            given or next((texts[language] for language in LANGUAGES if texts.get(language)), "")
            for given, texts in ((item.title, item.titles), (item.description, item.descriptions))
        )
        keys = model_keys(title, description, item.attributes)
        known = next((self._alike[key] for key in keys if key in self._alike), None)
        if item.group_id is not None:
            group = num_of(self._group_nums, item.group_id)
        elif not keys:
            return -1 - num
        else:
            group = num_of(self._group_nums, f"\0{keys[0]}") if known is None else known
        for key in keys:  # others that come later may join
            self._alike.setdefault(key, group)
        return group

    def _touch(self, num: int) -> None:
        """Forgets what was made of an item, and of others of its model."""
        self._masks.clear()
        self.changed.add(num)
        self.changed |= self.members.get(int(self.group[num]), set())

    def _leave(self, group: int, num: int) -> None:
        members = self.members.get(group, set())
        members.discard(num)
        if not members:
            self.members.pop(group, None)

    def _put_attributes(self, num: int, attributes: Mapping[str, str]) -> None:
        for name in {*attributes, *self.attributes} - set(NOT_STYLE):
            codes = self.attributes.get(name)
            if codes is None:
                codes = self.attributes[name] = Codes(len(self))
            codes.put(num, attributes.get(name) or None)
        self._sizes.put(num, ",".join(sizes_of(attributes)) or None)

    def _mask(self, rules: Rules) -> BoolArray:
        mask = self.alive.copy()
        if rules.in_stock:
            mask &= self.stock != 0
        if rules.price_min is not None:
            mask &= self.price >= rules.price_min
        if rules.price_max is not None:
            mask &= self.price <= rules.price_max
        for name, values in rules.attributes.items():
            codes = self.attributes.get(name)
            wanted = [] if codes is None else [codes.code(value) for value in values if codes.code(value) != UNKNOWN]
            mask &= np.isin(codes.rows, wanted) if codes is not None else False
        if rules.sizes:
            asked = set(rules.sizes)
            fits = [code for code, sizes in enumerate(self._sizes.values) if not asked.isdisjoint(sizes.split(","))]
            mask &= np.isin(self._sizes.rows, [UNKNOWN, *fits])
        return mask
