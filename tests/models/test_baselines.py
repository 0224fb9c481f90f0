"""Each baseline does what its name says, in worlds where the right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from modaloom.errors import TrainingError
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.baselines import (
    BASELINES,
    BprMf,
    ContentKnn,
    ImplicitAls,
    ItemKnn,
    Newest,
    Popularity,
    Repurchase,
    keep_largest_per_row,
)
from modaloom.models.linear import Ease
from modaloom.testing import ScorerSuite, checkerboard_world, taste_world
from modaloom.types import DAY_S, Event, Histories, Scorer, Snapshot

# implicit warns when the linear algebra library has threads of its own; that is a matter of speed, not of results
pytestmark = pytest.mark.filterwarnings("ignore:OpenBLAS is configured:RuntimeWarning")


def ndcg(scorer: Scorer, snapshot: Snapshot, truth: list[np.ndarray], n: int = 8) -> float:
    """Mean NDCG of the unseen items of the catalogue."""
    histories = snapshot.histories(np.arange(snapshot.n_users))
    scores = scorer.fit(snapshot).score(histories)
    allowed = np.tile(snapshot.catalogue, (len(scores), 1))
    allowed[histories.rows(), histories.item_nums] = False
    return float(ranking_metrics(top_n(scores, n, allowed), truth)["ndcg"].mean())


class TestEveryBaseline(ScorerSuite):
    @pytest.fixture(autouse=True, params=sorted(BASELINES))
    def baseline(self, request: pytest.FixtureRequest) -> None:
        self.make = BASELINES[request.param]

    def fitted(self) -> tuple[Scorer, Snapshot]:
        """The suite keeps one model per class; here each parameter is a model of its own."""
        snapshot = self.make_snapshot()
        return self.make_scorer().fit(snapshot), snapshot

    def make_scorer(self) -> Scorer:
        return self.make()

    def make_snapshot(self) -> Snapshot:
        return taste_world("behaviour", n_users=24, n_items=64)[0]


def log(*events: tuple[int, int, int, Event]) -> Snapshot:
    """A shop of four items with events (user, item, days ago, kind)."""
    snapshot, _ = checkerboard_world(n_users=3, n_items=4)
    rows = sorted(events, key=lambda event: -event[2])
    interactions = pl.DataFrame(
        {
            "user_num": [row[0] for row in rows],
            "item_num": [row[1] for row in rows],
            "event": [int(row[3]) for row in rows],
            "value": [None] * len(rows),
            "timestamp": [snapshot.now - row[2] * DAY_S for row in rows],
        },
        schema=snapshot.interactions.schema,
    )
    return replace(snapshot, interactions=interactions)


def test_popularity_orders_by_decayed_count() -> None:
    bought = Event.PURCHASE
    snapshot = log((0, 0, 300, bought), (1, 0, 300, bought), (2, 0, 300, bought), (0, 1, 1, bought), (1, 2, 40, bought))
    recent = Popularity(half_life_days=30).fit(snapshot).score(Histories.from_lists([[]], now=snapshot.now))[0]
    assert np.argsort(-recent, kind="stable").tolist() == [1, 2, 0, 3]
    assert recent[1] == pytest.approx(0.5 ** (1 / 30))
    assert recent[0] == pytest.approx(3 * 0.5**10)
    ever = Popularity(half_life_days=1e9).fit(snapshot).score(Histories.from_lists([[]], now=snapshot.now))[0]
    assert ever.tolist() == pytest.approx([3, 1, 1, 0], abs=1e-4)


def test_popularity_counts_target_events_only() -> None:
    snapshot = log((0, 3, 1, Event.VIEW), (1, 3, 1, Event.RETURN), (2, 2, 50, Event.PURCHASE))
    scores = Popularity().fit(snapshot).score(Histories.from_lists([[]], now=snapshot.now))[0]
    assert scores.argmax() == 2
    assert scores[3] == 0


def test_newest_goes_by_date_and_else_by_rank() -> None:
    snapshot, _ = checkerboard_world(n_users=2, n_items=4)
    nobody = Histories.from_lists([[]], now=snapshot.now)
    dates = snapshot.items.with_columns(pl.Series("released_at", [30, None, 40, 10], dtype=pl.Int64))
    scores = Newest().fit(replace(snapshot, items=dates)).score(nobody)[0]
    assert np.argsort(-scores).tolist() == [2, 0, 3, 1]
    ranks = dates.with_columns(released_at=pl.lit(None, pl.Int64), release_rank=pl.Series([1.0, 7.0, 5.0, 2.0]))
    assert np.argsort(-Newest().fit(replace(snapshot, items=ranks)).score(nobody)[0]).tolist() == [1, 2, 3, 0]
    neither = ranks.with_columns(release_rank=pl.lit(None, pl.Float64))
    with pytest.raises(TrainingError, match="no release dates"):
        Newest().fit(replace(snapshot, items=neither))


def test_repurchase_puts_own_first_newest_first_then_the_popular() -> None:
    bought = Event.PURCHASE
    snapshot = log((0, 3, 90, bought), (0, 1, 2, bought), (1, 2, 1, bought), (2, 2, 1, bought), (1, 0, 5, bought))
    scores = Repurchase().fit(snapshot).score(snapshot.histories(np.array([0])))[0]
    assert np.argsort(-scores).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize(
    "make",
    [
        ItemKnn,
        lambda: Ease(ridge=20.0),
        lambda: ImplicitAls(dim=4),
        lambda: BprMf(dim=8),
    ],
    ids=["item-knn", "ease", "ials", "bpr-mf"],
)
def test_collaborative_models_solve_the_checkerboard(make: Callable[[], Scorer]) -> None:
    snapshot, truth = checkerboard_world()
    assert ndcg(make(), snapshot, truth) > 0.93
    assert ndcg(Popularity(), snapshot, truth) < 0.7


@pytest.mark.parametrize("name", ["item-knn", "ease", "ials", "bpr-mf"])
def test_collaborative_models_find_taste_in_behaviour_with_their_defaults(name: str) -> None:
    snapshot, truth = taste_world("behaviour")
    assert ndcg(BASELINES[name](), snapshot, truth) > 0.75
    assert ndcg(ContentKnn(), snapshot, truth) < 0.4


@pytest.mark.parametrize("modality", ["image", "text", "attributes"])
def test_content_knn_finds_taste_in_its_modality_and_nowhere_else(modality: str) -> None:
    snapshot, truth = taste_world(modality)
    for name in ("image", "text", "attributes"):
        found = ndcg(BASELINES[f"content-knn-{name}"](), snapshot, truth)
        assert found > 0.98 if name == modality else found < 0.45, name
    assert ndcg(ContentKnn(), snapshot, truth) > 0.6
    assert ndcg(ItemKnn(), snapshot, truth) < 0.45


def test_content_knn_names_the_modality_that_is_missing() -> None:
    snapshot, _ = checkerboard_world()
    with pytest.raises(TrainingError, match="no image vectors"):
        ContentKnn("image").fit(snapshot)
    with pytest.raises(TrainingError, match="no content vectors"):
        ContentKnn().fit(snapshot)


def test_content_knn_never_reads_what_is_missing() -> None:
    snapshot, _ = taste_world("image")
    tokens = snapshot.tokens["image"]
    mask = tokens.mask.copy()
    mask[:5] = False
    gone = {"image": replace(tokens, mask=mask, vectors=np.where(mask[:, None], tokens.vectors, 0.0))}
    scorer = ContentKnn("image").fit(replace(snapshot, tokens=gone))
    scores = scorer.score(Histories.from_lists([[7, 0]], now=snapshot.now))
    assert (scores[0, :5] == 0).all()
    assert np.allclose(scores, scorer.score(Histories.from_lists([[7]], now=snapshot.now)), atol=1e-5)


def test_disliked_and_returned_items_are_no_taste() -> None:
    snapshot, _ = checkerboard_world()
    for event in (Event.DISLIKE, Event.RETURN):
        histories = Histories.from_lists([[1, 3]], now=snapshot.now, event=event)
        assert (ItemKnn().fit(snapshot).score(histories) == 0).all()


def test_keep_largest_per_row() -> None:
    matrix = sp.csr_matrix(np.array([[1, 5, 3, 0], [0, 0, 0, 2], [0, 0, 0, 0]], dtype=np.float32))
    assert keep_largest_per_row(matrix, 2).toarray().tolist() == [[0, 5, 3, 0], [0, 0, 0, 2], [0, 0, 0, 0]]
    assert keep_largest_per_row(matrix, 0).nnz == 0
