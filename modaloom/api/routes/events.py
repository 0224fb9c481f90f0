"""What shoppers do and say: interactions in batches, and feedback on single items."""

from __future__ import annotations

import hashlib
import time

from fastapi import APIRouter

from modaloom.api.middleware.errors import Refused
from modaloom.api.schemas.answers import FeedbackList, IngestedEvents, ItemFeedback, Removed
from modaloom.api.schemas.asks import EventIn, EventsIn, Id, Kind
from modaloom.api.service import Caller, PageCaller, Service, StrictRoute, TheService, in_pool
from modaloom.errors import NotFoundError
from modaloom.storage.contract import Feedback
from modaloom.types import DAY_S, Event, Interaction

router = APIRouter(tags=["events"], route_class=StrictRoute)
PAGE_EVENTS = {"view", "search", "cart"}
"""What a page may say. Who bought what, only the shop knows: it comes with the shop's key."""
PAGE_PAST_S = 7 * DAY_S
"""How far back a page may date an event; a shop's backend may send its whole past."""
AHEAD_S = DAY_S
"""How far a shop's clock may be ahead."""


@router.post("/v1/interactions")
@in_pool("ingest_pool", page="page_ingest_pool")
def interactions(service: TheService, caller: PageCaller, body: EventsIn) -> IngestedEvents:
    """Keeps up to 1,000 events; what was answered for is kept for good, and an `event_id` counts once."""
    events = events_of(service, caller, body.events, int(time.time()))
    known = _of_known_items(service, events) if caller.scope == "page" else events
    done = service.store.add_interactions(known)
    service.metrics.count_events(done.added, done.repeated)
    return IngestedEvents(done.added, done.repeated, unknown=len(events) - len(known))


def events_of(service: Service, caller: Caller, events: list[EventIn], now: int) -> list[Interaction]:
    """The events as the store keeps them.

    Raises:
        Refused: 422 naming every faulty event; 401 or 403 for events of somebody else.
    """
    faults = [fault for number, event in enumerate(events) if (fault := _fault(caller, event, now, number))]
    if faults:
        raise Refused(422, "invalid", "; ".join(faults[:20]), hint="None of the events was kept")
    users = {user_id: service.acting(caller, user_id) for user_id in {event.user_id for event in events}}
    return [_interaction(caller, event, users[event.user_id], now) for event in events]


def _of_known_items(service: Service, events: list[Interaction]) -> list[Interaction]:
    """Those on items of the shop, and searches: what a page makes up must not become a row that stays."""
    there = service.store.items(sorted({event.item_id for event in events if event.item_id is not None}))
    return [event for event in events if event.item_id is None or event.item_id in there]


def _fault(caller: Caller, event: EventIn, now: int, number: int) -> str | None:
    place = f"events.{number}"
    if caller.scope == "page" and event.event not in PAGE_EVENTS:
        return f"{place}.event: a page may send {', '.join(sorted(PAGE_EVENTS))}"
    if event.event == "search" and not (event.query or "").strip():
        return f"{place}.query: a search needs its words"
    if event.event != "search" and event.item_id is None:
        return f"{place}.item_id: needed for a {event.event}"
    if event.event == "rating" and event.value is None:
        return f"{place}.value: a rating needs its value"
    if caller.scope != "page" and event.timestamp is not None and event.timestamp > now + AHEAD_S:
        return f"{place}.timestamp: this is in the future; times are seconds since 1970 UTC"
    return None


def _interaction(caller: Caller, event: EventIn, user_id: str, now: int) -> Interaction:
    timestamp, event_id = event.timestamp if event.timestamp is not None else now, event.event_id
    if caller.scope == "page":
        timestamp = min(max(timestamp, now - PAGE_PAST_S), now)
        if event_id is not None:  # a page must not use up an id that the shop's backend will send
            event_id = "page-" + hashlib.blake2b(f"{user_id}\n{event_id}".encode(), digest_size=20).hexdigest()
    return Interaction(
        user_id=user_id,
        item_id=event.item_id,
        event=Event[event.event.upper()],
        timestamp=timestamp,
        value=event.value,
        query=event.query,
        session_id=event.session_id,
        event_id=event_id,
    )


@router.get("/v1/users/{user_id}/feedback")
def feedback(service: TheService, caller: PageCaller, user_id: Id) -> FeedbackList:
    """Everything that a shopper said of items, oldest first."""
    found = service.store.feedback(service.acting(caller, user_id))
    return FeedbackList(tuple(ItemFeedback(one.item_id, one.kind, one.timestamp) for one in found))


@router.put("/v1/users/{user_id}/feedback/{item_id}/{kind}")
def put_feedback(service: TheService, caller: PageCaller, user_id: Id, item_id: Id, kind: Kind) -> ItemFeedback:
    """Likes, dislikes, hides ... an item; the next list is another one."""
    user = service.acting(caller, user_id)
    if not service.store.items([item_id]):
        raise NotFoundError("no such item")
    now = int(time.time())
    service.store.set_feedback(Feedback(user, item_id, kind, now))
    return ItemFeedback(item_id, kind, now)


@router.delete("/v1/users/{user_id}/feedback/{item_id}/{kind}")
def remove_feedback(service: TheService, caller: PageCaller, user_id: Id, item_id: Id, kind: Kind) -> Removed:
    """Takes it back, and with it all its effect."""
    return Removed(service.store.remove_feedback(service.acting(caller, user_id), item_id, kind))
