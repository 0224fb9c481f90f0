"""Lists, shortlists and explanations are those of scoring everything by the weighted sum of the parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.metrics import top_n
from modaloom.models.towers import UserTower
from modaloom.numerics import arcsinh_zscore
from modaloom.ranking import content, fusion, kernels
from modaloom.ranking import ranker as ranking
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import HistoryBatch, NewItems, Part, State
from modaloom.ranking.demand import Demand, Newness
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.linear import Linear
from modaloom.ranking.ranker import CANDIDATE_PLACES, MANY_USERS, Lists, Ranker, blend_raw, blocks_of, newest_items
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.types import BoolArray, Event, FloatArray, Histories, IntArray, Snapshot, Tokens
from tests.ranking.reference import (
    CLOSED_FORM,
    NAMES,
    PASTS,
    SHOP,
    TABLE,
    WEIGHTS,
    N,
    blend,
    histories_of,
    kernel_tower,
    mean_tower,
    reference_blend,
)

RNG = np.random.default_rng(0)
HISTORIES = SHOP.histories(np.arange(12))


class ItemOrder(Part):
    """A part that can only score, and prefers late items."""

    name = "order"

    def fit(self, snapshot: Snapshot) -> Self:
        return self

    @property
    def n_items(self) -> int:
        return N

    def score(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        scores = np.arange(N, dtype=np.float32) if items is None else items.astype(np.float32)
        return np.broadcast_to(scores, (len(batch), scores.shape[-1]))

    def add_items(self, new: NewItems) -> None:
        raise AssertionError

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> Self:
        return self


class Untouchable(ItemOrder):
    """A part that must not be computed."""

    name = "expensive"

    def score(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        raise AssertionError("computed for nothing")


@pytest.fixture
def _candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """No catalogue is small enough to be scored as a whole."""
    for name in ("DENSE_ITEMS", "SMALL_CATALOGUE"):
        monkeypatch.setattr(ranking, name, 0)


def hides(histories: Histories) -> sp.csr_matrix:
    """What each of them had."""
    ones = np.ones(len(histories.item_nums), dtype=np.float32)
    hidden = sp.csr_matrix((ones, histories.item_nums, histories.offsets), shape=(len(histories), N))
    hidden.sum_duplicates()
    return hidden


def check_same(lists: Lists, scores: FloatArray, allowed: BoolArray | None, n: int) -> None:
    """The lists have the best scores in order; items may differ where scores are equal but for rounding."""
    wanted = top_n(scores, n, allowed)
    assert lists.items.shape == lists.scores.shape == wanted.shape
    assert ((lists.items >= 0) == (wanted >= 0)).all()
    there = wanted >= 0
    best = np.take_along_axis(scores, np.maximum(wanted, 0), axis=1)
    own = np.take_along_axis(scores, np.maximum(lists.items, 0), axis=1)
    assert lists.scores[there] == pytest.approx(own[there], abs=2e-3), "a score is not that of its item"
    assert own[there] == pytest.approx(best[there], abs=2e-3), "something better was left out"
    assert np.isneginf(lists.scores[~there]).all()
    for items in lists.items:
        assert len(set(items[items >= 0].tolist())) == (items >= 0).sum(), "an item is listed twice"


class TestScore:
    @given(PASTS, WEIGHTS)
    @settings(max_examples=15, deadline=None)
    def test_it_is_the_weighted_sum_of_normalised_parts(
        self, pasts: list[list[int]], weights: dict[str, float]
    ) -> None:
        histories, made = histories_of(pasts), blend(weights)
        expected = reference_blend(made, histories)
        np.testing.assert_allclose(made.score(histories), expected, atol=2e-3)
        items = np.array([0, 7, 7, 90])
        np.testing.assert_allclose(made.total(HistoryBatch(histories), items), expected[:, items], atol=2e-3)
        parts = made.part_scores(histories)
        assert set(parts) == set(weights)
        np.testing.assert_allclose(sum(weights[name] * parts[name] for name in parts), expected, atol=2e-3)

    def test_what_has_no_weight_is_never_computed(self) -> None:
        parts = (*CLOSED_FORM, Untouchable())
        assert Ranker({"image": 1.0, "expensive": 0.0}, parts).score(HISTORIES).shape == (12, N)
        with pytest.raises(AssertionError, match="computed for nothing"):
            Ranker({"image": 1.0, "expensive": 0.1}, parts).score(HISTORIES)

    def test_many_users_are_scored_like_few(self) -> None:
        users = np.arange(2 * ranking.BATCH + 3) % SHOP.n_users
        made = blend(dict.fromkeys(NAMES, 0.5))
        together = made.score(SHOP.histories(users))
        assert together.shape == (len(users), N)
        np.testing.assert_allclose(together[:12], made.score(HISTORIES), atol=1e-4)
        assert made.score(SHOP.histories(np.zeros(0, dtype=np.int64))).shape == (0, N)

    def test_modalities_are_those_that_some_part_reads(self) -> None:
        assert blend({FUSION: 1.0, "linear": 0.1}).modalities == ("image", "text", "behaviour")
        assert blend({"text": 1.0, "image": 0.5}).modalities == ("text", "image")
        assert blend({FUSION: 0.0, "linear": 1.0}).modalities == ("behaviour",)

    def test_parts_are_found_by_name_and_the_number_of_items_is_known(self) -> None:
        made = blend({"text": 1.0})
        assert made.part("text") is CLOSED_FORM[1]
        assert made.part("smell") is None
        assert made.n_items == N
        assert made.table is not None
        assert Ranker({"text": 1.0}, CLOSED_FORM).table is None

    def test_raw_scores_are_blended_row_by_row(self) -> None:
        raw = {"a": RNG.standard_normal((2, 9)).astype(np.float32), "b": np.ones((2, 9), np.float32)}
        np.testing.assert_allclose(blend_raw(raw, {"a": 0.5, "b": 2.0}), 0.5 * arcsinh_zscore(raw["a"]), atol=1e-6)


@pytest.mark.usefixtures("_candidates")
class TestRecommend:
    """Each part's candidates reach all of this small catalogue, so that nothing may be missed."""

    @pytest.fixture(autouse=True)
    def _many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ranking, "CAREFUL_CANDIDATES", N)
        monkeypatch.setattr(ranking, "CANDIDATES_PER_PART", N)
        for module in (content, fusion):
            monkeypatch.setattr(module, "N_NEIGHBOURS", N)

    @pytest.mark.parametrize("tower", [kernel_tower, mean_tower])
    @given(PASTS, WEIGHTS, st.integers(1, 30), st.sampled_from([Event.PURCHASE, Event.VIEW, Event.RETURN]))
    @settings(max_examples=12, deadline=None)
    def test_it_lists_what_scoring_everything_lists(
        self, tower: UserTower, pasts: list[list[int]], weights: dict[str, float], n: int, event: Event
    ) -> None:
        histories, made = histories_of(pasts, event=event), blend(weights, tower)
        check_same(made.recommend(histories, n, threads=2), reference_blend(made, histories), None, n)

    @given(PASTS, WEIGHTS, st.data())
    @settings(max_examples=12, deadline=None)
    def test_masks_hold_and_cost_nothing(
        self, pasts: list[list[int]], weights: dict[str, float], data: st.DataObject
    ) -> None:
        histories, made = histories_of(pasts), blend(weights)
        share = data.draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 0.9]))
        rng = np.random.default_rng(data.draw(st.integers(0, 9)))
        shape = data.draw(st.sampled_from([(N,), (len(pasts), N)]))
        allowed, hidden = rng.random(shape) < share, hides(histories)
        lists = made.recommend(histories, 10, allowed=allowed, hidden=hidden, threads=1)
        check_same(lists, made.score(histories), allowed & (hidden.toarray() == 0), 10)

    def test_a_cell_of_zero_hides_nothing(self) -> None:
        zeros = sp.csr_matrix((np.array([0.0, 1.0], np.float32), np.array([9, 4]), np.array([0, 1, 2])), shape=(2, N))
        lists = blend({"repurchase": 1.0}).recommend(histories_of([[9, 4], [4]]), 2, hidden=zeros)
        assert lists.items.tolist() == [[4, 9], [0, 1]]

    def test_threads_and_company_change_nothing(self) -> None:
        histories, made = SHOP.histories(np.arange(SHOP.n_users)), blend({"image": 1.0, FUSION: 0.5})
        alone = [made.recommend(histories.take(row, row + 1), 8) for row in range(9)]
        for threads in (1, 3):
            together = blend({"image": 1.0, FUSION: 0.5}).recommend(histories, 8, threads=threads)
            assert (together.items[:9] == np.concatenate([lists.items for lists in alone])).all()

    def test_equal_scores_go_by_item_number(self) -> None:
        lists = blend({"repurchase": 1.0}).recommend(histories_of([[9, 4], []]), 5)
        assert lists.items.tolist() == [[4, 9, 0, 1, 2], [0, 1, 2, 3, 4]]

    def test_the_list_is_no_longer_than_the_catalogue(self) -> None:
        lists = blend({"image": 1.0, "demand": 0.2}).recommend(SHOP.histories(np.arange(3)), 10 * N)
        assert lists.items.shape == (3, N)
        assert (np.sort(lists.items, axis=1) == np.arange(N)).all()

    def test_nobody_to_answer(self) -> None:
        assert blend({"image": 1.0}).recommend(SHOP.histories(np.zeros(0, dtype=np.int64)), 5).items.shape == (0, 5)

    def test_a_part_without_candidates_has_everything_scored(self) -> None:
        lists = Ranker({"order": 1.0, "image": 0.0}, (ItemOrder(), CLOSED_FORM[0])).recommend(histories_of([[1]]), 2)
        assert lists.items.tolist() == [[N - 1, N - 2]]
        items, _ = Ranker({"order": 1.0}, (ItemOrder(),)).shortlist(
            HistoryBatch(histories_of([[1]])), 1, np.arange(N) < 9
        )
        assert items.tolist() == list(range(9))

    def test_more_than_eight_parts_are_blended_like_eight(self) -> None:
        copies = []
        for number in range(9):
            copy = Linear().restore(CLOSED_FORM[2].state())
            copy.name = f"linear-{number}"
            copies.append(copy)
        made = Ranker({part.name: 1.0 / 9 for part in copies}, tuple(copies))
        one = Ranker({"linear": 1.0}, CLOSED_FORM)
        check_same(made.recommend(HISTORIES, 5), one.score(HISTORIES), None, 5)


@pytest.mark.usefixtures("_candidates")
def test_few_candidates_find_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CAREFUL_CANDIDATES", 12)
    monkeypatch.setattr(ranking, "CANDIDATES_PER_PART", 12)
    made, histories = blend({"image": 1.0, "demand": 0.5, FUSION: 0.5}), SHOP.histories(np.arange(SHOP.n_users))
    found, full = made.recommend(histories, 5).items, top_n(made.score(histories), 5)
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(found.tolist(), full.tolist(), strict=True)]) > 0.95


def test_a_small_catalogue_is_scored_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("candidates were chosen")

    monkeypatch.setattr(kernels, "select_candidates", refuse)
    made, histories = blend(dict.fromkeys(NAMES, 1.0)), SHOP.histories(np.arange(20))
    check_same(made.recommend(histories, 7), made.score(histories), None, 7)
    monkeypatch.setattr(ranking, "DENSE_ITEMS", N - 1)
    with pytest.raises(AssertionError, match="candidates were chosen"):
        made.recommend(histories, 7)


@pytest.mark.usefixtures("_candidates")
def test_one_item_is_a_catalogue() -> None:
    one = replace(
        SHOP,
        items=SHOP.items.head(1),
        tokens={"image": replace(SHOP.tokens["image"], vectors=np.ones((1, 2), np.float32), mask=np.ones(1, bool))},
        interactions=SHOP.interactions.clear(),
        catalogue=np.ones(1, dtype=bool),
    )
    made = Ranker({"image": 1.0, "demand": 1.0}, (ContentKernel("image").fit(one), Demand().fit(one)))
    assert made.recommend(histories_of([[0], []]), 3).items.tolist() == [[0], [0]]


@pytest.mark.usefixtures("_candidates")
def test_a_loaded_bundle_recommends(sample_bundle: Path) -> None:
    bundle = load_bundle(sample_bundle)
    histories = bundle.snapshot.histories(np.arange(bundle.snapshot.n_users))
    lists = bundle.ranker.recommend(histories, 10, allowed=bundle.snapshot.catalogue)
    check_same(lists, bundle.ranker.score(histories), bundle.snapshot.catalogue, 10)


class TestColdStart:
    PARTS = CLOSED_FORM[0], Demand().restore({"scores": RNG.random(N)}), Newness().restore({"scores": RNG.random(N)})
    WEIGHTS = {"image": 0.5, "demand": 0.3, "newness": 0.3}  # noqa: RUF012

    @pytest.mark.parametrize("pasts", [[[], []], [[3, 4], []], [[], [1], [], [2, 5]]])
    def test_users_without_a_history_have_weights_of_their_own(self, pasts: list[list[int]]) -> None:
        cold = {"demand": 0.5, "newness": 0.1}
        plain, made = Ranker(self.WEIGHTS, self.PARTS), Ranker(self.WEIGHTS, self.PARTS, cold)
        histories, unknown = histories_of(pasts), np.array([not past for past in pasts])
        scores = made.score(histories)
        np.testing.assert_allclose(scores[~unknown], plain.score(histories)[~unknown], atol=1e-5)
        expected = reference_blend(Ranker(cold, self.PARTS), histories)
        np.testing.assert_allclose(scores[unknown], expected[unknown], atol=1e-4)
        items, found = made.recommend(histories, 7, allowed=np.arange(N) % 2 == 0)
        assert items.tolist() == top_n(scores, 7, np.arange(N) % 2 == 0).tolist()
        for row in range(len(pasts)):
            batch = HistoryBatch(histories.take(row, row + 1))
            nums, own = made.shortlist(batch, N, np.ones(N, dtype=bool))
            np.testing.assert_allclose(own, scores[row, nums], atol=1e-4)
            given = made.contributions(batch, items[row])
            np.testing.assert_allclose(given.scores, found[row], atol=1e-4)
            assert np.allclose(given.demand + given.newness, given.scores, atol=1e-4) == (not pasts[row])

    def test_new_items_are_shown_to_them_too(self) -> None:
        parts = Demand().restore({"scores": RNG.random(N)}), Newness().restore({"scores": -5 - RNG.random(N)})
        made = Ranker({"demand": 0.3, "newness": 0.3}, parts, {"demand": 0.1, "newness": 0.5})
        nobody = histories_of([[]])
        assert made.score(nobody).shape == (1, N)
        made.add_items(NewItems(np.array([N]), {}, np.array([N])))
        assert made.recommend(nobody, 1).items.tolist() == [[N]]


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


class TestShortlist:
    @pytest.mark.parametrize("user", [0, 7, 33, 79])
    def test_scores_are_those_of_the_batch(self, bundle: Bundle, user: int) -> None:
        batch = HistoryBatch(bundle.snapshot.histories(np.array([user])))
        expected = bundle.ranker.score(batch.histories)[0]
        nums, scores = bundle.ranker.shortlist(batch, 10, bundle.snapshot.catalogue)
        np.testing.assert_allclose(scores, expected[nums], atol=1e-4)
        np.testing.assert_allclose(bundle.ranker.contributions(batch, nums).scores, scores, atol=1e-4)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, N - 1), max_size=7), WEIGHTS, st.integers(0, 99), st.integers(1, 12))
    def test_candidates_are_allowed_scored_exactly_and_hold_the_best_and_the_extra(
        self, past: list[int], weights: dict[str, float], seed: int, k: int
    ) -> None:
        batch, rng = HistoryBatch(histories_of([past])), np.random.default_rng(seed)
        allowed, extra = rng.random(N) < 0.7, rng.integers(0, N, rng.integers(0, 3))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranking, "SMALL_CATALOGUE", 0)
            patch.setattr(ranking, "SHORTLIST_PER_PART", k)
            made = blend(weights)
            items, scores = made.shortlist(batch, k, allowed, extra)
        expected = reference_blend(made, batch.histories)[0]
        assert (np.diff(items) > 0).all()
        assert allowed[items].all()
        assert set(items.tolist()) >= set(extra[allowed[extra]].tolist())
        assert len(items) >= min(k, allowed.sum())
        np.testing.assert_allclose(scores, expected[items], atol=2e-3)
        if len(weights) == 1:  # what one part puts first is there
            assert expected[items].max() == pytest.approx(expected[allowed].max(), abs=2e-3)

    def test_a_list_longer_than_what_is_allowed_has_all_of_that(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ranking, "SMALL_CATALOGUE", 0)
        allowed = np.arange(N) != 5
        items, _ = blend({"repurchase": 1.0}).shortlist(HistoryBatch(histories_of([[3]])), N, allowed)
        assert items.tolist() == np.flatnonzero(allowed).tolist()


class TestContributions:
    @pytest.mark.parametrize("tower", [kernel_tower, mean_tower])
    @given(st.lists(st.integers(0, N - 1), max_size=5), WEIGHTS)
    @settings(max_examples=10, deadline=None)
    def test_they_are_what_the_score_loses(self, tower: UserTower, past: list[int], weights: dict[str, float]) -> None:
        made, batch, picks = blend(weights, tower), HistoryBatch(histories_of([past])), np.array([1, 50, 95])
        given = made.contributions(batch, picks)
        full = reference_blend(made, batch.histories)[0, picks]
        np.testing.assert_allclose(given.scores, full, atol=2e-3)
        assert list(given.by_item) == list(dict.fromkeys(past[::-1]))
        if tower is mean_tower or FUSION not in weights:  # else queries keep their place in the history
            for item, drop in given.by_item.items():
                left = reference_blend(made, histories_of([[one for one in past if one != item]]))[0, picks]
                np.testing.assert_allclose(drop, full - left, atol=5e-3)
        general = {name: weights[name] for name in ("demand", "newness") if name in weights}
        if general:
            shown = reference_blend(blend(general), batch.histories)[0, picks]
            np.testing.assert_allclose(given.demand + given.newness, shown, atol=2e-3)

    def test_a_part_of_one_modality_is_what_that_modality_gives(self) -> None:
        weights = {"image": 0.6, "text": 0.4}
        picks, batch = np.array([3, 4]), HistoryBatch(histories_of([[1, 2]]))
        given = blend(weights).contributions(batch, picks)
        for name, weight in weights.items():
            alone = reference_blend(blend({name: weight}), batch.histories)[0, picks]
            np.testing.assert_allclose(given.by_modality[name], alone, atol=2e-3)

    def test_the_fusion_loses_one_view(self) -> None:
        picks, batch = np.array([3, 4]), HistoryBatch(histories_of([[1, 2]]))
        given = blend({FUSION: 0.7}).contributions(batch, picks)
        full = FusionPart(TABLE, kernel_tower).score(batch)
        for modality in TABLE.modalities:
            keys = TABLE.keys.copy()
            keys[:, TABLE.view(modality)] = 0.0
            left = FusionPart(replace(TABLE, keys=keys), kernel_tower).score(batch)
            drop = np.arcsinh((full - full.mean()) / full.std()) - np.arcsinh((left - left.mean()) / full.std())
            np.testing.assert_allclose(given.by_modality[modality], 0.7 * drop[0, picks], atol=2e-3)

    def test_an_empty_history_has_no_past_items(self) -> None:
        assert (
            not blend({"demand": 1.0, "image": 0.5})
            .contributions(HistoryBatch(histories_of([[]])), np.arange(5))
            .by_item
        )

    def test_the_newest_positive_items_come_first_once(self) -> None:
        histories = Histories.from_lists([[4, 2, 4, 9]], now=0)
        histories.events[3] = int(Event.RETURN)
        assert newest_items(histories).tolist() == [4, 2]


def test_new_items_are_scored_and_changed_ones_anew() -> None:
    vectors = RNG.standard_normal((40, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = Ranker({"image": 1.0}, (ContentKernel("image").restore({"vectors": vectors}),))
    past = histories_of([[3]])

    def add(num: int, vector: FloatArray | None) -> FloatArray:
        tokens = {} if vector is None else {"image": Tokens("image", "e", vector[None, :], np.array([True]))}
        made.add_items(NewItems(np.array([num]), tokens, np.array([num])))
        return made.score(past)[0]

    scores = add(40, vectors[3])
    assert made.n_items == 41
    assert set(np.argsort(-scores)[:2].tolist()) == {3, 40}
    assert np.argsort(add(40, -vectors[3]))[0] == 40
    scores = add(41, None)  # it has no picture
    assert scores.min() < scores[41] < scores.max()


@given(st.lists(st.integers(0, 50), max_size=400), st.integers(1, 300))
def test_blocks_hold_everybody_once_and_few_long_histories(pasts: list[int], size: int) -> None:
    lengths = np.sort(np.array(pasts, dtype=np.int64))
    blocks = blocks_of(np.arange(len(lengths)), lengths, size)
    assert [row for block in blocks for row in block] == list(range(len(lengths)))
    for block in blocks:
        assert 0 < len(block) <= size
        assert len(block) <= MANY_USERS or len(block) * lengths[block].max() <= CANDIDATE_PLACES


def test_scratch_is_reused_until_its_marks_run_out() -> None:
    state, first = ranking.scratch_for(10, 9, 5)
    again, second = ranking.scratch_for(10, 9, 2**23 - 6)
    assert again is state
    assert second == first + 5
    last, third = ranking.scratch_for(10, 9, 1)
    assert last is state
    assert third == 1
    assert not last[:, 0].any()
    assert ranking.scratch_for(100, 9, 1)[0] is not state
