"""Opens every picture of a shop once: which are broken, and which look the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from modaloom.config import Settings
from modaloom.data.pictures import open_picture, perceptual_hash
from modaloom.data.shop import Shop
from modaloom.errors import PictureError
from modaloom.quality.findings import Example, Finding, LookAlikes, Severity, first_examples, share_text
from modaloom.types import BoolArray, IntArray, Tell

HASH_DISTANCE = 6
"""Pictures whose 64-bit hashes differ in more bits than this are different pictures."""
BANDS = 8
"""Hashes that differ in at most 7 bits agree in one of 8 bands of 8 bits: only those are compared."""
COLOUR_RMS = 5.0
"""Root mean square difference of 16 x 16 colours (of 255) up to which pictures have the same colours too."""
COLOUR_RELATIVE = 0.2
"""And as a share of what stands out from the background: on packshots of small things the rest is white.

The hash alone sees coarse shape: it takes any two pairs of black trousers, or one dress in red and in
blue, for one picture. On 17,033 real packshots these two limits left true copies only."""
DRAFT_PX = 64
"""JPEGs are decoded no larger than needed for a 32 x 32 copy."""
PER_TASK = 256
TINY_PX = 64
THUMB_SIDE = 16
_DOUBLES_ADVICE = "Map group_id if items are variants of one model; remove placeholders such as 'no picture yet'"


@dataclass(frozen=True)
class Looks:
    """What is known of the p pictures that can be opened."""

    item_nums: IntArray  # (p,)
    paths: tuple[str, ...]  # (p,) below the shop's root
    hashes: npt.NDArray[np.uint64]  # (p,) perceptual
    colours: npt.NDArray[np.uint8]  # (p, 16 * 16 * 3)
    digests: tuple[bytes, ...]  # (p,) of the files' bytes
    sides: IntArray  # (p,) longer side as decoded, at least DRAFT_PX where the picture is as large
    broken: tuple[Example, ...]
    opened: int


@dataclass(frozen=True, slots=True)
class _Look:
    hash: int
    colours: npt.NDArray[np.uint8]
    digest: bytes
    side: int


def look_at_pictures(shop: Shop, settings: Settings, progress: Tell) -> Looks:
    """Opens all pictures in threads (decoding leaves Python's lock)."""
    todo = [(num, path) for num, paths in enumerate(shop.items["images"].to_list()) for path in paths or ()]
    kept: list[tuple[int, str, _Look]] = []
    broken: list[Example] = []
    item_ids = shop.items["item_id"]
    with ThreadPoolExecutor(settings.threads) as pool:
        for start in range(0, len(todo), PER_TASK):
            part = todo[start : start + PER_TASK]
            looks = pool.map(lambda one: _look(shop.root / one[1], settings.max_picture_pixels), part)
            for (num, path), look in zip(part, looks, strict=True):
                if isinstance(look, _Look):
                    kept.append((num, path, look))
                else:
                    broken.append(Example(f"item {item_ids[num]}: {look}", item_ids[num], file=path))
            progress("pictures", start + len(part), len(todo))
    return Looks(
        item_nums=np.array([num for num, _, _ in kept], dtype=np.int64),
        paths=tuple(path for _, path, _ in kept),
        hashes=np.array([look.hash for _, _, look in kept], dtype=np.uint64),
        colours=np.array([look.colours for _, _, look in kept], dtype=np.uint8).reshape(len(kept), 3 * THUMB_SIDE**2),
        digests=tuple(look.digest for _, _, look in kept),
        sides=np.array([look.side for _, _, look in kept], dtype=np.int64),
        broken=tuple(broken),
        opened=len(todo),
    )


def _look(path: Path, max_pixels: int) -> _Look | str:
    """What a picture looks like, or what is wrong with it."""
    try:
        source = path.read_bytes()
        image = open_picture(source, max_pixels=max_pixels, draft_px=DRAFT_PX)
    except PictureError as error:
        return error.what
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
    small = image.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX)
    colours = np.asarray(small, dtype=np.uint8).ravel()
    return _Look(perceptual_hash(image), colours, blake2b(source, digest_size=16).digest(), max(image.size))


def look_alikes(shop: Shop, looks: Looks) -> tuple[LookAlikes, ...]:
    """Groups of pictures that look the same, across items, largest first."""
    parents = np.arange(len(looks.paths))
    for first, second in _close_pairs(looks):
        parents[_root(parents, first)] = _root(parents, second)
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(len(looks.paths)):
        members[_root(parents, row)].append(row)
    groups = [_group(shop, looks, rows) for rows in members.values() if len({*looks.item_nums[rows].tolist()}) > 1]
    return tuple(sorted(groups, key=lambda group: (group.one_group, -len(group.paths), group.paths)))


def _root(parents: IntArray, row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _group(shop: Shop, looks: Looks, rows: list[int]) -> LookAlikes:
    item_nums = looks.item_nums[rows]
    models = set(shop.items["group_id"].gather(item_nums).to_list())
    return LookAlikes(
        item_ids=tuple(shop.items["item_id"].gather(item_nums).to_list()),
        paths=tuple(looks.paths[row] for row in rows),
        one_group=len(models) == 1 and None not in models,
    )


def _close_pairs(looks: Looks) -> Iterator[tuple[int, int]]:
    """Pairs of pictures that look the same; equal pictures are chained, so that crowds of them cost little."""
    chained: dict[tuple[int, bytes], int] = {}
    rows = []
    for row, picture_hash in enumerate(looks.hashes.tolist()):
        first = chained.setdefault((picture_hash, looks.colours[row].tobytes()), row)
        if first != row:
            yield first, row
        else:
            rows.append(row)
    distinct = np.array(rows, dtype=np.int64)
    for band in range(BANDS):
        keys = (looks.hashes[distinct] >> np.uint64(8 * band)) & np.uint64(0xFF)
        order = np.argsort(keys, kind="stable")
        edges = np.flatnonzero(np.diff(keys[order])) + 1
        for bucket in np.split(distinct[order], edges):
            for place in range(len(bucket) - 1):
                one, others = int(bucket[place]), bucket[place + 1 :]
                for other in others[_alike(looks, one, others)].tolist():
                    yield one, other


def _alike(looks: Looks, one: int, others: IntArray) -> BoolArray:
    """Which of the others have nearly the hash and nearly the colours of one picture."""
    close: BoolArray = np.bitwise_count(looks.hashes[others] ^ looks.hashes[one]) <= HASH_DISTANCE
    if close.any():
        mine = looks.colours[one].astype(np.float32)
        differences = looks.colours[others[close]] - mine
        pixels = mine.reshape(-1, 3)
        outstanding = max(float(np.abs(pixels - np.median(pixels, axis=0)).mean()), 1.0)
        same = np.sqrt((differences**2).mean(axis=1)) <= COLOUR_RMS
        close[close] = same & (np.abs(differences).mean(axis=1) <= COLOUR_RELATIVE * outstanding)
    return close


def picture_findings(shop: Shop, looks: Looks, groups: tuple[LookAlikes, ...], settings: Settings) -> list[Finding]:
    """Broken, tiny and doubled pictures."""
    if not looks.opened:
        return []
    return [_broken(looks, settings), *_tiny(shop, looks), _doubles(looks, groups)]


def _broken(looks: Looks, settings: Settings) -> Finding:
    number = len(looks.broken)
    too_many = number > settings.max_bad_share * looks.opened
    return Finding(
        "broken pictures",
        Severity.ERROR if too_many else Severity.WARNING if number else Severity.OK,
        f"{share_text(number, looks.opened)} pictures cannot be opened"
        if number
        else f"All {looks.opened:,} pictures can be opened",
        "Export these again; until then the items count as having no picture" if number else "",
        {"broken": number, "pictures": looks.opened},
        first_examples(list(looks.broken)),
    )


def _tiny(shop: Shop, looks: Looks) -> list[Finding]:
    tiny = np.flatnonzero(looks.sides < TINY_PX)
    if not len(tiny):
        return []
    ids = shop.items["item_id"]
    cases = [
        Example(f"item {ids[int(looks.item_nums[row])]}: {looks.sides[row]} pixels", file=looks.paths[row])
        for row in tiny[:20].tolist()
    ]
    return [
        Finding(
            "tiny pictures",
            Severity.NOTE,
            f"{share_text(len(tiny), looks.opened)} pictures are smaller than {TINY_PX} pixels",
            "Use product pictures, not icons: 224 pixels and more show material and pattern",
            {"tiny": len(tiny)},
            tuple(cases),
        )
    ]


def _doubles(looks: Looks, groups: tuple[LookAlikes, ...]) -> Finding:
    strangers = [group for group in groups if not group.one_group]
    files: dict[bytes, set[int]] = defaultdict(set)
    for digest, num in zip(looks.digests, looks.item_nums.tolist(), strict=True):
        files[digest].add(num)
    same_file = sum(len(items) for items in files.values() if len(items) > 1)
    pictures = sum(len(group.paths) for group in groups)
    figures = {
        "groups": len(groups),
        "pictures": pictures,
        "groups_within_one_model": len(groups) - len(strangers),
        "groups_across_models": len(strangers),
        "items_with_the_same_file": same_file,
    }
    if not groups:
        return Finding("near-duplicate pictures", Severity.OK, "No two items have nearly the same picture", "", figures)
    cases = [Example("items " + ", ".join(group.item_ids[:6]), file=group.paths[0]) for group in strangers]
    own = len(groups) - len(strangers)
    return Finding(
        "near-duplicate pictures",
        Severity.NOTE,
        f"{pictures:,} pictures look like another item's, in {len(groups):,} groups: {own:,} of one model"
        f" (same group_id), {len(strangers):,} of several; {same_file:,} items share the very same file",
        _DOUBLES_ADVICE if strangers else "",
        figures,
        first_examples(cases),
    )
