from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import combinations

import pytest

from modaloom.samples.goods import DAYS, MISSING_SHARE, PALETTES, STYLES
from modaloom.samples.look import CATEGORIES, PRINTS
from modaloom.samples.words import THEMES
from modaloom.samples.world import GROUPS, LIKED, TRENDS, World, fits, make_world
from modaloom.samples.write import FIRST_DAY
from modaloom.types import DAY_S


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(1200, 800, 0)


def test_there_is_as_much_as_promised(world: World) -> None:
    assert len(world.goods) == 1200
    assert len(world.shoppers) == 800
    assert len(world.log) >= 30_000
    events = Counter(entry.event for entry in world.log)
    assert 0.18 < events["purchase"] / len(world.log) < 0.26
    assert set(events) == {"view", "search", "cart", "purchase", "rating", "like", "dislike", "return"}
    assert {good.look.category for good in world.goods} == set(CATEGORIES)
    assert {good.look.print_name for good in world.goods} == set(PRINTS)


def test_the_log_is_two_years_long(world: World) -> None:
    assert FIRST_DAY + timedelta(days=DAYS - 1) == date(2025, 12, 31)
    assert world.log[0].second < DAY_S
    assert world.log[-1].second // DAY_S == DAYS - 1


def test_purchases_follow_the_taste(world: World) -> None:
    goods = {good.item_id: good for good in world.goods}
    shoppers = {shopper.user_id: shopper for shopper in world.shoppers}
    follow = {group: [0, 0] for group in GROUPS}
    for entry in world.log:
        if entry.event == "purchase":
            who = shoppers[entry.user_id]
            follow[who.group][0] += fits(goods[entry.item_id], who.group, who.taste)
            follow[who.group][1] += 1
    assert sum(bought for _, bought in follow.values()) > 6 * 800
    for hits, bought in follow.values():
        assert 0.80 < hits / bought < 0.92


def test_groups_and_tastes_are_of_like_size(world: World) -> None:
    groups = Counter(shopper.group for shopper in world.shoppers)
    assert max(groups.values()) - min(groups.values()) <= 1
    for truth in ("style", "theme", "community"):
        shares = Counter(getattr(good, truth) for good in world.goods)
        assert min(shares.values()) > 0.5 * 1200 / len(shares)


def test_palettes_share_no_colour_and_no_print() -> None:
    for part in ("colours", "prints"):
        names = [name for palette in PALETTES.values() for name in getattr(palette, part)]
        assert len(names) == len(set(names))


def test_a_style_is_a_palette_with_a_print(world: World) -> None:
    for good in world.goods:
        palette, print_name = STYLES[good.style]
        assert good.look.colour in PALETTES[palette].colours
        assert good.look.print_name == print_name


def test_few_share_what_they_like_to_see_or_to_read(world: World) -> None:
    for group in ("image", "text"):
        tastes = [frozenset(who.taste) for who in world.shoppers if who.group == group and isinstance(who.taste, tuple)]
        assert len(set(tastes)) > 0.7 * len(tastes)
        assert {len(taste) for taste in tastes} == {LIKED}
    communities = Counter(who.taste for who in world.shoppers if who.group == "behaviour")
    assert min(communities.values()) > 30


def test_who_buys_together_does_not_tell_styles_or_themes(world: World) -> None:
    """Pairs of purchases by others than the item's own circle: of communities they tell much, of the others little."""
    goods = {good.item_id: good for good in world.goods}
    had: dict[str, set[str]] = {}
    for entry in world.log:
        if entry.event == "purchase":
            had.setdefault(entry.user_id, set()).add(entry.item_id)
    together = Counter(pair for items in had.values() for pair in combinations(sorted(items), 2))
    lift = {}
    for truth in ("style", "theme", "community"):
        shares = Counter(getattr(good, truth) for good in world.goods)
        by_chance = sum((number / len(world.goods)) ** 2 for number in shares.values())
        often = [pair for pair, number in together.items() if number >= 3]
        alike = sum(getattr(goods[one], truth) == getattr(goods[other], truth) for one, other in often) / len(often)
        lift[truth] = (alike - by_chance) / (1 - by_chance)
    assert lift["community"] > 0.4
    assert max(lift["style"], lift["theme"]) < 0.25


def test_style_and_community_cannot_be_guessed_from_category(world: World) -> None:
    for truth in ("style", "community"):
        best = Counter[str]()
        for category in CATEGORIES:
            here = Counter(getattr(good, truth) for good in world.goods if good.look.category == category)
            best[category] = here.most_common(1)[0][1]
        assert sum(best.values()) / 1200 < 0.40


def test_a_community_buys_the_same_things_again_and_again(world: World) -> None:
    goods = {good.item_id: good for good in world.goods}
    buyers = Counter(
        entry.item_id
        for entry in world.log
        if entry.event == "purchase"
        and (who := world.shoppers[int(entry.user_id[1:])]).group == "behaviour"
        and goods[entry.item_id].community == who.taste
    )
    often = sum(number for number in buyers.values() if number >= 3)
    assert often / sum(buyers.values()) > 0.6


def test_some_items_are_new_and_never_sold_before_the_last_weeks(world: World) -> None:
    cut = (DAYS - 60) * DAY_S
    sold = {entry.item_id for entry in world.log if entry.event == "purchase" and entry.second < cut}
    fresh = [good for good in world.goods if good.item_id not in sold]
    assert len(fresh) > 40
    assert any(good.day * DAY_S > cut for good in fresh)
    assert max(good.day for good in world.goods) > DAYS - 40


def test_trends_show_in_the_log(world: World) -> None:
    goods = {good.item_id: good for good in world.goods}
    bought = [(entry.second // DAY_S, goods[entry.item_id]) for entry in world.log if entry.event == "purchase"]
    for trend in TRENDS:
        inside = [day for day, good in bought if trend.touches(good)]
        if trend.kind == "seasonal" and trend.strength >= 4 and len(inside) > 60:
            near = sum(min((day - trend.peak_day) % 365, -(day - trend.peak_day) % 365) < 91 for day in inside)
            assert near / len(inside) > 0.6, trend
    shares = {}
    for trend in TRENDS:
        if trend.kind != "seasonal" and trend.field == "print":
            halves = [
                [trend.touches(good) for day, good in bought if (day > DAYS / 2) == late] for late in (False, True)
            ]
            shares[trend.kind] = [sum(half) / len(half) for half in halves]
    assert shares["rising"][1] > 1.2 * shares["rising"][0]
    assert shares["falling"][1] < 0.8 * shares["falling"][0]


def test_missing_share(world: World) -> None:
    lacking = Counter(good.missing for good in world.goods if good.missing)
    assert sum(lacking.values()) == round(MISSING_SHARE * 1200)
    assert max(lacking.values()) - min(lacking.values()) <= 1


def test_descriptions_speak_of_their_theme_in_both_languages(world: World) -> None:
    for good in world.goods[:200]:
        for place in (0, 1):
            mine = sum(sentence[place] in good.descriptions[place] for sentence in THEMES[good.theme])
            others = sum(
                sentence[place] in good.descriptions[place]
                for theme, sentences in THEMES.items()
                if theme != good.theme
                for sentence in sentences
            )
            assert (mine, others) == (2, 0)


def test_another_seed_is_another_shop() -> None:
    one, other, again = (make_world(40, 12, seed) for seed in (0, 1, 0))
    assert [entry.item_id for entry in one.log] != [entry.item_id for entry in other.log]
    assert one.log == again.log
