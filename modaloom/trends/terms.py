"""What shoppers type: which terms are new or rising, and which find nothing.

A term is a word, or a whole search of several words. Shapes: q terms, t steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from modaloom.counting.catalogue import Dimension
from modaloom.counting.ledger import Ledger
from modaloom.counting.spelling import as_written, fold, plain_term
from modaloom.shop.words import longest, saying, terms
from modaloom.trends.board import Term
from modaloom.trends.setters import as_series
from modaloom.trends.verdicts import FALSE_SHARE, fit, q_values
from modaloom.types import BoolArray, IntArray, Tell

Values = npt.NDArray[np.float64]
MOST_TERMS = 300
FOLDED = 40_000
"""The most frequent searches are looked through for slips."""
NEW_FROM = 3.0
"""A term is new that had no search in the first half of the log and at least so many expected ones by its share."""


@dataclass(frozen=True)
class _Spoken:
    """Terms and the searches that say them."""

    terms: tuple[str, ...]
    incidence: sparse.csr_matrix  # (q, queries)
    spellings: tuple[dict[str, list[int]], ...]
    """Of each term: the queries by how it was typed in them."""


def mine_terms(
    ledger: Ledger, said: pl.Series, offered: BoolArray, named: Sequence[Dimension], k: int, tell: Tell
) -> tuple[list[Term], int]:
    """Terms of at least ``k`` shoppers, the most telling first, and how many were hidden.

    Args:
        ledger: the log.
        said: everything that is said of each item in lower case, (n,).
        offered: items on offer, (n,).
        named: dimensions whose values answer a term by name: a red dress answers "red" without saying so.
        k: the least number of shoppers.
        tell: progress.
    """
    tell("search terms", 0, 0)
    typed = _Typed.of(ledger)
    if typed is None:
        return [], 0
    number = np.bincount(typed.query, minlength=len(ledger.queries))
    written: Counter[str] = Counter()
    for text, times in zip(ledger.queries, number.tolist(), strict=True):
        for word in text.split() if times else ():
            written[word] += times
    spoken = _speak(ledger.queries, number, said)
    counts = np.asarray((spoken.incidence @ typed.by_step).todense())
    shoppers = typed.shoppers(spoken.incidence)
    shown = np.flatnonzero(shoppers >= k)
    hidden = int((shoppers > 0).sum() - len(shown))
    shown = shown[np.argsort(-counts[shown].sum(axis=1), kind="stable")][:MOST_TERMS]
    if not len(shown):
        return [], hidden
    matching = _Matching(said, offered, named, ledger)
    states = _states(counts[shown], typed.totals, ledger.step_days)
    found = []
    for row, (state, confidence, change) in zip(shown.tolist(), states, strict=True):
        spellings = _spellings(spoken.spellings[row], typed, k)
        if not spellings:
            hidden += 1
            continue
        matches, in_stock = matching.items(spoken.terms[row])
        quarter = max(ledger.n_steps // 4, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            series = np.where(typed.totals > 0, counts[row] / typed.totals, np.nan)
        found.append(Term(
            as_written(spoken.terms[row], written), "en" if spoken.terms[row].isascii() else "zh", spellings,
            int(counts[row].sum()), int(shoppers[row]), state, confidence,
            float(counts[row, -quarter:].sum() / max(typed.totals[-quarter:].sum(), 1.0)), change, as_series(series),
            matches, in_stock, matches > 0, ledger.day(int(np.flatnonzero(counts[row])[0])).isoformat(),
        ))  # fmt: skip
    order = {"new": 0, "rising": 1, "falling": 2, "steady": 3}
    return sorted(found, key=lambda term: (term.answered, order[term.state], -term.searches)), hidden


def without_blocked(ledger: Ledger, blocked: Sequence[str]) -> Ledger:
    """The log without searches that have one of these words; they count for nothing."""
    gone = np.zeros(ledger.n_things, dtype=bool)
    gone[ledger.n_items :] = [is_blocked(query, blocked) for query in ledger.queries]
    if not gone.any():
        return ledger
    kept = ~gone[ledger.thing]
    return replace(
        ledger,
        user=ledger.user[kept],
        thing=ledger.thing[kept],
        step=ledger.step[kept],
        bought=ledger.bought[kept],
    )


def is_blocked(query: str, blocked: Sequence[str]) -> bool:
    """Whether a search has one of these in it: whole words, or, of Chinese, which has no blanks, any part."""
    if not blocked:
        return False
    plain = f" {plain_term(query)} "
    words = [word for one in blocked if (word := plain_term(one))]
    return any(f" {word} " in plain or (not word.isascii() and word in plain) for word in words)


@dataclass(frozen=True)
class _Typed:
    """The searches of a log."""

    query: IntArray
    user: IntArray  # numbered anew
    n_users: int
    by_step: sparse.csr_matrix  # (queries, t)
    totals: Values  # (t,)

    @classmethod
    def of(cls, ledger: Ledger) -> _Typed | None:
        rows = ledger.thing >= ledger.n_items
        if not rows.any():
            return None
        query, step = ledger.thing[rows].astype(np.int64) - ledger.n_items, ledger.step[rows]
        users, user = np.unique(ledger.user[rows], return_inverse=True)
        shape = (len(ledger.queries), ledger.n_steps)
        by_step = sparse.csr_matrix((np.ones(len(query)), (query, step)), shape=shape)
        return cls(query, user, len(users), by_step, np.bincount(step, minlength=ledger.n_steps).astype(np.float64))

    def shoppers(self, incidence: sparse.csr_matrix) -> IntArray:
        """Different shoppers of each row of searches, (q,)."""
        shape = (incidence.shape[1], self.n_users)
        pairs = sparse.csr_matrix((np.ones(len(self.query)), (self.query, self.user)), shape=shape)
        reached: IntArray = np.diff((incidence @ pairs).tocsr().indptr).astype(np.int64)
        return reached


def _spellings(typed_as: dict[str, list[int]], typed: _Typed, k: int) -> tuple[tuple[str, int], ...]:
    """How a term was typed and how often, by at least ``k`` shoppers each: one person's words stay theirs."""
    names = list(typed_as)
    pairs = [(row, query) for row, name in enumerate(names) for query in sorted(set(typed_as[name]))]
    place = np.array(pairs, dtype=np.int64)
    shape = (len(names), typed.by_step.shape[0])
    incidence = sparse.csr_matrix((np.ones(len(place)), (place[:, 0], place[:, 1])), shape=shape)
    searches = np.asarray((incidence @ typed.by_step).sum(axis=1)).ravel()
    enough = typed.shoppers(incidence) >= k
    found = [(name, int(number)) for name, number, good in zip(names, searches, enough, strict=True) if good]
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def _speak(queries: Sequence[str], number: IntArray, said: pl.Series) -> _Spoken:
    """Words and whole searches, slips put right."""
    often = np.argsort(-number, kind="stable")[:FOLDED].tolist()
    plain = {query: plain_term(queries[query]) for query in often if number[query]}
    words = {query: longest(terms(text)) for query, text in plain.items()}
    weight: dict[str, float] = {}
    for query, text in plain.items():
        for term in {text, *words[query]}:
            weight[term] = weight.get(term, 0.0) + float(number[query])
    vocabulary = {word for text in said.unique().to_list() for word in (text or "").split()}
    meant = fold(weight, vocabulary)
    queries_of: dict[str, dict[str, list[int]]] = {}
    for query, text in plain.items():
        whole = meant.get(text, text)
        as_meant = words[query] if whole == text else longest(terms(whole))
        for word in as_meant:
            right = meant.get(word, word)
            queries_of.setdefault(right, {}).setdefault(word if whole == text else text, []).append(query)
        if len(as_meant) > 1:
            queries_of.setdefault(whole, {}).setdefault(queries[query], []).append(query)
    chosen = tuple(queries_of)
    pairs = sorted(
        {(row, query) for row, term in enumerate(chosen) for at in queries_of[term].values() for query in at}
    )
    place = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    shape = (len(chosen), len(queries))
    incidence = sparse.csr_matrix((np.ones(len(place)), (place[:, 0], place[:, 1])), shape=shape)
    return _Spoken(chosen, incidence, tuple(queries_of[term] for term in chosen))


def _states(counts: Values, totals: Values, step_days: int) -> list[tuple[str, float, float | None]]:
    """State, confidence and change of every term."""
    expected = counts.sum(axis=1, keepdims=True) / max(totals.sum(), 1.0) * totals
    fits = fit(counts, expected, totals, step_days)
    quality = np.ones(len(counts))
    if fits.judged.any():
        quality[fits.judged] = q_values(fits.trend_p[fits.judged])
    half = counts.shape[1] // 2
    early = expected[:, :half].sum(axis=1)
    states: list[tuple[str, float, float | None]] = []
    for row in range(len(counts)):
        change = float(np.expm1(fits.trend[row] * 0.75)) if fits.judged[row] else None
        if counts[row, :half].sum() == 0 and early[row] >= NEW_FROM:
            states.append(("new", float(-np.expm1(-early[row])), None))
        elif quality[row] <= FALSE_SHARE:
            states.append(("rising" if fits.trend[row] > 0 else "falling", float(1 - quality[row]), change))
        else:
            states.append(("steady", 0.0, change))
    return states


class _Matching:
    """Which items answer a term: they say all its words, or are what it names."""

    def __init__(self, said: pl.Series, offered: BoolArray, named: Sequence[Dimension], ledger: Ledger):
        self._said, self._offered, self._n_items = said, offered, ledger.n_items
        self._of_word: dict[str, BoolArray] = {}
        self._named: dict[str, list[tuple[Dimension, int]]] = {}
        for dimension in named:
            for row, (value, names) in enumerate(zip(dimension.values, dimension.names, strict=True)):
                for name in {*names.values(), value.replace("_", " ")}:
                    self._named.setdefault(" ".join(terms(name)), []).append((dimension, row))

    def items(self, term: str) -> tuple[int, int]:
        """How many items match a term, and how many of these are on offer."""
        there = np.ones(self._n_items, dtype=bool)
        for word in longest(terms(term)):
            there &= self._word(word)
        there |= self._by_name(" ".join(terms(term)))
        return int(there.sum()), int((there & self._offered).sum())

    def _word(self, word: str) -> BoolArray:
        if word not in self._of_word:
            self._of_word[word] = saying(self._said, word) | self._by_name(word)
        return self._of_word[word]

    def _by_name(self, name: str) -> BoolArray:
        there: BoolArray = np.zeros(self._n_items, dtype=bool)
        for dimension, row in self._named.get(name, ()):
            there |= np.asarray(dimension.incidence[row, : self._n_items].todense()).ravel() > 0
        return there
