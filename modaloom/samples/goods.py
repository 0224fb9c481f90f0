"""The catalogue of the built-in shop, with the three planted truths of every item: style, theme, community.

* The *style* (a palette with a print) is visible only in the picture: no word and no attribute names it.
* The *theme* lives only in the description.
* The *community* lives only in who buys together: it is drawn at random.

None of them tells another. There are many styles and themes, and shoppers like a few of them in any combination, so
that who else bought a thing says little about its style or its theme.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from modaloom.samples.cloth import rgb
from modaloom.samples.look import CATEGORIES, COLOURS, Look
from modaloom.samples.words import NAMES, THEMES, Pair, description, title

DAYS = 731
"""Length of the log: 2024-01-01 to 2025-12-31."""
N_COMMUNITIES = 8
MISSING_SHARE = 0.15
MODALITIES = ("image", "text", "attributes")


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours that are sold together, and the prints that they come with. Palettes share neither."""

    colours: tuple[str, ...]
    prints: tuple[str, ...]
    accents: tuple[str, ...]


PALETTES: dict[str, Palette] = {
    "mono": Palette(("black", "white", "grey"), ("check",), ("white", "black", "grey")),
    "savanna": Palette(("brown", "camel", "mustard", "beige"), ("leopard",), ("brown", "beige", "black")),
    "meadow": Palette(("pink", "lilac", "mint", "sky"), ("floral", "polka_dots"), ("white", "pink", "lilac", "mint")),
    "harbour": Palette(("navy", "blue", "teal"), ("stripes", "waves"), ("white", "sky", "navy")),
    "pop": Palette(
        ("red", "orange", "yellow", "fuchsia"), ("stars", "geometric"), ("yellow", "white", "fuchsia", "red")
    ),
    "garden": Palette(("green", "olive", "burgundy", "purple"), ("botanical",), ("beige", "mint", "lilac", "white")),
}
"""What the shop's designers dye and print in."""
STYLES: dict[str, tuple[str, str]] = {
    f"{name} {print_name}": (name, print_name)
    for name, palette in PALETTES.items()
    for print_name in ("solid", *palette.prints)
}
"""Every palette, plain or with one of its prints: what a shopper may fall for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a shop knows of a category."""

    group: str
    """top, outer, bottom, onepiece, shoes, bag or accessory."""
    cloth: tuple[tuple[str, str], ...]
    """(surface that is drawn, material that is named), to choose from."""
    women: float
    """Share of models for women; the rest is unisex or for men, half each."""
    seasons: str
    """Initials: s(p)ring, (s)ummer, (a)utumn, (w)inter, or (y)ear."""
    price: tuple[int, int]
    solid: float = 0.3
    """Share without a print."""


_JERSEY = (("jersey", "cotton"), ("jersey", "modal"))
_KNIT = (("knit", "merino"), ("knit", "cashmere"), ("knit", "cotton"))
_LEATHER = (("leather", "leather"),)
KINDS: dict[str, Kind] = {
    "t_shirt": Kind("top", _JERSEY, 0.35, "sy", (79, 259)),
    "shirt": Kind("top", (("cotton", "cotton"), ("linen", "linen")), 0.35, "psy", (159, 499)),
    "blouse": Kind("top", (("satin", "silk"), ("satin", "satin"), ("cotton", "cotton")), 1.0, "psa", (199, 699)),
    "polo_shirt": Kind("top", _JERSEY, 0.3, "ps", (139, 399)),
    "tank_top": Kind("top", _JERSEY, 0.7, "s", (59, 199)),
    "sweater": Kind("top", _KNIT, 0.45, "aw", (199, 899)),
    "turtleneck": Kind("top", _KNIT, 0.5, "w", (199, 899)),
    "cardigan": Kind("top", _KNIT, 0.6, "pa", (229, 899)),
    "hoodie": Kind("top", _JERSEY, 0.35, "pay", (199, 499)),
    "blazer": Kind("outer", (("wool", "wool"), ("linen", "linen"), ("cotton", "cotton")), 0.5, "pa", (499, 1899), 0.45),
    "denim_jacket": Kind("outer", (("denim", "denim"),), 0.45, "pa", (299, 799), 0.55),
    "leather_jacket": Kind("outer", _LEATHER, 0.45, "pa", (899, 2999), 0.75),
    "puffer_jacket": Kind("outer", (("down", "down"),), 0.45, "w", (599, 1999), 0.5),
    "trench_coat": Kind("outer", (("cotton", "cotton"),), 0.55, "pa", (599, 1999), 0.45),
    "wool_coat": Kind("outer", (("wool", "wool"), ("wool", "cashmere")), 0.55, "w", (799, 2999), 0.5),
    "jeans": Kind("bottom", (("denim", "denim"),), 0.45, "y", (259, 799), 0.6),
    "trousers": Kind(
        "bottom", (("wool", "wool"), ("linen", "linen"), ("cotton", "cotton")), 0.45, "y", (199, 799), 0.4
    ),
    "shorts": Kind("bottom", (("linen", "linen"), ("cotton", "cotton")), 0.4, "s", (119, 399)),
    "leggings": Kind("bottom", (("jersey", "modal"), ("jersey", "cotton")), 0.95, "y", (99, 359), 0.45),
    "mini_skirt": Kind("bottom", (("denim", "denim"), ("cotton", "cotton")), 1.0, "ps", (129, 399)),
    "midi_skirt": Kind("bottom", (("satin", "satin"), ("satin", "silk"), ("linen", "linen")), 1.0, "psa", (199, 699)),
    "pleated_skirt": Kind("bottom", (("cotton", "cotton"), ("wool", "wool")), 1.0, "pa", (199, 599)),
    "dress": Kind(
        "onepiece", (("cotton", "cotton"), ("linen", "linen"), ("satin", "silk")), 1.0, "ps", (259, 999), 0.2
    ),
    "maxi_dress": Kind("onepiece", (("linen", "linen"), ("cotton", "cotton")), 1.0, "s", (299, 1299), 0.2),
    "qipao": Kind("onepiece", (("satin", "silk"), ("satin", "satin")), 1.0, "psa", (399, 1999), 0.2),
    "jumpsuit": Kind("onepiece", (("linen", "linen"), ("denim", "denim"), ("cotton", "cotton")), 0.9, "ps", (299, 899)),
    "sneakers": Kind("shoes", (("canvas", "canvas"), ("leather", "leather")), 0.35, "y", (259, 999), 0.4),
    "ankle_boots": Kind("shoes", _LEATHER, 0.6, "aw", (399, 1599), 0.6),
    "heels": Kind("shoes", (("leather", "leather"), ("satin", "satin")), 1.0, "y", (299, 1299), 0.5),
    "loafers": Kind("shoes", _LEATHER, 0.45, "pay", (399, 1299), 0.6),
    "tote_bag": Kind("bag", (("canvas", "canvas"), ("leather", "leather")), 0.6, "y", (129, 999)),
    "backpack": Kind("bag", (("canvas", "canvas"),), 0.3, "y", (199, 799)),
    "cap": Kind("accessory", (("cotton", "cotton"), ("canvas", "canvas")), 0.3, "psy", (69, 199)),
    "beanie": Kind("accessory", _KNIT, 0.35, "w", (79, 299)),
    "scarf": Kind("accessory", (("wool", "wool"), ("wool", "cashmere"), ("satin", "silk")), 0.5, "aw", (129, 799)),
    "belt": Kind("accessory", _LEATHER, 0.4, "y", (99, 499), 0.6),
}
"""Every category that is sold."""
SEASONS = {"p": "spring", "s": "summer", "a": "autumn", "w": "winter", "y": "all"}
SIZES = {
    "top": "XS|S|M|L|XL", "outer": "S|M|L|XL", "bottom": "26|27|28|29|30|31|32", "onepiece": "XS|S|M|L",
    "shoes": "36|37|38|39|40|41|42|43", "bag": "one size", "accessory": "one size",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Good:
    """One item as it is sold, with its hidden truth."""

    item_id: str
    group_id: str
    look: Look
    material: str
    season: str
    audience: str
    price: int
    day: int
    """Day of release, counted from the first day of the log; negative before it."""
    stock: int
    titles: Pair
    descriptions: Pair
    style: str
    theme: str
    community: int
    popularity: float
    missing: str | None
    """The modality that the shop lacks for it, if any."""


@dataclass(frozen=True, slots=True)
class _Model:
    """What the items of one group share."""

    number: int
    category: str
    cloth: tuple[str, str]
    variant: int
    season: str
    audience: str
    price: int
    day: int
    name: Pair
    theme: str
    popularity: float


def make_catalogue(n_items: int, rng: random.Random) -> list[Good]:
    """The catalogue: models of every category, most of them in several colours and prints."""
    themes: list[str] = []
    goods: list[Good] = []
    lacking = _missing(n_items, rng)
    number = 0
    while len(goods) < n_items:
        category = CATEGORIES[number] if number < len(CATEGORIES) else rng.choice(CATEGORIES)
        themes = themes or rng.sample(list(THEMES), len(THEMES))  # all of them in turn: none is rare
        model = _model(number, category, themes.pop(), rng)
        versions = 1 if n_items < 4 * len(CATEGORIES) else rng.choices((1, 2, 3, 4, 5), (1, 2, 3, 3, 2))[0]
        seen: set[tuple[str, str]] = set()
        for _ in range(min(versions, n_items - len(goods))):
            style, look = _dress_up(model, seen, rng)
            goods.append(_item(len(goods), model, style, look, lacking.get(len(goods)), rng))
        number += 1
    return goods


def _missing(n_items: int, rng: random.Random) -> dict[int, str]:
    places = rng.sample(range(n_items), round(MISSING_SHARE * n_items))
    return {place: MODALITIES[turn % len(MODALITIES)] for turn, place in enumerate(places)}


def _model(number: int, category: str, theme: str, rng: random.Random) -> _Model:
    kind = KINDS[category]
    low, high = kind.price
    price = round(math.exp(rng.uniform(math.log(low), math.log(high))) / 10) * 10 - 1
    audience = "women" if rng.random() < kind.women else rng.choice(("men", "unisex"))
    old = rng.random() < 0.55
    return _Model(
        number=number,
        category=category,
        cloth=rng.choice(kind.cloth),
        variant=rng.randrange(10_000),
        season=SEASONS[rng.choice(kind.seasons)],
        audience=audience,
        price=price,
        day=rng.randint(-300, 0) if old or number < 6 else rng.randint(1, DAYS - 2),
        name=rng.choice(NAMES),
        theme=theme,
        popularity=math.exp(rng.gauss(0, 0.5)),
    )


def _dress_up(model: _Model, seen: set[tuple[str, str]], rng: random.Random) -> tuple[str, Look]:
    """A style and a look of it that the model does not have yet."""
    for _ in range(50):
        name = rng.choice(list(PALETTES))
        palette = PALETTES[name]
        colour = rng.choice(palette.colours)
        print_name = "solid" if rng.random() < KINDS[model.category].solid else rng.choice(palette.prints)
        if (colour, print_name) not in seen:
            break
    seen.add((colour, print_name))
    accents = [accent for accent in palette.accents if _contrast(accent, colour) > 130] or ["white"]
    if _contrast(accents[0], colour) <= 130:
        accents = ["black"]
    return f"{name} {print_name}", Look(
        model.category, colour, rng.choice(accents), print_name, model.cloth[0], model.variant
    )


def _contrast(one: str, other: str) -> float:
    return sum(abs(a - b) for a, b in zip(rgb(COLOURS[one]), rgb(COLOURS[other]), strict=True))


def _item(number: int, model: _Model, style: str, look: Look, missing: str | None, rng: random.Random) -> Good:
    material = model.cloth[1]
    return Good(
        item_id=f"M{number:05d}",
        group_id=f"G{model.number:04d}",
        look=look,
        material=material,
        season=model.season,
        audience=model.audience,
        price=model.price,
        day=min(DAYS - 2, model.day + (0 if model.day <= 0 else rng.choice((0, 0, 0, 14, 45)))),
        stock=0 if rng.random() < 0.03 else rng.randint(3, 220),
        titles=title(rng, model.category, material, model.name),
        descriptions=description(rng, model.category, material, model.season, model.theme, model.name),
        style=style,
        theme=model.theme,
        community=rng.randrange(N_COMMUNITIES),
        popularity=model.popularity * math.exp(rng.gauss(0, 0.75)),
        missing=missing,
    )
