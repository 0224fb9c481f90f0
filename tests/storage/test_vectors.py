"""Nearest vectors: compared with counting by hand, under filters, changes, kills of files and building meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.errors import QueryError, StoreError
from modaloom.storage import vectors as module
from modaloom.storage.vectors import VectorIndex
from modaloom.types import FloatArray, IntArray

DIM = 16


def drawn(n: int, seed: int = 0) -> FloatArray:
    """Unit vectors around some centres."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((40, DIM))[rng.integers(0, 40, n)] + 0.4 * rng.standard_normal((n, DIM))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def by_hand(vectors: FloatArray, queries: FloatArray, k: int, allowed: IntArray) -> FloatArray:
    """The best scores (b, k) among the allowed."""
    scores = -np.sort(-(queries @ vectors[allowed].T), axis=1)[:, :k]
    return np.pad(scores, ((0, 0), (0, k - scores.shape[1])), constant_values=-np.inf)


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> VectorIndex:
    """3,000 vectors under an inverted file, with a filter that is wide from 50 on."""
    pytest.importorskip("faiss")
    monkeypatch.setattr(module, "EXACT_SUBSET", 50)
    index = VectorIndex(DIM, exact_up_to=1_000)
    index.add(np.arange(3_000), drawn(3_000))
    assert index.stale()
    index.rebuild()
    assert not index.stale()
    assert index._state.index is not None
    return index


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(0, 70), st.booleans())
@settings(max_examples=60)
def test_small_ones_are_exact(seed: int, n: int, k: int, by_mask: bool) -> None:
    rng, vectors = np.random.default_rng(seed), drawn(60, seed)
    index = VectorIndex(DIM)
    known = np.sort(rng.permutation(60)[:n])
    for some in np.array_split(rng.permutation(known), 3):
        index.add(some, vectors[some])
    gone = known[rng.random(n) < 0.2]
    assert index.delete(gone) == len(gone)
    allowed = np.flatnonzero(rng.random(60) < 0.5)
    right = np.setdiff1d(np.intersect1d(known, allowed), gone)
    queries = drawn(4, seed + 1)
    ids, scores = index.search(queries, k, np.isin(np.arange(50), allowed) if by_mask else allowed)
    right = right[right < 50] if by_mask else right  # a mask may end early
    np.testing.assert_allclose(scores, by_hand(vectors, queries, k, right), atol=1e-5)
    assert ((ids >= 0) == np.isfinite(scores)).all()
    assert set(ids[ids >= 0].tolist()) <= set(right.tolist())


def test_an_empty_one_and_wrong_input() -> None:
    index = VectorIndex(DIM)
    ids, scores = index.search(drawn(2), 3)
    assert (ids == -1).all()
    assert np.isneginf(scores).all()
    assert index.search(drawn(2), 3, np.zeros(0, np.bool_))[0].shape == (2, 3)
    bad = (
        (np.arange(2), drawn(3)),
        (np.array([-1]), drawn(1)),
        (np.array([1, 1]), drawn(2)),
        (np.array([1]), drawn(1) * np.nan),
    )
    for ids, vectors in bad:
        with pytest.raises(QueryError):
            index.add(ids, vectors)
    assert len(index) == 0


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.02, 0.01, 0.001])
def test_filters_give_what_is_allowed_and_enough_of_it(cells: VectorIndex, share: float) -> None:
    vectors, queries = drawn(3_000), drawn(30, 1)
    allowed = np.flatnonzero(np.random.default_rng(2).random(3_000) < share)
    ids, scores = cells.search(queries, 20, allowed)
    assert set(ids[ids >= 0].tolist()) <= set(allowed.tolist())
    assert ((ids >= 0).sum(axis=1) == min(20, len(allowed))).all(), "fewer than there are"
    right = by_hand(vectors, queries, 20, allowed)
    recall = (scores >= right[:, -1:] - 1e-6)[np.isfinite(right)].mean()
    assert recall > 0.97
    np.testing.assert_allclose(
        scores[ids >= 0], np.einsum("nd,nd->n", vectors[ids[ids >= 0]], queries[np.nonzero(ids >= 0)[0]]), atol=1e-5
    )


def test_a_filter_that_lies_far_from_the_query_is_answered_in_full(cells: VectorIndex) -> None:
    """The allowed ones are all in the cells that nobody would look at."""
    vectors, query = drawn(3_000), drawn(1, 1)
    for number, worst in ((200, 1.0), (1_000, 0.7)):  # the best of 1,000 lie on the edge of nearly every cell
        allowed = np.argsort(vectors @ query[0])[:number]
        ids, scores = cells.search(query, 20, allowed)
        assert set(ids[0].tolist()) <= set(allowed.tolist())
        right = by_hand(vectors, query, 20, allowed)
        assert (scores >= right[:, -1:] - 1e-6).mean() >= worst
    assert set(cells.search(query, 1_000, allowed)[0][0].tolist()) == set(allowed.tolist())


def test_a_filter_by_kind_is_answered_from_its_kind(cells: VectorIndex) -> None:
    """Half of the styles are allowed, and never the query's own: the nearest cells hold nothing that is."""
    pytest.importorskip("faiss")
    rng = np.random.default_rng(5)
    centres = drawn(100, 6)
    kind = rng.integers(0, 100, 30_000)
    vectors = np.asarray(centres[kind] + 0.05 * rng.standard_normal((30_000, DIM)), np.float32)
    index = VectorIndex(DIM, exact_up_to=1_000)
    index.add(np.arange(30_000), vectors)
    index.rebuild()
    recalls = []
    for query in centres[:20]:
        allowed = np.flatnonzero(np.isin(kind, np.argsort(centres @ query)[:50]))
        _, scores = index.search(query[None], 20, allowed)
        recalls.append((scores >= by_hand(vectors, query[None], 20, allowed)[:, -1:] - 1e-6).mean())
    assert np.mean(recalls) > 0.95


def test_changes_count_at_once(cells: VectorIndex) -> None:
    new = drawn(2, 9)
    cells.add(np.array([5, 70_000]), new)
    assert len(cells) == 3_001
    ids, scores = cells.search(new, 1)
    assert ids[:, 0].tolist() == [5, 70_000]
    np.testing.assert_allclose(scores, 1, atol=1e-5)
    assert cells.delete(np.array([5, 5, -3, 10**9])) == 1
    assert 5 not in cells.search(new, 3_000)[0]
    cells.rebuild()
    assert len(cells) == 3_000
    assert cells.search(new, 1)[0][1, 0] == 70_000
    assert 5 not in cells.search(new, 3_000)[0]


def test_changes_while_it_is_built_are_kept(cells: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on, build = threading.Event(), threading.Event(), module._indexed

    def slowly(state: module._State) -> module._State:
        started.set()
        assert go_on.wait(10)
        return build(state)

    monkeypatch.setattr(module, "_indexed", slowly)
    building = cells.rebuild_in_background()
    assert started.wait(10)
    new = drawn(2, 9)
    cells.add(np.array([7, 4_000]), new)
    cells.delete(np.array([8]))
    assert cells.search(new, 1)[0][:, 0].tolist() == [7, 4_000], "searches go on"
    go_on.set()
    building.join()
    assert len(cells) == 3_000
    assert cells.search(new, 1)[0][:, 0].tolist() == [7, 4_000]
    assert not {8} & set(cells.search(new, 3_000)[0].ravel().tolist())


def test_threads_may_search_while_others_change(cells: VectorIndex) -> None:
    vectors, queries, faults, running = drawn(3_000), drawn(5, 1), list[str](), threading.Event()
    running.set()

    def read() -> None:
        while running.is_set():
            ids, scores = cells.search(queries, 10, np.arange(0, 3_000, 2))
            right = np.take_along_axis(queries @ vectors.T, ids, axis=1)
            if (ids % 2).any() or not np.allclose(scores, right, atol=1e-5):
                faults.append("wrong answer")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(30):
        some = np.arange(number * 20, number * 20 + 20)
        cells.delete(some)
        cells.add(some, vectors[some])
        if number % 10 == 9:
            cells.rebuild()
    running.clear()
    for reader in readers:
        reader.join()
    assert not faults


def test_what_is_saved_is_loaded(cells: VectorIndex, tmp_path: Path) -> None:
    queries, folder = drawn(10, 1), tmp_path / "vectors"
    cells.delete(np.arange(100))
    cells.save(folder)
    loaded = VectorIndex.load(folder, exact_up_to=1_000)
    assert loaded._state.index is not None
    assert not loaded.stale()
    for mine, theirs in zip(cells.search(queries, 20), loaded.search(queries, 20), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    loaded.add(np.array([1]), queries[:1])
    loaded.delete(np.array([200]))
    assert loaded.search(queries, 1)[0][0, 0] == 1
    loaded.save(folder)
    again = VectorIndex.load(folder)
    assert len(again) == 2_900
    assert again.search(queries, 1)[0][0, 0] == 1
    assert sorted(one.name for one in folder.iterdir()) == ["2", "current.json"]


def test_a_spoilt_file_is_refused(cells: VectorIndex, tmp_path: Path) -> None:
    cells.save(tmp_path)
    for name in ("vectors.npy", "ids.npy", "cells.faiss"):
        file = tmp_path / "1" / name
        content = file.read_bytes()
        for spoilt in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b""):
            file.write_bytes(spoilt)
            with pytest.raises(StoreError, match="not the file"):
                VectorIndex.load(tmp_path)
        file.write_bytes(content)
    assert len(VectorIndex.load(tmp_path)) == 3_000
    (tmp_path / "current.json").write_text("{}")
    with pytest.raises(StoreError):
        VectorIndex.load(tmp_path)
    with pytest.raises(StoreError):
        VectorIndex.load(tmp_path / "missing")


def test_saving_that_is_cut_off_leaves_the_old_one(
    cells: VectorIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells.save(tmp_path)
    cells.delete(np.arange(1_000))

    def fail(file: Path) -> str:
        raise OSError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_checksum", fail)
        with pytest.raises(OSError, match="cut off"):
            cells.save(tmp_path)
    assert len(VectorIndex.load(tmp_path)) == 3_000
    cells.save(tmp_path)
    assert len(VectorIndex.load(tmp_path)) == 2_000
