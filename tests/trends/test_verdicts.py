from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from modaloom.trends.verdicts import Crowds, design, fit, q_values

STEPS = 104


def counts_of(log_change: float, swing: float, level: float, seed: int, rows: int = 1) -> np.ndarray:
    """Poisson counts with a trend and a season."""
    place = (np.arange(STEPS) + 0.5) / STEPS - 0.5
    wave = np.cos(2 * np.pi * np.arange(STEPS) * 7 / 365.25) * swing / 2
    mean = level * np.exp(log_change * place + wave)
    return np.random.default_rng(seed).poisson(mean, (rows, STEPS)).astype(np.float64)


def fitted(counts: np.ndarray, whole: float = 1_000.0):
    totals = np.full(STEPS, whole)
    expected = counts.mean(axis=1, keepdims=True) * np.ones(STEPS)
    return fit(counts, expected, totals, 7)


def test_estimates_are_those_that_were_planted() -> None:
    fits = fitted(counts_of(1.2, 1.5, 30, 0, rows=200))
    assert fits.trend.mean() == pytest.approx(1.2, abs=0.03)
    assert fits.swing.mean() == pytest.approx(1.5, abs=0.05)
    assert fits.trend.std() == pytest.approx(fits.trend_error.mean(), rel=0.2)  # errors are as large as they say
    assert set(fits.peak.tolist()) <= {*range(3), *range(49, 52)}


def test_an_effect_that_does_not_matter_is_not_reported_however_sure() -> None:
    small = fitted(counts_of(0.12, 0.0, 3_000, 0, rows=40), whole=100_000)
    assert (np.abs(small.trend) / small.trend_error > 4).mean() > 0.9  # it is surely there
    assert (q_values(small.trend_p) > 0.05).all()


def test_false_reports_are_as_rare_as_promised() -> None:
    """At the very edge of what matters, five of a hundred p-values are below .05 at most."""
    edge = fitted(counts_of(float(np.log(1.2)), 0.0, 12, 1, rows=1_500))
    assert (edge.trend_p < 0.05).mean() < 0.075
    flat = fitted(counts_of(0.0, 0.0, 12, 2, rows=1_500))
    assert (q_values(np.concatenate([flat.trend_p, flat.season_p])) > 0.05).all()


def test_rare_values_and_empty_ones_are_not_judged() -> None:
    fits = fitted(np.stack([np.zeros(STEPS), np.eye(1, STEPS, 3)[0], np.full(STEPS, 5.0)]))
    assert fits.judged.tolist() == [False, False, True]
    assert np.isfinite(fits.trend).all()


def test_a_season_needs_two_years() -> None:
    assert design(104, 7)[1]
    assert not design(80, 7)[1]
    assert design(80, 7)[0].shape == (80, 2)


def test_shoppers_who_act_together_make_it_less_sure() -> None:
    rng = np.random.default_rng(0)
    columns, _ = design(STEPS, 7)
    bulk = np.zeros((100, STEPS))
    for crowd in range(100):  # each shopper's interests fall into one month
        bulk[crowd, (start := int(rng.integers(0, 100))) : start + 4] = 6
    counts, part = bulk.sum(axis=0, keepdims=True), np.full((100, STEPS), 0.01)
    crowds = Crowds(np.stack([(bulk @ column)[None] for column in columns.T]), part)
    expected = np.full((1, STEPS), counts.mean())
    alone = fit(counts, expected, np.full(STEPS, 1_000.0), 7)
    together = fit(counts, expected, np.full(STEPS, 1_000.0), 7, crowds)
    assert together.trend_error[0] > 1.5 * alone.trend_error[0] / np.sqrt(alone.dispersion[0])


@settings(max_examples=50)
@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-9, 1)))
def test_q_values_keep_the_order_and_are_no_surer(p_values: np.ndarray) -> None:
    found = q_values(p_values)
    assert (found >= p_values - 1e-12).all()
    assert (np.diff(found[np.argsort(p_values, kind="stable")]) >= -1e-12).all()
    assert found.max() <= 1
