"""Learning from the store's own data, with a gate: a challenger answers only if it beats the champion.

Both are asked the same question: what did shoppers take after the champion had learned? The challenger learns from
what was known at that moment, so neither has seen the answers. Only then does it learn from everything.

How many shoppers that takes is for a paired randomisation test to say, so a small shop can retrain too. A champion that
learned from a catalogue alone knows nothing of what shoppers take: it gives way to a challenger that is as good, and
where nobody came back yet, to one whose parts weigh what the evidence of the log carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data.problems import Problems
from modaloom.data.schema import ShopSpec
from modaloom.data.shop import Shop, item_frame, target_events_of
from modaloom.data.splits import Split, window_split
from modaloom.encoders.encode import encode_items
from modaloom.errors import TrainingError
from modaloom.learning.bundle_writer import train_bundle
from modaloom.learning.learner import Modaloom
from modaloom.learning.options import LearnOptions
from modaloom.metrics import randomisation_p, ranking_metrics, top_n
from modaloom.privacy import RESEARCH
from modaloom.shop.folder import reserved
from modaloom.shop.open import DECLARED, SEEDED
from modaloom.shop.recommender import Guide
from modaloom.shop.registry import BUNDLES, TRAFFIC, Fleet, bundle_name, change, keep, recalled, same_contents
from modaloom.shop.shoppers import erase_pasts
from modaloom.storage.contract import ItemChange, Store
from modaloom.types import (
    DAY_S,
    INTERACTION_COLUMNS,
    Event,
    FloatArray,
    Histories,
    IntArray,
    Interaction,
    Snapshot,
    Tell,
    silent,
)

ENOUGH_SHOPPERS = 50
"""With so many shoppers to ask, the whole time since the champion learned is asked about; with fewer, the cut is put
where most of them can be asked."""
LEAST_SHOPPERS = 4
"""With fewer, no difference could be told from chance: three shoppers agree by chance once in eight times."""
CUTS = 4
"""So many cuts through the time since the champion learned are looked at."""
MAX_WINDOW_DAYS = 28
MAX_SHOPPERS = 2_000
LENGTH = 20
CHANCE = 0.0668
"""A lead that chance alone reaches more often, once in fifteen times, is none: that of 1.5 standard errors."""
SETTLE_S = 3_600.0
"""How long to wait for new items to be read by the champion's encoders."""
PAGE = 20_000
BLOCK = 256


@dataclass(frozen=True)
class Verdict:
    """How champion and challenger did on the same shoppers (mean of recall and NDCG at 20), and what is decided."""

    champion: str
    shoppers: int
    champion_value: float
    challenger_value: float
    lead: float
    standard_error: float
    days: float
    p_value: float = 1.0
    """How often chance alone leads by as much."""
    events: int = 0
    """What there is to learn from."""
    content_only: bool = False
    """Whether the champion learned from a catalogue without a log."""

    @property
    def compared(self) -> bool:
        """Whether there were enough shoppers to ask."""
        return self.shoppers >= LEAST_SHOPPERS

    @property
    def outlook(self) -> str:
        """What is said before anything is learned."""
        too_few = "" if self.compared else ", too few: the log's own evidence decides"
        return f"{self.events:,} events to learn from, {self.shoppers:,} known shoppers to compare on{too_few}"

    @property
    def better(self) -> bool:
        """Whether the challenger is to answer."""
        if self.content_only:
            return not self.compared or self.lead >= 0
        return self.compared and self.lead > 0 and self.p_value <= CHANCE

    def __str__(self) -> str:
        if not self.compared:
            return (
                f"{self.shoppers} known shoppers came back, too few to compare on. {self.champion} learned from no "
                f"log, so this rests on {self.events:,} events alone: each part of the new blend weighs as much of "
                "them as is surely not chance, and content leads"
            )
        rule = ". The champion learned from no log, so that to be as good is enough" if self.content_only else ""
        return (
            f"{self.shoppers:,} shoppers in {self.days:.0f} days, mean of recall@20 and ndcg@20: "
            f"{self.champion} {self.champion_value:.4f}, challenger {self.challenger_value:.4f} "
            f"({self.lead:+.4f}, standard error {self.standard_error:.4f}, by chance in {self.p_value:.0%} of cases)"
            f"{rule}"
        )


def retrain(
    store: Store,
    out: Path,
    options: LearnOptions,
    *,
    settings: Settings,
    share: float = 1.0,
    tell: Tell = silent,
) -> tuple[Verdict, str | None]:
    """Lets a challenger compete; where it wins, it learns from everything, is written to ``out`` and gets traffic.

    Gives the verdict, and the new bundle's name if it answers now. Services on the same store take notice within
    a second.

    Args:
        store: what there is to learn from, and which bundle is the champion.
        out: folder of the new bundle.
        options: of the challenger.
        settings: of the encoders.
        share: of the traffic, for a winner; the rest stays with the champion.
        tell: progress.

    Raises:
        TrainingError: there is no champion, or too little has happened since it learned; said before anything is
            encoded or learned.
        BundleError: the champion cannot be trusted, or the new bundle cannot be written.
    """
    if not 0 < share <= 1:
        raise TrainingError(f"the share is {share}", hint="Choose more than 0, up to 1")
    _check_place(store, out)
    fleet = Fleet(store, settings, lambda: 0)
    fleet.open()
    try:
        champion = fleet.main
        shop, learned_at = shop_of(store, champion, tell)
        split = _question(shop, learned_at)
        verdict = _first_verdict(champion, shop, split)
        tell(verdict.outlook, 0, 0)
        if verdict.compared:
            tokens = encode_items(shop, settings=settings, modalities=options.modalities, progress=tell)
            tell("waiting for new items to be read", 0, 0)
            columns = columns_of(fleet, champion, shop.items["item_id"].to_list())
            split = replace(split, snapshot=replace(split.snapshot, tokens=tokens))
            verdict = _compete(champion, columns, split, options, verdict, tell)
    finally:
        fleet.close()
    if not verdict.better:
        return verdict, None
    train_bundle(shop, out, options, settings=settings, tell=tell, still=lambda: dict(_declared(store)))
    return verdict, _promote(store, out, verdict.champion, share, set(shop.users["user_id"]))


def _check_place(store: Store, out: Path) -> None:
    """Says now what would only come out when all the learning is done."""
    named = recalled(store, BUNDLES)
    if not named:
        hint = "Is it the one that 'modaloom serve' uses? That fills it"
        raise TrainingError("the store has no bundle, so nothing to be better than", where=store.url, hint=hint)
    with reserved(out):
        pass  # it is let go again until the challenger has won
    if str(out.resolve()) in named.values():
        raise TrainingError(
            "a bundle that answers lies here, and must stay as it is", where=out, hint="Give --out another name"
        )


def _promote(store: Store, out: Path, champion: str, share: float, learned_from: set[str]) -> str:
    """Gives the new bundle its traffic, and takes out the shoppers who withdrew while it was written."""
    name = bundle_name(out)
    change(store, BUNDLES, lambda named: named | {name: str(out.resolve())})
    shares = {name: 1.0} if share == 1 else {name: share, champion: 1 - share}
    keep(store, TRAFFIC, shares)
    if gone := learned_from - dict(_declared(store)).keys():
        erase_pasts(out, gone)
    return name


def _question(shop: Shop, learned_at: int) -> Split:
    """What shoppers took after the champion had learned, in the last weeks at most; without tokens.

    The champion has seen nothing of that time, so any cut through it is fair to both. A shop that has just begun has
    no shoppers from before: then the cut is where most of them have a past and come back.
    """
    later = shop.interactions.filter(pl.col("timestamp") >= learned_at)["timestamp"]
    first = int(later.to_numpy().min()) if len(later) else shop.end
    start = max(learned_at, shop.end - MAX_WINDOW_DAYS * DAY_S)
    split = window_split(shop, {}, start, shop.end)
    begin = max(start, first)
    for cut in (begin + (shop.end - begin) * number // CUTS for number in range(1, CUTS)):
        if len(split.user_nums) >= ENOUGH_SHOPPERS:
            break
        split = max(split, window_split(shop, {}, cut, shop.end), key=lambda one: len(one.user_nums))
    return split.take(MAX_SHOPPERS)


def _first_verdict(champion: Guide, shop: Shop, split: Split) -> Verdict:
    """What is known before anything is learned.

    Raises:
        TrainingError: there is nothing to decide by.
    """
    shoppers, content_only = len(split.user_nums), not champion.bundle.snapshot.ever_sold().any()
    wanted = [int(event) for event in shop.target_events]
    targets = shop.interactions.filter(pl.col("event").is_in(wanted) & pl.col("item_num").is_not_null()).height
    if content_only and not targets:
        names = ", ".join(event.name.lower() for event in shop.target_events)
        raise TrainingError(
            f"there is nothing to learn from yet: the store has no {names} event on any item",
            hint="The bundle goes on answering from content; retrain once something was bought by somebody who may be "
            "learned from (docs/privacy.md)",
        )
    if shoppers < LEAST_SHOPPERS and not content_only:
        raise TrainingError(
            f"only {shoppers} known shoppers took something new since the champion learned",
            hint=f"At least {LEAST_SHOPPERS} who may be learned from (docs/privacy.md) are needed to tell which is "
            "better; wait, or train from the shop's files",
        )
    days = (shop.end - split.snapshot.now) / DAY_S
    return Verdict(champion.name, shoppers, 0.0, 0.0, 0.0, 0.0, days, 1.0, shop.interactions.height, content_only)


def columns_of(fleet: Fleet, champion: Guide, ids: Sequence[str]) -> IntArray:
    """The champion's numbers of items (n,), those among them that came in since it was loaded.

    Raises:
        TrainingError: it could not take all of them in.
    """
    fleet.refresh()
    champion.placing.settle(SETTLE_S)
    nums = champion.catalogue.nums
    missing = [item_id for item_id in ids if item_id not in nums]
    if missing:
        raise TrainingError(
            f"the champion could not take in {len(missing):,} new items, {missing[0]!r} among them",
            hint="The log says why; wait where they are many, else delete them or send them again",
        )
    return np.array([nums[item_id] for item_id in ids], dtype=np.int64)


def _compete(
    champion: Guide, columns: IntArray, split: Split, options: LearnOptions, verdict: Verdict, tell: Tell
) -> Verdict:
    """Asks both; ``columns`` (n,) are the champion's numbers of the items."""
    challenger = Modaloom(options, tell=lambda message: tell(message, 0, 0)).fit(split.snapshot)

    def of_champion(histories: Histories) -> FloatArray:
        own = Histories(
            user_nums=histories.user_nums,
            offsets=histories.offsets,
            item_nums=columns[histories.item_nums],
            events=histories.events,
            timestamps=histories.timestamps,
            now=histories.now,
        )
        scores: FloatArray = champion.ranker.score(own)[:, columns]
        return scores

    values = [_values(split, score) for score in (of_champion, challenger.score)]
    difference = values[1] - values[0]
    return replace(
        verdict,
        champion_value=float(values[0].mean()),
        challenger_value=float(values[1].mean()),
        lead=float(difference.mean()),
        standard_error=float(difference.std(ddof=1) / np.sqrt(len(difference))),
        p_value=randomisation_p(difference),
    )


def _values(split: Split, score: Callable[[Histories], FloatArray]) -> FloatArray:
    """Mean of recall and NDCG of each shopper, (b,)."""
    histories, found = split.histories(), []
    for start in range(0, len(histories), BLOCK):
        some = histories.take(start, min(start + BLOCK, len(histories)))
        lists = top_n(score(some), LENGTH, split.snapshot.may_be_shown(some))
        made = ranking_metrics(lists, split.truth[start : start + BLOCK])
        found.append((made["recall"] + made["ndcg"]) / 2)
    return np.concatenate(found).astype(np.float32)


def shop_of(store: Store, champion: Guide, tell: Tell) -> tuple[Shop, int]:
    """What may be learned from in a store, as a shop, and up to when the champion knows it.

    Shoppers whose data may not be used for research are left out whole (:mod:`modaloom.privacy`). Likes and dislikes
    are events too. Events on items that are not there are left out.

    Raises:
        TrainingError: the champion's encoders cannot read the store's items.
    """
    bundle = champion.bundle
    if any(str(made).startswith("shop:") for made in bundle.config["encoders"].values()):
        raise TrainingError(
            "the champion learned from vectors that the shop brought, which the store does not have",
            hint="Train from the shop's folder, and add the bundle with POST /v1/admin/bundles",
        )
    items = _items(store)
    log = _Log({item_id: num for num, item_id in enumerate(items["item_id"].to_list())}, store.state(SEEDED) or "")
    declared = dict(_declared(store))
    for done, event in enumerate(_events(store, declared)):
        if done % PAGE == 0:
            tell("events from the store", done, 0)
        log.add(event)
    interactions, facts = log.frame(), bundle.config["shop"]
    spec = {name: facts[name] for name in ("name", "language", "currency", "labels") if name in facts}
    shop = Shop(
        name=facts["name"],
        root=Path(facts["root"]),
        language=facts["language"],
        items=items,
        users=log.shoppers(declared),
        interactions=interactions,
        features={},
        target_events=_targets(bundle.snapshot, interactions),
        exclude_seen=bundle.snapshot.exclude_seen,
        problems=Problems(),
        spec=ShopSpec(**spec),
    )
    # A store's calendar may have been moved when it began: then the bundle's own events say when it learned.
    moved = same_contents(champion.name, log.seeded) and log.newest_seeded is not None
    return shop, log.newest_seeded + 1 if moved and log.newest_seeded is not None else bundle.snapshot.now


def _targets(known: Snapshot, log: pl.DataFrame) -> tuple[Event, ...]:
    """The events that count as success: the champion's, unless it had no log to choose them by and none happened."""
    there = log["event"].is_in([int(event) for event in known.target_events]).any()
    return known.target_events if known.ever_sold().any() or there else target_events_of(log)


class _Log:
    """Events under the numbers of their items and shoppers."""

    def __init__(self, nums: Mapping[str, int], seeded: str):
        self.nums, self.seeded = nums, seeded
        self.users: dict[str, int] = {}
        self.newest_seeded: int | None = None
        self._columns: dict[str, list[object]] = {name: [] for name in (*INTERACTION_COLUMNS, "query")}

    def add(self, event: Interaction) -> None:
        """Takes in one event; what is about no item that there is, is left out."""
        num = self.nums.get(event.item_id) if event.item_id is not None else None
        if num is None and event.event != Event.SEARCH:
            return
        user = self.users.setdefault(event.user_id, len(self.users))
        row = user, num, int(event.event), event.value, event.timestamp, event.query
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)
        if event.event_id is not None and self.seeded and event.event_id.startswith(f"{self.seeded}/"):
            self.newest_seeded = max(self.newest_seeded or 0, event.timestamp)

    def shoppers(self, declared: Mapping[str, bool]) -> pl.DataFrame:
        """The table of shoppers: whom the shop declared stays declared in whatever is filled from the bundle."""
        columns = {"user_id": list(self.users), DECLARED: [declared.get(user_id, False) for user_id in self.users]}
        return pl.DataFrame(columns, schema={"user_id": pl.String(), DECLARED: pl.Boolean()})

    def frame(self) -> pl.DataFrame:
        """The events in the order of their times."""
        schema = {**INTERACTION_COLUMNS, "query": pl.String()}
        return pl.DataFrame(self._columns, schema=schema).sort("timestamp", maintain_order=True)


def _declared(store: Store) -> Iterator[tuple[str, bool]]:
    """Shoppers who may be learned from, and whether that is by the shop's declaration."""
    after = 0
    while page := store.user_rows(after, limit=PAGE, purpose=RESEARCH):
        yield from ((user.user_id, user.declared) for _, user in page)
        after = page[-1][0]


def _events(store: Store, shoppers: Iterable[str]) -> Iterator[Interaction]:
    after = 0
    while page := store.interactions(after, limit=PAGE, purpose=RESEARCH):
        yield from (event for _, event in page)
        after = page[-1][0]
    for user_id in shoppers:
        for one in store.feedback(user_id):
            if one.kind in ("like", "dislike"):
                event = Event.LIKE if one.kind == "like" else Event.DISLIKE
                yield Interaction(user_id, one.item_id, event, one.timestamp)


def _items(store: Store) -> pl.DataFrame:
    return item_frame(change.item for change in _changes(store) if change.item is not None)


def _changes(store: Store) -> Iterator[ItemChange]:
    after = 0
    while changes := store.item_changes(after, limit=5_000):
        yield from changes
        after = changes[-1].version
