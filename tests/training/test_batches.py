"""What the learner is shown is only what it could have known, and what it is told apart from is fair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from modaloom.training.batches import NEGATIVES_SLACK_DAYS, Batch, Examples
from modaloom.types import Event, IntArray, Snapshot

DAY = 86_400
START = 1_600_000_000
BUY, VIEW = int(Event.PURCHASE), int(Event.VIEW)
PER_USER = 12
MakeSnapshot = Callable[..., Snapshot]


def examples_of(snapshot: Snapshot, *, length: int = 50, gap: int = 0, half_life: float = 1e6) -> Examples:
    return Examples(snapshot, history_length=length, half_life_days=half_life, max_gap_days=gap)


def drawn(examples: Examples, *, seed: int = 0, limit: int = 10_000, folds: IntArray | None = None) -> list[Batch]:
    rng = np.random.default_rng(seed)
    return list(examples.epoch(rng, batch_size=16, negatives=40, limit=limit, fold_of_user=folds))


@pytest.fixture(scope="module")
def numbered(make_snapshot: MakeSnapshot) -> tuple[Snapshot, IntArray]:
    """20 shoppers with 12 purchases each, some at the same moment; item ``12 u + k`` is the k-th of shopper u."""
    rng = np.random.default_rng(0)
    times = START + np.sort(rng.integers(0, 40, (20, PER_USER)), axis=1) * DAY
    rows = [(user, user * PER_USER + k, BUY, int(times[user, k])) for user in range(20) for k in range(PER_USER)]
    return make_snapshot(rows), times.ravel()


@pytest.mark.parametrize(("gap", "length"), [(0, 50), (0, 3), (7, 50), (7, 3), (60, 50)])
def test_a_past_is_the_shoppers_own_and_older_than_the_target(
    numbered: tuple[Snapshot, IntArray], gap: int, length: int
) -> None:
    snapshot, times = numbered
    seen = 0
    for batch in drawn(examples_of(snapshot, gap=gap, length=length)):
        for row, target in enumerate(batch.positives.tolist()):
            there = batch.past.mask[row].numpy()
            past = batch.past.items[row].numpy()[there]
            assert 1 <= len(past) <= length
            assert (past // PER_USER == target // PER_USER).all(), "somebody else's past"
            assert (times[past] < times[target]).all(), "the target, or something later, or of the same moment"
            assert (np.diff(past) == 1).all(), "not in order, or with holes"
            now = times[past] + np.rint(batch.past.age_days[row].numpy()[there] * DAY).astype(int)
            assert np.ptp(now) <= 200  # ages are float32
            assert now.max() <= times[target] + 200
            assert now.min() >= times[target] - gap * DAY - 200
            own = np.arange(target // PER_USER * PER_USER, target)
            known = own[times[own] < (times[target] if gap == 0 else now.min() - 200)]
            assert set(known[-length:].tolist()) <= set(past.tolist()) or gap
            seen += 1
    assert seen == len(examples_of(snapshot))


def test_the_gap_hides_the_newest_events(numbered: tuple[Snapshot, IntArray]) -> None:
    snapshot, _ = numbered
    without, with_gap = (
        sum(int(batch.past.mask.sum()) for batch in drawn(examples_of(snapshot, gap=gap))) for gap in (0, 30)
    )
    assert with_gap < 0.8 * without


def test_every_example_comes_once_and_the_first_event_of_a_shopper_never(
    numbered: tuple[Snapshot, IntArray],
) -> None:
    snapshot, times = numbered
    examples = examples_of(snapshot)
    targets = np.concatenate([batch.positives for batch in drawn(examples)])
    assert len(np.unique(targets)) == len(targets) == len(examples)
    first = times[targets // PER_USER * PER_USER]
    assert (times[targets] > first).all()


def test_what_lies_under_a_false_mask_is_item_zero(numbered: tuple[Snapshot, IntArray]) -> None:
    for batch in drawn(examples_of(numbered[0])):
        assert not batch.past.items[~batch.past.mask].any()
        assert not batch.past.age_days[~batch.past.mask].any()


def test_folds_never_mix(numbered: tuple[Snapshot, IntArray]) -> None:
    folds = np.arange(20) % 3
    batches = drawn(examples_of(numbered[0]), folds=folds)
    assert {batch.fold for batch in batches} == {0, 1, 2}
    for batch in batches:
        assert (folds[batch.positives // PER_USER] == batch.fold).all()


def test_negatives_come_from_the_same_time(make_snapshot: MakeSnapshot) -> None:
    rows = [(user, day, BUY, START + day * DAY) for user in range(4) for day in range(400)]
    for batch in drawn(examples_of(make_snapshot(rows))):
        low, high = batch.positives.min(), batch.positives.max()
        assert batch.negatives.min() >= low - NEGATIVES_SLACK_DAYS
        assert batch.negatives.max() <= high + NEGATIVES_SLACK_DAYS
        assert high - low < 40, "a batch spans a stretch of time"
        assert len(batch.negatives) == 40


def test_log_q_is_the_chance_of_being_drawn(make_snapshot: MakeSnapshot) -> None:
    rows = [(user, item, BUY, START + user) for user in range(60) for item in range(4) if user % (item + 1) == 0]
    rows += [(user, 4, BUY, START - 60) for user in range(60)]  # so that everybody has a past
    counts = np.bincount([item for _, item, _, _ in rows])
    batches = drawn(examples_of(make_snapshot(rows)))
    for batch in batches:
        assert batch.log_q == pytest.approx(np.log(counts / counts.sum())[batch.negatives], rel=1e-5)
    often = np.bincount(np.concatenate([batch.negatives for batch in batches]), minlength=5)
    assert often / often.sum() == pytest.approx(counts / counts.sum(), abs=0.06)


def test_views_are_past_but_neither_targets_nor_negatives(make_snapshot: MakeSnapshot) -> None:
    rows = [(user, item, VIEW if item % 2 else BUY, START + item * DAY) for user in range(8) for item in range(10)]
    past: set[int] = set()
    for batch in drawn(examples_of(make_snapshot(rows))):
        assert not (batch.positives % 2).any()
        assert not (batch.negatives % 2).any()
        past |= set(batch.past.items[batch.past.mask].tolist())
        assert (
            batch.past.event[batch.past.mask].numpy() == np.where(batch.past.items[batch.past.mask] % 2, VIEW, BUY)
        ).all()
    assert past >= {1, 3, 5, 7}


def test_recent_examples_are_first_in_line(make_snapshot: MakeSnapshot) -> None:
    rows = [(user, day, BUY, START + day * DAY) for user in range(10) for day in range(100)]
    targets = np.concatenate(
        [batch.positives for batch in drawn(examples_of(make_snapshot(rows), half_life=5), limit=100)]
    )
    assert len(targets) == 100
    assert np.median(targets) > 80


def test_what_is_a_thousand_half_lives_old_can_be_drawn_too(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot([(user, user + k, BUY, START + 1_500 * k * DAY) for user in range(3) for k in range(3)])
    examples = examples_of(snapshot, half_life=1.0)
    assert sum(len(batch.positives) for batch in drawn(examples)) == len(examples) == 6


def test_a_bulk_buyer_teaches_no_more_than_others(make_snapshot: MakeSnapshot) -> None:
    """He buys one half of the catalogue, in four of five purchases; everybody else buys the other half."""
    rows = [(0, day % 50, BUY, START + day * DAY) for day in range(4_000)]
    rows += [(user, 50 + day % 50, BUY, START + day * DAY) for user in range(1, 11) for day in range(100)]
    found = np.concatenate(
        [batch.positives for batch in drawn(examples_of(make_snapshot(rows), half_life=1e6), limit=300)]
    )
    assert 10 < (found < 50).sum() < 60, "one of eleven who count alike"


def test_an_epoch_repeats_with_its_seed(numbered: tuple[Snapshot, IntArray]) -> None:
    examples = examples_of(numbered[0], gap=7)
    first, same, other = (drawn(examples, seed=seed) for seed in (1, 1, 2))
    assert all((a.positives == b.positives).all() for a, b in zip(first, same, strict=True))
    assert all((a.negatives == b.negatives).all() for a, b in zip(first, same, strict=True))
    assert all((a.past.items == b.past.items).all() for a, b in zip(first, same, strict=True))
    assert any((a.negatives != b.negatives).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("length", [4, 50])
def test_without_times_the_past_is_everything_else(make_snapshot: MakeSnapshot, length: int) -> None:
    rows = [(user, user * PER_USER + k, BUY, 0) for user in range(10) for k in range(PER_USER)]
    rows += [(user, user * PER_USER, BUY, 0) for user in range(10)]  # everybody has their first item twice
    for batch in drawn(examples_of(make_snapshot(rows), length=length)):
        for row, target in enumerate(batch.positives.tolist()):
            past = set(batch.past.items[row][batch.past.mask[row]].tolist())
            whole = set(range(target // PER_USER * PER_USER, (target // PER_USER + 1) * PER_USER)) - {target}
            assert past
            assert past <= whole
            assert past == whole or length == 4
            assert not batch.past.age_days[row].any()
            assert target not in batch.past.items[row] or target == 0, "the target hides under a False mask"


def test_without_times_nobody_learns_from_an_empty_past(make_snapshot: MakeSnapshot) -> None:
    rows = [(0, 1, BUY, 0), (0, 1, BUY, 0), (1, 1, BUY, 0), (1, 2, BUY, 0), (2, 3, BUY, 0)]
    (batch,) = drawn(examples_of(make_snapshot(rows)))
    assert sorted(batch.positives.tolist()) == [1, 2]  # shopper 1's alone
    assert batch.past.mask.any(dim=1).all()


def test_a_log_without_targets_has_no_examples(make_snapshot: MakeSnapshot) -> None:
    views = make_snapshot([(0, item, VIEW, START + item) for item in range(5)])
    assert not len(examples_of(views))
    assert not len(examples_of(make_snapshot([])))


def test_the_learner_is_given_indices(make_snapshot: MakeSnapshot, numbered: tuple[Snapshot, IntArray]) -> None:
    """The log is kept as narrow as it came; tensors of 32 bits without a sign index nothing."""
    untimed = make_snapshot([(user, user + item, BUY, 0) for user in range(4) for item in range(4)])
    for snapshot in (numbered[0], untimed):
        batch = drawn(examples_of(snapshot))[0]
        wide = [batch.past.items.numpy(), batch.past.event.numpy(), batch.positives, batch.negatives]
        assert [values.dtype for values in wide] == [np.int64] * 4
