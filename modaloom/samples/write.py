"""Writes the built-in shop: pictures, tables, the truth behind them, and a ``shop.toml``."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from modaloom.errors import ShopError
from modaloom.samples.goods import DAYS, KINDS, PALETTES, SIZES, STYLES, Good
from modaloom.samples.look import Look
from modaloom.samples.picture import jpeg
from modaloom.samples.words import AUDIENCE_NAMES, MATERIALS, NOUNS, SEASON_WORDS, THEME_SEARCHES, THEMES
from modaloom.samples.world import GROUPS, HARMONIES, NEUTRALS, OUTFIT_PAIRS, TRENDS, Shopper, World, fits, make_world
from modaloom.types import Tell, silent

FIRST_DAY = date(2024, 1, 1)
MARKER = "modaloom sample"
"""``truth.json`` says this as its maker: only such folders are ever replaced."""
POOL_FROM = 60
"""Fewer pictures are drawn without further processes: starting those takes longer."""
CHUNK = 20
"""Pictures that a process draws at a time; neighbours are one model in several colours and share their light."""

SHOP_TOML = """\
# The built-in shop, drawn and written by `modaloom sample`. Everything in it is invented.
name = "Modaloom sample"
language = "en"
currency = "¥"

[items]
file = "items.csv"

[items.columns]
item_id = "item_id"
title_zh = "title_zh"
title_en = "title_en"
description_zh = "description_zh"
description_en = "description_en"
price = "price"
stock = "stock"
released_at = "released_at"
group_id = "group_id"

[items.attributes]
category = "category"
material = "material"
season = "season"
audience = "audience"
size = "sizes"

[items.images]
column = "image"

[users]
file = "users.csv"
user_id = "user_id"

[users.attributes]
age = "age"
gender = "gender"
colours = "colours"
styles = "styles"
size_top = "size_top"
size_bottom = "size_bottom"
size_shoe = "size_shoe"
wardrobe = "wardrobe"
language = "language"

[interactions]
file = "events.csv"

[interactions.columns]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
event = "event"
value = "value"
query = "query"
session_id = "session_id"

[evaluation]
target_events = ["purchase"]
exclude_seen = true
"""


def write_sample(
    folder: Path, *, items: int = 1200, users: int = 800, seed: int = 0, progress: Tell | None = None
) -> None:
    """Draws a whole shop and writes it: the same numbers give the same bytes.

    It is written beside the folder and moved there at the end, so that a run that was stopped leaves no shop.

    Args:
        folder: where the shop shall be; made where it is missing, replaced where it holds a sample shop.
        items: number of garments, 20 or more.
        users: number of shoppers, 3 or more.
        seed: another number is another shop.
        progress: called with (what, done, total) as the work goes on.

    Raises:
        ShopError: the folder holds something else, or the numbers are too small.
        OSError: the folder cannot be written; what stood there before stays.
    """
    if items < 20 or users < 3:
        raise ShopError(f"{items} items and {users} users are too few", hint="Ask for 20 items and 3 users at least")
    _refuse_strangers(folder)
    tell = progress or silent
    tell("shop", 0, 1)
    world = make_world(items, users, seed)
    tell("shop", 1, 1)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draft.chmod(0o755)
        _write_pictures(draft / "images", world.goods, tell)
        _write_tables(draft, world)
        truth = json.dumps(_truth(world, seed), ensure_ascii=False, indent=1)
        (draft / "truth.json").write_text(truth, encoding="utf-8")
        (draft / "shop.toml").write_text(SHOP_TOML + _labels(), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    except OSError as error:
        if error.filename is None or Path(error.filename).is_relative_to(draft):  # as a full disk, or a draft, has it
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _refuse_strangers(folder: Path) -> None:
    """Raises ShopError unless the folder is absent, empty, or a shop that was written by this command."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ShopError("this is a file", where=folder, hint="Give a folder that does not exist yet")
    if not any(folder.iterdir()):
        return
    try:
        maker = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["made_by"]
    except (OSError, ValueError, KeyError, TypeError):
        maker = None
    if maker != MARKER:
        raise ShopError(
            "the folder is not empty and holds no sample shop, so nothing was written",
            where=folder,
            hint="Give an empty or a new folder, or clear this one first",
        )


def _labels() -> str:
    """What the values of attributes are called on the page, of items and of shoppers, as the end of a ``shop.toml``."""
    named = {
        "category": {name: nouns[0] for name, nouns in NOUNS.items()},
        "material": {english: (chinese, english) for chinese, english in MATERIALS.values()},
        "season": SEASON_WORDS,
        "audience": AUDIENCE_NAMES,
        "styles": {pair[1]: pair for pairs in THEME_SEARCHES.values() for pair in pairs},
    }
    lines = []
    for place, language in enumerate(("zh", "en")):
        for attribute, pairs in named.items():
            lines += ["", f"[labels.{language}.{attribute}]"]
            lines += [f'"{value}" = "{pair[place]}"' for value, pair in pairs.items()]
    return "\n".join(lines) + "\n"


def _write_pictures(folder: Path, goods: Sequence[Good], tell: Tell) -> None:
    folder.mkdir()
    wanted = [good for good in goods if good.missing != "image"]
    chunks = [[good.look for good in wanted[start : start + CHUNK]] for start in range(0, len(wanted), CHUNK)]
    tell("pictures", 0, len(wanted))
    done = 0
    for pictures in _drawn(chunks, len(wanted)):
        for content in pictures:
            (folder / f"{wanted[done].item_id}.jpg").write_bytes(content)
            done += 1
        tell("pictures", done, len(wanted))


def _drawn(chunks: list[list[Look]], number: int) -> Iterator[list[bytes]]:
    """The pictures of every chunk, in order, drawn by all cores."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 2 or number < POOL_FROM:
        yield from map(draw_all, chunks)
        return
    done = 0
    try:
        with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=multiprocessing.get_context("spawn")) as pool:
            for pictures in pool.map(draw_all, chunks):
                yield pictures
                done += 1
    except BrokenProcessPool:  # no memory for more processes, or a caller without `if __name__ == "__main__"`
        yield from map(draw_all, chunks[done:])


def draw_all(looks: list[Look]) -> list[bytes]:
    """JPEG bytes of several looks; what a drawing process runs."""
    return [jpeg(look) for look in looks]


def _write_tables(folder: Path, world: World) -> None:
    _write_csv(folder / "items.csv", _ITEM_COLUMNS, (_item_row(good) for good in world.goods))
    _write_csv(folder / "users.csv", _USER_COLUMNS, (_user_row(shopper) for shopper in world.shoppers))
    start = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    rows = (
        (
            e.user_id,
            e.item_id,
            e.event,
            e.value,
            f"{start + timedelta(seconds=e.second):%Y-%m-%dT%H:%M:%S}",
            e.query,
            e.session_id,
        )
        for e in world.log
    )
    _write_csv(folder / "events.csv", _EVENT_COLUMNS, rows)


_ITEM_COLUMNS = (
    "item_id", "title_zh", "title_en", "description_zh", "description_en", "category", "material", "season", "audience",
    "price", "released_at", "sizes", "stock", "group_id", "image",
)  # fmt: skip
_USER_COLUMNS = (
    "user_id", "age", "gender", "language", "colours", "styles", "size_top", "size_bottom", "size_shoe", "wardrobe",
)  # fmt: skip
_EVENT_COLUMNS = ("user_id", "item_id", "event", "value", "timestamp", "query", "session_id")


def _write_csv(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _item_row(good: Good) -> tuple[object, ...]:
    category = good.look.category
    texts = ("", "", "", "") if good.missing == "text" else (*good.titles, *good.descriptions)
    attributes = (category, MATERIALS[good.material][1], good.season, good.audience, good.price)
    return (
        good.item_id,
        *texts,
        *(("",) * len(attributes) if good.missing == "attributes" else attributes),
        (FIRST_DAY + timedelta(days=good.day)).isoformat(),
        SIZES[KINDS[category].group] if good.missing != "attributes" else "",
        good.stock,
        good.group_id,
        "" if good.missing == "image" else f"images/{good.item_id}.jpg",
    )


def _user_row(shopper: Shopper) -> tuple[object, ...]:
    comma = "、" if shopper.language == "zh" else ", "
    return (
        shopper.user_id,
        shopper.age,
        shopper.gender,
        shopper.language,
        comma.join(shopper.stated_colours),
        comma.join(shopper.stated_words),
        *shopper.sizes,
        " ".join(shopper.wardrobe),
    )


def _truth(world: World, seed: int) -> dict[str, object]:
    """Everything that was planted, for tests and benchmarks; a recommender must never read it."""
    goods = {good.item_id: good for good in world.goods}
    shoppers = {shopper.user_id: shopper for shopper in world.shoppers}
    followed: dict[str, list[bool]] = {group: [] for group in GROUPS}
    for entry in world.log:
        if entry.event == "purchase":
            who = shoppers[entry.user_id]
            followed[who.group].append(fits(goods[entry.item_id], who.group, who.taste))
    return {
        "made_by": MARKER,
        "seed": seed,
        "n_items": len(goods),
        "n_users": len(shoppers),
        "n_events": len(world.log),
        "first_day": FIRST_DAY.isoformat(),
        "last_day": (FIRST_DAY + timedelta(days=DAYS - 1)).isoformat(),
        "styles": {
            name: {"colours": PALETTES[palette].colours, "print": print_name}
            for name, (palette, print_name) in STYLES.items()
        },
        "themes": list(THEMES),
        "purchases": {group: len(hits) for group, hits in followed.items()},
        "taste_share": {group: round(sum(hits) / max(len(hits), 1), 4) for group, hits in followed.items()},
        "trend_strength": "how many times likelier a purchase is at the peak than at the trough",
        "trends": [
            {"kind": t.kind, "field": t.field, "value": t.value, "strength": t.strength}
            | ({"peak_day_of_year": t.peak_day} if t.kind == "seasonal" else {})
            for t in TRENDS
        ],
        "outfit_rules": {
            "groups": {category: kind.group for category, kind in KINDS.items()},
            "group_pairs": OUTFIT_PAIRS,
            "neutral_colours": NEUTRALS,
            "colour_pairs": HARMONIES,
        },
        "outfits": [{"session_id": session, "items": items} for session, items in world.outfits],
        "missing": {good.item_id: good.missing for good in world.goods if good.missing},
        "users": {s.user_id: {"group": s.group, "taste": s.taste} for s in world.shoppers},
        "items": {good.item_id: _item_truth(good) for good in world.goods},
    }


def _item_truth(good: Good) -> dict[str, object]:
    look = good.look
    return {
        "style": good.style,
        "theme": good.theme,
        "community": good.community,
        "category": look.category,
        "material": good.material,
        "colour": look.colour,
        "accent": look.accent,
        "print": look.print_name,
        "fabric": look.fabric,
        "variant": look.variant,
    }
