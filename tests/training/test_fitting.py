"""From a snapshot to a fitted fusion: later days, missing modalities, honest validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from modaloom.data.splits import Split, as_of
from modaloom.errors import TrainingError
from modaloom.models.behaviour import behaviour_tokens, cross_fit, turn_to
from modaloom.models.towers import pad_histories
from modaloom.numerics import Whitening, unit_rows
from modaloom.ranking.fusion import score_histories
from modaloom.training.fitting import FittedFusion, FusionConfig, fit_fusion, item_table, whiten
from modaloom.training.loop import LoopConfig
from modaloom.types import Event, FloatArray, Histories, Snapshot, Tokens

LOOP = LoopConfig(epochs=1, batch_size=64, examples_per_epoch=200, negatives=64)
CONFIG = FusionConfig(dim=16, loop=LOOP)
MakeSnapshot = Callable[..., Snapshot]


@pytest.fixture(scope="module")
def fitted(text_world: Snapshot) -> FittedFusion:
    return fit_fusion(text_world, CONFIG)


def score(fitted: FittedFusion, snapshot: Snapshot, histories: Histories) -> FloatArray:
    table = fitted.table(snapshot)
    return score_histories(table, fitted.tower, histories)


def cosines(left: Tokens, right: Tokens) -> FloatArray:
    there = left.mask & right.mask
    cosine: FloatArray = (unit_rows(left.vectors[there]) * unit_rows(right.vectors[there])).sum(axis=1)
    return cosine


def test_a_turned_space_is_turned_back(board: Snapshot) -> None:
    day = behaviour_tokens(board, 8)
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))
    turned = replace(day, vectors=(day.vectors @ turn).astype(np.float32))
    assert turn_to(turned, day).vectors == pytest.approx(day.vectors, abs=1e-5)


def test_behaviour_of_a_later_day_lies_in_the_axes_of_the_day_of_training(text_world: Snapshot) -> None:
    cut = int(text_world.interactions["timestamp"].quantile(0.8) or 0)
    early = as_of(text_world, cut)
    fitted = fit_fusion(early, CONFIG)
    then, now = (fitted.tokens_at(snapshot)["behaviour"] for snapshot in (early, text_world))
    assert cosines(then, now).mean() > 0.6
    raw = behaviour_tokens(text_world, 16)
    assert fitted.behaviour is not None
    assert cosines(turn_to(raw, fitted.behaviour), fitted.behaviour).mean() > cosines(raw, fitted.behaviour).mean()
    there = now.mask
    assert np.linalg.norm(now.vectors[there], axis=1) == pytest.approx(1.0, abs=1e-4)
    assert not now.vectors[~there].any()
    assert there.sum() >= then.mask.sum()


def test_the_vectors_of_a_fold_never_saw_its_shoppers(board: Snapshot) -> None:
    full = behaviour_tokens(board, 8)
    folds = cross_fit(board, full, seed=3)
    for fold in range(4):
        kept = np.isin(board.interactions["user_num"].to_numpy(), np.flatnonzero(folds.fold_of_user != fold))
        without = replace(board, interactions=board.interactions.filter(pl.Series(kept)))
        alone = turn_to(behaviour_tokens(without, 8), full)
        assert (folds.tokens[fold].vectors == alone.vectors).all()


def test_fitting_twice_gives_the_same_scores(text_world: Snapshot, fitted: FittedFusion) -> None:
    again = fit_fusion(text_world, CONFIG)
    histories = text_world.histories(np.arange(5))
    assert (score(again, text_world, histories) == score(fitted, text_world, histories)).all()


def test_items_and_shoppers_without_anything_are_scored(text_world: Snapshot, fitted: FittedFusion) -> None:
    holes = np.random.default_rng(0).random((4, text_world.n_items)) < 0.5
    holes[:, :3] = True
    tokens = {
        name: replace(made, vectors=made.vectors * ~hole[:, None], mask=made.mask & ~hole)
        for hole, (name, made) in zip(holes, text_world.tokens.items(), strict=False)
    }
    snapshot = replace(text_world, tokens=tokens)
    histories = Histories.from_lists([[], [0], [0, 1, 2], [10, 20]], now=snapshot.now)
    assert np.isfinite(score(fit_fusion(snapshot, CONFIG), snapshot, histories)).all()
    assert np.isfinite(score(fitted, replace(snapshot, tokens={"image": tokens["image"]}), histories)).all()


def test_absent_modalities_are_left_out(text_world: Snapshot) -> None:
    only = replace(text_world, tokens={"text": text_world.tokens["text"]})
    assert fit_fusion(only, CONFIG).model.config.modalities == ("text", "behaviour")
    content = replace(CONFIG, modalities=("image", "text"))
    alone = fit_fusion(text_world, content)
    assert alone.model.config.modalities == ("image", "text")
    assert alone.behaviour is None
    assert set(alone.table(text_world).modalities) == {"image", "text"}


def test_too_little_behaviour_is_no_modality(make_snapshot: MakeSnapshot, text_world: Snapshot) -> None:
    few = make_snapshot([(user, item, 3, 100 + item) for user in range(4) for item in range(6)], n_items=96)
    fitted = fit_fusion(replace(few, tokens=text_world.tokens), CONFIG)
    assert fitted.model.config.modalities == ("image", "text", "attributes")
    with pytest.raises(TrainingError, match=r"none of the modalities.*--modalities"):
        fit_fusion(few, CONFIG)


def test_an_empty_log_is_said(make_snapshot: MakeSnapshot, text_world: Snapshot) -> None:
    with pytest.raises(TrainingError, match="no shopper has two events"):
        fit_fusion(replace(make_snapshot([], n_items=96), tokens=text_world.tokens), CONFIG)


def test_validation_never_counts_what_may_not_be_shown(board: Snapshot) -> None:
    users = np.arange(board.n_users)
    histories = board.histories(users)
    truth = [np.setdiff1d(np.arange(user % 2, board.n_items, 2), histories.of(user)) for user in users.tolist()]
    ever_sold = np.ones(board.n_items, dtype=bool)
    reached = {}
    for exclude in (True, False):
        split = Split("", replace(board, exclude_seen=exclude), users, truth, ever_sold)
        reached[exclude] = fit_fusion(board, CONFIG, validation=[split]).progress.validation[0]
    assert reached[True] > 1.1
    assert reached[True] > reached[False] + 0.1, "what they have already fills the list"


def test_the_item_table_does_not_depend_on_its_blocks(text_world: Snapshot, fitted: FittedFusion) -> None:
    """A block is 8,192 items."""
    tokens = {"text": text_world.tokens["text"]}
    rows = np.arange(8_200) % text_world.n_items
    many = {name: replace(made, vectors=made.vectors[rows], mask=made.mask[rows]) for name, made in tokens.items()}
    few, large = item_table(fitted.model, tokens), item_table(fitted.model, many)
    assert np.abs(large.keys - few.keys[rows]).max() < 1e-5
    assert np.abs(large.weights.sum(axis=1) - 1.0).max() < 1e-5
    some = np.array([8_199, 0, 5])
    assert np.abs(item_table(fitted.model, many, some).keys - large.keys[some]).max() < 1e-5


def test_whose_taste_lives_where_is_read_off_the_log(make_snapshot: MakeSnapshot) -> None:
    """Half of the shoppers buy one of six styles of pictures, half one of six themes of words."""
    rng = np.random.default_rng(0)
    n_items, n_users, bought = 180, 80, 10
    labels = {"image": rng.integers(0, 6, n_items), "text": rng.integers(0, 6, n_items)}
    rows = []
    for user in range(n_users):
        mine = labels["image" if user % 2 == 0 else "text"]
        liked = rng.permutation(np.flatnonzero(mine == rng.integers(0, 6)))[:bought]
        rows += [(user, int(item), int(Event.PURCHASE), (1 + place) * 86_400) for place, item in enumerate(liked)]
    tokens = {}
    for name, own in labels.items():
        vectors = np.eye(6, 16)[own] * 2 + rng.normal(size=(n_items, 16))
        raw = Tokens(name, "hand/1", vectors.astype(np.float32), np.ones(n_items, dtype=bool))
        tokens[name] = whiten(raw, Whitening.fit(raw.vectors, raw.mask, 16))
    snapshot = replace(make_snapshot(rows, n_items=n_items), tokens=tokens)
    loop = LoopConfig(epochs=2, batch_size=64, examples_per_epoch=600, negatives=64)
    made = fit_fusion(snapshot, FusionConfig(("image", "text"), 16, loop=loop))
    past = pad_histories(snapshot.histories(np.arange(n_users)))
    keys = made.table(snapshot).keys[past.items]
    weights = made.tower(keys, past.mask, past.event, past.age_days).view_weights
    assert (weights[:, :2].argmax(axis=1) == np.arange(n_users) % 2).mean() > 0.85
    assert (made.model.typical[1] != 1.0).all()
