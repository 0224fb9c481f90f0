"""Kills processes while they ingest, and looks whether the store has kept what it answered for."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from modaloom.errors import StoreBusyError
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction

BATCHES, BATCH = 2_000, 20
"""What one process would ingest if it were left alone: too much for its short life."""


@dataclass(frozen=True, slots=True)
class Kill:
    """What one round of killing showed."""

    acknowledged: int
    """Batches that a process was told are kept, before it died."""
    unacknowledged: int
    """Batches that were kept whole although nobody was told: the process died in between."""
    faults: tuple[str, ...]
    """What the store got wrong; empty if nothing."""
    events: int
    """Events of this round that are kept once the rest was sent again."""


def batch_of(sender: str, number: int) -> list[Interaction]:
    """The events of one batch, the same every time."""
    return [
        Interaction(
            f"u{(number * BATCH + place) % 97}",
            f"i{place}",
            Event.VIEW,
            number,
            event_id=f"{sender}-{number}-{place}",
        )
        for place in range(BATCH)
    ]


def kill_round(url: str, name: str, *, seed: int, senders: int = 2, longest_s: float = 0.15) -> Kill:
    """Lets processes ingest, kills them (SIGKILL) at a random moment, and looks at what is left.

    Args:
        url: the store, which exists; nobody else may write to it meanwhile.
        name: a new one for every round on this store.
        seed: what the moment is drawn with.
        senders: how many processes ingest at once.
        longest_s: the latest moment after the first acknowledgement.
    """
    with open_store(url) as store:
        before = _last_number(store)
    children = [_start(url, f"{name}.{place}") for place in range(senders)]
    try:
        for _, _, heard in children:
            heard.poll(60)  # until the first batch of each is kept
        time.sleep(random.Random(seed).uniform(0, longest_s))
    finally:
        for child, _, _ in children:
            child.kill()
    told = {sender: _told(heard) for _, sender, heard in children}
    for child, _, _ in children:
        child.join()
        child.close()
    with open_store(url) as store:
        return _verdict(store, before, told)


def _start(url: str, sender: str) -> tuple[multiprocessing.process.BaseProcess, str, Connection]:
    # Each child is forked from a fresh process that has nothing open and has imported what it needs.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    heard, say = context.Pipe(duplex=False)
    child = context.Process(target=_ingest, args=(url, sender, say), daemon=True)
    child.start()
    say.close()
    return child, sender, heard


def _ingest(url: str, sender: str, say: Connection) -> None:
    with open_store(url) as store:
        for number in range(BATCHES):
            while True:
                try:
                    store.add_interactions(batch_of(sender, number))
                    break
                except StoreBusyError:
                    continue
            say.send(number)


def _told(heard: Connection) -> int:
    """How many batches were acknowledged; what was in the pipe when its sender died is read to the end."""
    number = 0
    with suppress(EOFError), heard:
        while True:
            number = heard.recv() + 1
    return number


def _last_number(store: Store) -> int:
    return max((number for number, _ in _pages(store, 0)), default=0)


def _pages(store: Store, after: int) -> Iterator[tuple[int, Interaction]]:
    while page := store.interactions(after, purpose=None):
        yield from page
        after = page[-1][0]


def _verdict(store: Store, before: int, told: dict[str, int]) -> Kill:
    kept = [event.event_id or "" for _, event in _pages(store, before)]
    there, faults, late = set(kept), list[str](), 0
    if len(there) != len(kept):
        faults.append(f"{len(kept) - len(there)} events are there more than once")
    for sender, acknowledged in told.items():
        for number in range(acknowledged + 1):
            ids = [event.event_id or "" for event in batch_of(sender, number)]
            here = sum(one in there for one in ids)
            if number < acknowledged and here < BATCH:
                faults.append(f"{BATCH - here} acknowledged events of batch {sender}-{number} are lost")
            elif 0 < here < BATCH:
                faults.append(f"batch {sender}-{number} was kept in part")
            answer = store.add_interactions(batch_of(sender, number))
            if number == acknowledged and (here, answer.repeated) == (0, BATCH):
                here = BATCH  # a server finished this commit after its client had died, and after we looked
            late += number == acknowledged and here == BATCH
            if answer.added != BATCH - here or answer.repeated != here:
                faults.append(f"sending {sender}-{number} again added {answer.added} events to {here} of {BATCH}")
    wanted = sum(acknowledged + 1 for acknowledged in told.values()) * BATCH
    if (found := sum(1 for _ in _pages(store, before))) != wanted:
        faults.append(f"in the end there are {found} events, not {wanted}")
    return Kill(sum(told.values()), late, tuple(faults), found)
