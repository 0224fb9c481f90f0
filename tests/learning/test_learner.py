"""The whole learner, in worlds where the right answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from modaloom.errors import EvaluationError, TrainingError
from modaloom.learning import PRIOR_WEIGHTS, LearnOptions, Memory, Modaloom, model_factories, validation_splits
from modaloom.learning.learner import VALIDATION_WINDOWS, prior_weights, sales_credibility, starting_weights
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.sparse_linear import SparseLinear
from modaloom.ranking.contract import HistoryBatch
from modaloom.ranking.ranker import Ranker
from modaloom.testing import ScorerSuite, checkerboard_world, taste_world
from modaloom.testing.worlds import GrowingWorld, Truth
from modaloom.types import DAY_S, Event, FloatArray, Snapshot

torch.set_num_threads(1)
OPTIONS = LearnOptions(size="small", epochs=2)
WORLDS = ("image", "text", "attributes", "behaviour")
N = 5


def quality(snapshot: Snapshot, truth: Truth, scores: FloatArray) -> float:
    """Precision of the first five."""
    allowed = snapshot.may_be_shown(snapshot.histories(np.arange(snapshot.n_users)))
    return float(ranking_metrics(top_n(scores, N, allowed), truth)["precision"].mean())


def chance(snapshot: Snapshot, truth: Truth) -> float:
    """Precision of a list drawn by lot."""
    allowed = snapshot.may_be_shown(snapshot.histories(np.arange(snapshot.n_users)))
    shares = [allowed[user, items].sum() / allowed[user].sum() for user, items in enumerate(truth)]
    return float(np.mean(shares))


def timeless(snapshot: Snapshot) -> Snapshot:
    """The same shop without any time."""
    blank = pl.lit(None, dtype=pl.Int64)
    return replace(
        snapshot,
        interactions=snapshot.interactions.with_columns(timestamp=pl.lit(0, dtype=pl.Int64)),
        items=snapshot.items.with_columns(released_at=blank, release_rank=pl.lit(None, dtype=pl.Float64)),
        now=0,
    )


@pytest.fixture(scope="module", params=WORLDS)
def taught(request: pytest.FixtureRequest) -> tuple[str, Snapshot, Truth, Modaloom]:
    """A world, and a learner that has seen it."""
    snapshot, truth = taste_world(request.param)
    return request.param, snapshot, truth, Modaloom(OPTIONS).fit(snapshot)


def test_it_finds_the_taste_wherever_it_lives(taught: tuple[str, Snapshot, Truth, Modaloom]) -> None:
    _, snapshot, truth, learner = taught
    by_lot = chance(snapshot, truth)
    assert by_lot < 0.3
    reached = quality(snapshot, truth, learner.score(snapshot.histories(np.arange(snapshot.n_users))))
    assert reached > 2 * by_lot
    assert reached > 0.55


def drops_by_modality(ranker: Ranker, snapshot: Snapshot) -> dict[str, np.ndarray]:
    """What each user's scores (b, n) lose without each modality."""
    everything, rows = np.arange(snapshot.n_items), []
    for user in range(snapshot.n_users):
        batch = HistoryBatch(snapshot.histories(np.array([user])))
        rows.append(ranker.contributions(batch, everything).by_modality)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def test_the_planted_modality_is_missed_most(taught: tuple[str, Snapshot, Truth, Modaloom]) -> None:
    planted, snapshot, truth, learner = taught
    assert learner.ranker is not None
    full = learner.score(snapshot.histories(np.arange(snapshot.n_users)))
    drops = drops_by_modality(learner.ranker, snapshot)
    without = {name: quality(snapshot, truth, full - drop) for name, drop in drops.items()}
    assert min(without, key=lambda name: without[name]) == planted
    assert without[planted] < 0.4
    gave = {
        name: np.mean([drop[user, items].mean() for user, items in enumerate(truth)]) for name, drop in drops.items()
    }
    assert max(gave, key=lambda name: gave[name]) == planted, "the reason given is not the reason"


def test_it_says_what_it_found(taught: tuple[str, Snapshot, Truth, Modaloom]) -> None:
    _, _, _, learner = taught
    found = learner.metrics()
    assert isinstance(found["blend"], dict)
    assert isinstance(found["losses"], list)
    assert found["blend"]
    assert len(found["losses"]) == found["epochs"]
    maps = learner.whitening_arrays()
    assert {name.partition(".")[0] for name in maps} == set(WORLDS)
    assert all(np.isfinite(values).all() for values in maps.values())


@pytest.mark.parametrize("modality", ["text", "behaviour"])
def test_a_log_without_times_is_enough(modality: str) -> None:
    snapshot, truth = taste_world(modality)
    bare = timeless(snapshot)
    learner = Modaloom(OPTIONS).fit(bare)
    reached = quality(bare, truth, learner.score(bare.histories(np.arange(bare.n_users))))
    assert reached > 2 * chance(bare, truth)


@pytest.mark.parametrize("modality", WORLDS)
def test_one_modality_is_enough(modality: str) -> None:
    snapshot, truth = taste_world(modality)
    learner = Modaloom(replace(OPTIONS, modalities=(modality,))).fit(snapshot)
    assert learner.ranker is not None
    assert learner.ranker.modalities == (modality,)
    reached = quality(snapshot, truth, learner.score(snapshot.histories(np.arange(snapshot.n_users))))
    assert reached > 2 * chance(snapshot, truth)


def test_content_alone_is_enough() -> None:
    """Nobody has bought enough for behaviour to be a modality."""
    snapshot, truth = taste_world("image")
    few = replace(snapshot, interactions=snapshot.interactions.head(24))
    learner = Modaloom(OPTIONS).fit(few)
    assert learner.fusion is None, "nobody could tell whether it is any good"
    reached = quality(few, truth, learner.score(snapshot.histories(np.arange(snapshot.n_users))))
    assert reached > 1.8 * chance(few, truth), "two of three modalities are noise, and nothing tells which"


def test_behaviour_alone_reads_the_board() -> None:
    snapshot, truth = checkerboard_world()
    learner = Modaloom(OPTIONS).fit(snapshot)
    histories = snapshot.histories(np.arange(snapshot.n_users))
    assert quality(snapshot, truth, learner.score(histories)) > 0.95


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_handful_of_events_is_a_shop(keep: int) -> None:
    snapshot, truth = taste_world("text")
    learner = Modaloom(OPTIONS).fit(replace(snapshot, interactions=snapshot.interactions.head(keep)))
    assert learner.ranker is not None
    assert set(learner.ranker.weights) >= {"image", "text", "attributes"}
    assert not {"demand", "linear", "fusion"} & set(learner.ranker.weights)
    assert learner.metrics()["epochs"] == 0
    reached = quality(snapshot, truth, learner.score(snapshot.histories(np.arange(snapshot.n_users))))
    assert reached > 2 * chance(snapshot, truth)


def test_without_log_and_content_there_is_nothing_to_recommend_by() -> None:
    snapshot, _ = taste_world("text")
    bare = replace(snapshot, interactions=snapshot.interactions.clear(), tokens={})
    undated = replace(bare, items=bare.items.with_columns(released_at=pl.lit(None, dtype=pl.Int64)))
    with pytest.raises(TrainingError, match="no log, and no item has a picture, words or attributes"):
        Modaloom(OPTIONS).fit(undated)


SHORT = replace(OPTIONS, epochs=1)
SIZES = (0, 1, 10, 100, 300, 1_000, 10_000)


@pytest.mark.parametrize("popularity", [0.0, 1.0])
def test_from_no_log_to_a_long_one_nothing_gets_worse_than_content_alone(popularity: float) -> None:
    """Two shops that fill up: in one all items sell alike, in the other some sell better. Taste lives in content."""
    world = GrowingWorld(popularity=popularity)
    alone = Modaloom(OPTIONS).fit(world.snapshot(0))
    assert alone.ranker is not None
    content = replace(alone.ranker, weights={name: alone.ranker.weights[name] for name in ("image", "text")})
    base = world.recall(content.score)
    leads = {}
    for size in SIZES:
        lead = world.recall(Modaloom(SHORT).fit(world.snapshot(size)).score) - base
        error = lead.std() / np.sqrt(len(lead))
        leads[size] = float(lead.mean())
        assert lead.mean() > -2 * error - 1e-9, f"{size} events made it worse than content alone: {leads}"
    if popularity:
        assert leads[1_000] > 0.05, "what sells was not learned"
        assert leads[10_000] > 0.05


def test_sales_are_believed_as_far_as_different_shoppers_agree() -> None:
    flat, popular = (GrowingWorld(popularity=popularity) for popularity in (0.0, 1.5))
    few, many = (sales_credibility(popular.snapshot(size)) for size in (10, 3_000))
    assert few < 0.2 < 0.5 < many < 1.0
    assert sales_credibility(flat.snapshot(100)) < 0.2
    assert sales_credibility(flat.snapshot(0)) == sales_credibility(flat.snapshot(1)) == 0.0
    log = popular.snapshot(3_000).interactions
    one = replace(popular.snapshot(0), interactions=log.with_columns(user_num=pl.lit(0, dtype=log["user_num"].dtype)))
    assert sales_credibility(one) == 0.0, "one shopper's taste is not what sells"


def test_few_shoppers_begin_near_content_and_many_at_the_prior() -> None:
    snapshot = GrowingWorld(popularity=0.0).snapshot(30)
    starts = [starting_weights(snapshot, shoppers)["demand"] for shoppers in (20, 100, 200, 5_000)]
    assert starts == sorted(starts)
    assert starts[0] < 0.3
    assert starting_weights(snapshot, 200) == pytest.approx(prior_weights(snapshot))


def test_unknown_sizes_and_models_are_said() -> None:
    with pytest.raises(TrainingError, match=r"unknown size 'huge'.*small, base, large"):
        LearnOptions(size="huge").fusion_config()
    with pytest.raises(EvaluationError, match=r"oracle.*modaloom"):
        model_factories(["oracle", "modaloom"], OPTIONS)
    assert list(model_factories(["modaloom"], OPTIONS)) == ["modaloom"]
    assert "modaloom" in model_factories(["all"], OPTIONS)


def test_a_shared_memory_changes_nothing() -> None:
    snapshot, _ = taste_world("text")
    memory = Memory()
    histories = snapshot.histories(np.arange(9))
    first, second, alone = (
        Modaloom(OPTIONS, memory=made).fit(snapshot).score(histories) for made in (memory, memory, Memory())
    )
    assert (first == second).all()
    assert (first == alone).all()


def test_fitting_again_leaves_nothing_of_what_was_learned_before() -> None:
    """The second log is too short for validation, and the fourth shop is the second one again."""
    worlds = [taste_world(name)[0] for name in ("image", "text")]
    short, other = (replace(world, interactions=world.interactions.head(16)) for world in worlds)
    learner = Modaloom(OPTIONS, memory=Memory()).fit(timeless(taste_world("behaviour")[0]))
    assert learner.validation
    learner.fit(short)
    assert not learner.validation
    maps = learner.whitening_arrays()
    learner.fit(other)
    assert any((maps[name] != values).any() for name, values in learner.whitening_arrays().items())
    for name, values in learner.fit(short).whitening_arrays().items():
        np.testing.assert_array_equal(values, maps[name])


def test_consecutive_cuts_take_over_what_is_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, _ = checkerboard_world()
    fitted: list[int] = []
    fit = SparseLinear.fit
    monkeypatch.setattr(SparseLinear, "fit", lambda model, cut, near: fitted.append(cut.now) or fit(model, cut, near))
    earlier = validation_splits(snapshot)[-1].snapshot
    memory = Memory()
    for cut in (earlier, snapshot):
        Modaloom(OPTIONS, memory=memory).fit(cut)
    assert len(fitted) == len(set(fitted)), "one cut was fitted twice"
    assert {earlier.now, snapshot.now} <= set(fitted)
    assert len(memory.states) <= 2 * (VALIDATION_WINDOWS + 1)
    alone = Modaloom(OPTIONS)
    alone.fit(snapshot)
    assert not alone.memory.states, "kept for nobody"


def test_blocks_of_shoppers_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, _ = checkerboard_world()
    monkeypatch.setattr("modaloom.learning.learner.block_size", lambda n_items: 3)
    learner = Modaloom(OPTIONS).fit(snapshot)
    whole = Modaloom(OPTIONS)
    monkeypatch.undo()
    whole.fit(snapshot)
    assert learner.metrics()["blend"] == pytest.approx(whole.metrics()["blend"], abs=1e-3)
    assert learner.validation == pytest.approx(whole.validation, abs=1e-3)


def test_the_seed_matters_and_repeats() -> None:
    snapshot, _ = checkerboard_world()
    histories = snapshot.histories(np.arange(9))
    first, same, other = (
        Modaloom(replace(OPTIONS, seed=seed, fusion="gated", sequence="gru")).fit(snapshot) for seed in (1, 1, 2)
    )
    assert (first.score(histories) == same.score(histories)).all()
    for learner in (first, same, other):
        assert learner.fusion is not None
    weights = [dict(learner.fusion.model.named_parameters()) for learner in (first, same, other) if learner.fusion]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert any((weights[0][name] != weights[2][name]).any() for name in weights[0])


def test_validation_comes_before_the_end_and_never_sees_its_own_future() -> None:
    snapshot, _ = taste_world("behaviour")
    splits = validation_splits(snapshot)
    assert 1 <= len(splits) <= 4
    for split in splits:
        assert split.snapshot.now < snapshot.now
        assert split.snapshot.interactions["timestamp"].to_numpy().max() < split.snapshot.now
        histories = split.snapshot.histories(split.user_nums)
        for row, items in enumerate(split.truth):
            assert not set(items.tolist()) & set(histories.of(row).tolist())
    assert np.all(np.diff([split.snapshot.now for split in splits]) >= DAY_S)
    (hidden,) = validation_splits(timeless(snapshot))
    assert hidden.snapshot.interactions.height < snapshot.interactions.height
    assert not validation_splits(replace(snapshot, interactions=snapshot.interactions.clear()))


def test_validation_asks_what_will_be_asked() -> None:
    snapshot, _ = taste_world("behaviour")
    (split,) = validation_splits(replace(snapshot, last_out=True))
    assert split.snapshot.now == snapshot.now, "nothing is to be foreseen"
    assert len(split.user_nums) == snapshot.n_users
    for row, items in enumerate(split.truth):
        last = snapshot.targets().filter(pl.col("user_num") == split.user_nums[row])["item_num"][-1]
        assert items.tolist() == [last]


def test_demand_leads_only_where_something_is_to_be_foreseen() -> None:
    snapshot, _ = taste_world("text")
    first = {
        name: max(weights, key=lambda part: weights[part])
        for name, weights in {
            "later": prior_weights(snapshot),
            "last": prior_weights(replace(snapshot, last_out=True)),
            "any day": prior_weights(timeless(snapshot)),
            "ids": prior_weights(replace(snapshot, tokens={})),
        }.items()
    }
    assert first == {"later": "demand", "last": "linear", "any day": "linear", "ids": "linear"}


def test_newness_speaks_only_where_dates_are_known_and_something_is_to_be_foreseen() -> None:
    snapshot, _ = taste_world("text")
    undated = replace(snapshot, items=snapshot.items.with_columns(released_at=pl.lit(None, dtype=pl.Int64)))
    asked = {
        "later": snapshot, "undated": undated, "any day": timeless(snapshot), "last": replace(snapshot, last_out=True),
    }  # fmt: skip
    learner = Modaloom(OPTIONS)
    speaks = {name for name, one in asked.items() if "newness" in {part.name for part in learner._parts(one)}}
    assert speaks == {"later"}


def test_every_part_has_a_place_in_the_prior() -> None:
    snapshot, _ = taste_world("behaviour")
    groups = snapshot.items.with_columns(group_id=pl.lit("a"))
    learner = Modaloom(OPTIONS).fit(replace(snapshot, exclude_seen=False, items=groups))
    assert learner.ranker is not None
    assert set(learner.ranker.weights) <= set(PRIOR_WEIGHTS)


def test_where_things_are_bought_again_the_past_may_be_shown() -> None:
    snapshot, _ = taste_world("behaviour")
    again = replace(snapshot, exclude_seen=False, target_events=(Event.PURCHASE,))
    scores = Modaloom(OPTIONS).fit(again).score(again.histories(np.arange(3)))
    assert np.isfinite(scores).all()


class TestModaloom(ScorerSuite):
    def make_scorer(self) -> Modaloom:
        return Modaloom(replace(OPTIONS, epochs=1))
