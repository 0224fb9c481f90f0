"""Who comes to the built-in shop and what they do there: shoppers with a planted taste, sessions, trends, outfits."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from modaloom.samples.goods import DAYS, KINDS, N_COMMUNITIES, PALETTES, STYLES, Good, make_catalogue
from modaloom.samples.words import COLOUR_WORDS, MATERIALS, SEASON_WORDS, THEME_SEARCHES, THEMES, query
from modaloom.types import DAY_S

Weights = npt.NDArray[np.float64]
GROUPS = ("image", "text", "behaviour")
TASTE_SHARE = 0.84
"""Purchases that are made by taste; chance adds a few that happen to fit."""
SESSIONS_A_SHOPPER = 16.0
ITEMS_A_SESSION = 5
"""Of a catalogue so small that shoppers would soon have all of it, they come the less often."""
LEAST_SESSIONS = 5
LIKED = 3
"""Styles, or themes, that a shopper by picture or by words likes: any of them, so that few like the same."""
Taste = tuple[str, ...] | int
"""Styles, themes, or the number of a community."""

OUTFIT_PAIRS: tuple[tuple[str, str], ...] = (
    ("top", "bottom"), ("outer", "bottom"), ("outer", "onepiece"), ("top", "outer"), ("bottom", "shoes"),
    ("onepiece", "shoes"), ("onepiece", "bag"), ("outer", "accessory"), ("bottom", "accessory"), ("top", "bag"),
)  # fmt: skip
"""Groups of categories that are worn together."""
NEUTRALS = ("black", "white", "grey", "navy", "beige", "camel", "brown")
HARMONIES: tuple[tuple[str, str], ...] = (
    ("blue", "mustard"), ("teal", "orange"), ("green", "burgundy"), ("olive", "mustard"), ("pink", "burgundy"),
    ("lilac", "purple"), ("mint", "pink"), ("sky", "yellow"), ("red", "fuchsia"), ("sky", "lilac"), ("blue", "sky"),
    ("olive", "purple"), ("red", "yellow"), ("green", "olive"),
)  # fmt: skip
"""Colours that go together beside neutrals (which go with everything) and a colour with itself."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A planted trend: how much likelier a purchase is at its peak than at its trough."""

    kind: str
    """rising, falling or seasonal."""
    field: str
    """category, material or print."""
    value: str
    strength: float
    peak_day: int = 0
    """Day of the year, for seasonal ones."""

    def touches(self, good: Good) -> bool:
        """Whether an item is one of those that the trend is about."""
        here = {"category": good.look.category, "material": good.material, "print": good.look.print_name}
        return here[self.field] == self.value

    def weight(self, day: float) -> float:
        """Factor on a day of the log."""
        if self.kind == "seasonal":
            swing = math.cos(2 * math.pi * (day - self.peak_day) / 365.25) / 2
        else:
            swing = (day / DAYS - 0.5) * (1 if self.kind == "rising" else -1)
        return math.exp(math.log(self.strength) * swing)


TRENDS: tuple[Trend, ...] = (
    Trend("rising", "print", "leopard", 4.0), Trend("rising", "category", "loafers", 4.0),
    Trend("rising", "category", "pleated_skirt", 3.5), Trend("rising", "material", "linen", 3.0),
    Trend("falling", "print", "stars", 4.0), Trend("falling", "category", "leggings", 4.0),
    Trend("falling", "category", "hoodie", 3.0), Trend("falling", "material", "canvas", 2.5),
    *(Trend("seasonal", "category", name, 8.0, 15) for name in ("puffer_jacket", "wool_coat", "turtleneck")),
    *(Trend("seasonal", "category", name, 8.0, 15) for name in ("beanie", "scarf")),
    *(Trend("seasonal", "category", name, 4.0, 330) for name in ("sweater", "ankle_boots")),
    *(Trend("seasonal", "category", name, 8.0, 196) for name in ("shorts", "tank_top", "maxi_dress")),
    *(Trend("seasonal", "category", name, 3.0, 180) for name in ("t_shirt", "polo_shirt", "dress", "cap")),
    *(Trend("seasonal", "category", name, 2.5, 100) for name in ("trench_coat", "denim_jacket")),
)  # fmt: skip
"""Everything that changes with time."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """One shopper and the truth about them."""

    user_id: str
    age: int
    gender: str
    language: str
    group: str
    taste: Taste
    stated_colours: tuple[str, ...]
    stated_words: tuple[str, ...]
    sizes: tuple[str, str, str]
    """Top, bottom, shoe."""
    joined: int
    likes_outfits: bool
    budget: float
    wardrobe: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    second: int
    """Since the start of the first day."""
    user_id: str
    item_id: str
    event: str
    value: str
    query: str
    session_id: str


@dataclass
class World:
    """The whole shop before it is written."""

    goods: list[Good]
    shoppers: list[Shopper]
    log: list[Entry]
    outfits: list[tuple[str, tuple[str, ...]]]
    """Session and the items bought in it as an outfit."""


def make_world(n_items: int, n_users: int, seed: int) -> World:
    """Draws a shop. The same numbers give the same shop."""
    goods = make_catalogue(n_items, random.Random(f"goods {seed}"))
    rng = random.Random(f"shoppers {seed}")
    shoppers = [_shopper(number, rng) for number in range(n_users)]
    return _Play(goods, shoppers, seed).run()


def fits(good: Good, group: str, taste: Taste) -> bool:
    """Whether an item is to a shopper's taste *and* this can be known: what lacks a picture shows no style."""
    if isinstance(taste, int):
        return good.community == taste
    return good.missing != group and (good.style if group == "image" else good.theme) in taste


def harmonise(one: str, other: str) -> bool:
    """Whether two colours may be worn together."""
    return (
        one == other or one in NEUTRALS or other in NEUTRALS or (one, other) in HARMONIES or (other, one) in HARMONIES
    )


def go_together(one: Good, other: Good) -> bool:
    """Whether two items make an outfit by the planted rules."""
    pair = (KINDS[one.look.category].group, KINDS[other.look.category].group)
    return (pair in OUTFIT_PAIRS or pair[::-1] in OUTFIT_PAIRS) and harmonise(one.look.colour, other.look.colour)


def _outfit_matrix(goods: list[Good]) -> npt.NDArray[np.bool_]:
    """:func:`go_together` for every pair of items, (n, n)."""
    keys = [(KINDS[good.look.category].group, good.look.colour) for good in goods]
    unique = sorted(set(keys))
    first = {key: goods[keys.index(key)] for key in unique}
    small = np.array([[go_together(first[a], first[b]) for b in unique] for a in unique], dtype=bool)
    rows = np.array([unique.index(key) for key in keys])
    return np.asarray(small[np.ix_(rows, rows)])


def _shopper(number: int, rng: random.Random) -> Shopper:
    gender = rng.choices(("female", "male", ""), (56, 40, 4))[0]
    group = GROUPS[number % len(GROUPS)]
    taste: Taste = number // len(GROUPS) % N_COMMUNITIES
    colours, words = rng.sample(list(COLOUR_WORDS), 2), rng.sample(list(THEME_SEARCHES), 1)
    if group == "image":
        taste = tuple(rng.sample(list(STYLES), LIKED))
        if rng.random() < 0.5:
            colours = [rng.choice(PALETTES[STYLES[style][0]].colours) for style in taste[:2]]
    elif group == "text":
        taste = tuple(rng.sample(list(THEMES), LIKED))
        if rng.random() < 0.5:
            words = [taste[0]]
    language = "zh" if rng.random() < 0.6 else "en"
    place = 0 if language == "zh" else 1
    foot = rng.gauss(38 if gender == "female" else 42, 1.3)
    return Shopper(
        user_id=f"U{number:05d}",
        age=round(min(69, max(16, rng.gauss(32, 9)))),
        gender=gender,
        language=language,
        group=group,
        taste=taste,
        stated_colours=tuple(COLOUR_WORDS[name][place] for name in dict.fromkeys(colours)),
        stated_words=tuple(rng.choice(THEME_SEARCHES[name])[place] for name in words),
        sizes=(
            rng.choice(("XS", "S", "M", "M", "L", "XL")),
            str(rng.randint(26, 32)),
            str(min(43, max(36, round(foot)))),
        ),
        joined=0 if rng.random() < 0.6 else rng.randint(1, 640),
        likes_outfits=rng.random() < 0.35,
        budget=math.exp(rng.gauss(math.log(380), 0.45)),
    )


class _Play:
    """Runs the two years, session by session, in the order of time."""

    def __init__(self, goods: list[Good], shoppers: list[Shopper], seed: int):
        self.goods = goods
        self.shoppers = shoppers
        self.rng = random.Random(f"log {seed}")
        self.random = np.random.default_rng(seed)
        self.days = np.array([good.day for good in goods])
        self.prices = np.log([float(good.price) for good in goods])
        self.popularity = np.array([good.popularity for good in goods])
        self.audience = np.array([("women", "men", "unisex").index(good.audience) for good in goods])
        self.touched = [np.array([trend.touches(good) for good in goods], dtype=bool) for trend in TRENDS]
        self.matching = _outfit_matrix(goods)
        self.steps = [self._trend_weights(day) for day in range(0, DAYS + 7, 7)]
        tastes = {(s.group, s.taste) for s in shoppers}
        fitting = {
            taste: np.array([fits(good, *taste) for good in goods], dtype=bool) for taste in sorted(tastes, key=str)
        }
        self.liking = [fitting[s.group, s.taste] for s in shoppers]
        self.base = [self._base(shopper) for shopper in shoppers]
        self.owned: list[set[int]] = [set() for _ in shoppers]
        self.world = World(goods, shoppers, [], [])

    def _trend_weights(self, day: int) -> Weights:
        weights = np.ones(len(self.goods))
        for trend, touched in zip(TRENDS, self.touched, strict=True):
            weights[touched] *= trend.weight(day)
        return weights

    def _base(self, shopper: Shopper) -> Weights:
        """How likely each item is for a shopper, taste and time left aside."""
        reach = {"female": (1.0, 0.04, 0.8), "male": (0.02, 1.0, 0.8), "": (0.6, 0.6, 1.0)}[shopper.gender]
        price = np.exp(-0.5 * ((self.prices - math.log(shopper.budget)) / 0.9) ** 2)
        power = 1.2 if shopper.group == "behaviour" else 0.3
        return np.asarray(np.array(reach)[self.audience] * price * self.popularity**power)

    def run(self) -> World:
        """The whole log."""
        self._fill_wardrobes()
        visits = sorted(self._visits())
        for number, (second, who) in enumerate(visits):
            self._session(f"S{number:06d}", second, who, searches=number in (0, len(visits) - 1))
        self.world.log.sort(key=lambda entry: entry.second)
        return self.world

    def _fill_wardrobes(self) -> None:
        """What shoppers have from before; they do not buy it again."""
        for who, shopper in enumerate(self.shoppers):
            for _ in range(self.rng.randint(0, 5)):
                pick = self._pick(who, 0, self.rng.random() < 0.6)
                if pick is not None:
                    self.owned[who].add(pick)
                    shopper.wardrobe.append(self.goods[pick].item_id)

    def _visits(self) -> list[tuple[int, int]]:
        """(second, shopper) of every session; the first and the last day of the log have one each at least."""
        visits = []
        for who, shopper in enumerate(self.shoppers):
            mean = min(SESSIONS_A_SHOPPER, len(self.goods) / ITEMS_A_SESSION) * (
                0.55 + 0.45 * (DAYS - shopper.joined) / DAYS
            )
            for _ in range(max(LEAST_SESSIONS, round(self.rng.gammavariate(8, mean / 8)))):
                hour = self.rng.choices(range(24), _HOURS)[0]
                day = self.rng.randint(shopper.joined, DAYS - 1)
                visits.append((day * DAY_S + hour * 3600 + self.rng.randint(0, 2900), who))
        first = next(
            who for who, shopper in enumerate(self.shoppers) if shopper.joined == 0 or who == len(self.shoppers) - 1
        )
        return [*visits, (9 * 3600, first), ((DAYS - 1) * DAY_S + 20 * 3600, first)]

    def _pick(self, who: int, day: int, by_taste: bool, also: npt.NDArray[np.bool_] | None = None) -> int | None:
        """An item that is out, not owned, and to the shopper's taste where ``by_taste``."""
        age = day - self.days
        weights = self.base[who] * self.steps[day // 7] * np.where(age >= 0, 1 + 1.2 * np.exp(-age.clip(0) / 45), 0)
        if by_taste:
            weights = weights * self.liking[who]
        if also is not None:
            weights = weights * also
        weights[list(self.owned[who])] = 0
        total = weights.sum()
        if total <= 0:
            return None
        return int(
            np.searchsorted(np.cumsum(weights), self.random.random() * total, side="right").clip(0, len(weights) - 1)
        )

    def _basket(self, session: str, who: int, day: int) -> list[int]:
        """What is bought in a session: one thing, or an outfit."""
        first = self._pick(who, day, self.rng.random() < TASTE_SHARE)
        if first is None:
            return []
        basket = [first]
        self.owned[who].add(first)
        more = self.rng.choice((1, 1, 2)) if self.shoppers[who].likes_outfits and self.rng.random() < 0.45 else 0
        for _ in range(more):
            matching = np.logical_and.reduce(self.matching[basket])
            item = self._pick(who, day, self.rng.random() < TASTE_SHARE, matching)
            if item is not None:
                basket.append(item)
                self.owned[who].add(item)
        if len(basket) > 1:
            self.world.outfits.append((session, tuple(self.goods[place].item_id for place in basket)))
        return basket

    def _session(self, session: str, second: int, who: int, *, searches: bool) -> None:
        """Search and views, perhaps a cart, perhaps a purchase, days later perhaps a rating or a return.

        ``searches``: there is a search for sure, so that the log has the first and the last day.
        """
        rng, day = self.rng, second // DAY_S
        bought = self._basket(session, who, day) if rng.random() < 0.70 else []
        seen = [
            self._pick(who, day, rng.random() < 0.55)
            for _ in range(rng.choice((0, 0, 1, 1, 2) if bought else (1, 1, 2, 3)))
        ]
        browsed = [place for place in seen if place is not None]
        clock = second
        if searches or ((bought or browsed) and rng.random() < 0.36):
            self._note(clock, who, None, "search", "", self._query(who, (bought or browsed or [0])[0]), session)
        looked = [*browsed, *(place for place in bought if rng.random() < 0.85)]
        rng.shuffle(looked)
        for place in looked:
            clock += rng.randint(8, 160)
            self._note(clock, who, place, "view", "", "", session)
        for place in browsed:
            self._opinion(clock + rng.randint(2, 30), who, place, session)
        for place in bought:
            clock += rng.randint(5, 60)
            if rng.random() < 0.55:
                self._note(clock, who, place, "cart", "1", "", session)
        clock += rng.randint(40, 300)
        for place in bought:
            self._note(clock, who, place, "purchase", "1", "", session)
            self._afterwards(clock, who, place, session)

    def _opinion(self, second: int, who: int, place: int, session: str) -> None:
        """What a shopper does with something that they looked at and did not buy."""
        draw, liked = self.rng.random(), self.liking[who][place]
        if draw < 0.10:
            self._note(second, who, place, "cart", "1", "", session)
        elif draw < (0.34 if liked else 0.16):
            self._note(second, who, place, "like", "", "", session)
        elif not liked and draw < 0.28:
            self._note(second, who, place, "dislike", "", "", session)

    def _afterwards(self, second: int, who: int, place: int, session: str) -> None:
        """Rating and return, some days after a purchase."""
        rng, liked = self.rng, self.liking[who][place]
        later = second + rng.randint(3 * DAY_S, 14 * DAY_S)
        if rng.random() < 0.30:
            stars = rng.choices((5, 4, 3, 2, 1), (50, 34, 12, 3, 1) if liked else (10, 25, 35, 20, 10))[0]
            self._note(later, who, place, "rating", str(stars), "", f"{session}R")
        if rng.random() < (0.04 if liked else 0.20):
            self._note(later + rng.randint(60, 4 * DAY_S), who, place, "return", "1", "", f"{session}R")

    def _note(self, second: int, who: int, place: int | None, event: str, value: str, words: str, session: str) -> None:
        if second < DAYS * DAY_S:
            item_id = "" if place is None else self.goods[place].item_id
            self.world.log.append(Entry(second, self.shoppers[who].user_id, item_id, event, value, words, session))

    def _query(self, who: int, place: int) -> str:
        """What the shopper types before they find an item."""
        shopper, good, rng = self.shoppers[who], self.goods[place], self.rng
        extras = [MATERIALS[good.material], SEASON_WORDS[good.season]]
        if rng.random() < 0.6:
            if shopper.group == "image":
                extras = [COLOUR_WORDS[good.look.colour]]
            elif not isinstance(shopper.taste, int):
                extras = list(THEME_SEARCHES[good.theme if good.theme in shopper.taste else rng.choice(shopper.taste)])
        return query(rng, shopper.language, good.look.category, *(extras if rng.random() < 0.7 else ()))


_HOURS = (2, 1, 1, 1, 1, 1, 2, 4, 6, 6, 6, 7, 9, 8, 6, 6, 6, 7, 9, 12, 15, 15, 11, 6)
"""How busy each hour of the day is."""
