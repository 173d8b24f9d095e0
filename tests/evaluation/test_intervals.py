"""Intervals: closed forms, identical systems, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from otmel.errors import DataError
from otmel.evaluation.intervals import Interval, differing, over_both, over_mentions, over_seeds

METHODS = (over_seeds, over_mentions, over_both)


def test_seeds_give_the_textbook_t_interval():
    values = np.random.default_rng(0).normal(0.1, 0.2, (5, 30))
    expected = stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.9)
    found = over_seeds(values, 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx(values.mean())


def test_mentions_agree_with_scipys_bootstrap():
    values = np.random.default_rng(1).normal(0, 1, (1, 60))
    found = over_mentions(values, resamples=20_000)
    expected = stats.bootstrap((values[0],), np.mean, method="percentile", n_resamples=20_000, rng=2)
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.02)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.02)
    assert over_mentions(values, seed=3) == over_mentions(values, seed=3)


@pytest.mark.parametrize("method", METHODS)
def test_identical_systems_differ_by_exactly_nothing(method):
    assert method(np.zeros((3, 40))) == Interval(0, 0, 0)
    assert method(np.zeros((3, 40))).contains_zero


@pytest.mark.parametrize("method", METHODS)
def test_swapping_the_systems_mirrors_the_interval(method):
    values = np.random.default_rng(4).normal(0.3, 1, (4, 50))
    one, other = method(values), method(-values)
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), abs=0.02)


def test_both_is_never_narrower_than_either():
    values = np.random.default_rng(5).normal(0, 1, (3, 50)) + np.array([[0.1], [0.2], [0.4]])
    both, seeds, mentions = over_both(values), over_seeds(values), over_mentions(values)
    assert both.low <= min(seeds.low, mentions.low)
    assert both.high >= max(seeds.high, mentions.high)


@pytest.mark.parametrize("method, seed_noise, mention_noise", [
    (over_seeds, 0.05, 0.0), (over_mentions, 0.0, 0.5), (over_both, 0.05, 0.5), (over_both, 0.2, 0.1),
])  # fmt: skip
def test_ninety_five_percent_intervals_cover(method, seed_noise, mention_noise):
    """300 experiments with a true difference of 0.1: between 91 and 100 % of the intervals hold it."""
    rng, truth, hits = np.random.default_rng(6), 0.1, 0
    options = {} if method is over_seeds else {"resamples": 400}
    for _ in range(300):
        values = truth + rng.normal(0, seed_noise, (3, 1)) + rng.normal(0, mention_noise, (1, 80))
        found = method(values + rng.normal(0, 0.05, (3, 80)), **options)
        hits += found.low <= truth <= found.high
    assert hits / 300 >= 0.91


def test_too_little_to_speak_of_is_refused():
    with pytest.raises(DataError, match="two paired seeds"):
        over_seeds(np.ones((1, 5)))
    with pytest.raises(DataError, match="there are 1"):
        over_mentions(np.ones((3, 1)))


def test_chunks_cover_all_resamples():
    values = np.random.default_rng(7).normal(0, 1, (1, 30_000))
    found = over_mentions(values, resamples=150)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 30_000**0.5, rel=0.3)


def test_counts_the_mentions_that_differ():
    assert differing(np.array([[0, 1, -1, 0.5], [0, 1, 1, 0]])) == 2
