"""Figures of probabilities: closed forms, plain loops, and no dependence on the order of the mentions."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.evaluation.calibration.figures import (
    brier,
    calibration_error,
    error_by_chance,
    log_loss,
    reliability,
    risk_coverage,
)

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]), st.booleans()), min_size=1)
DISTINCT = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, unique_by=lambda pair: pair[0])


def arrays(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in pairs]), np.array([y for _, y in pairs], dtype=bool)


@given(PAIRS)
def test_log_loss_and_brier_are_their_formulas(pairs):
    clipped = [(min(max(p, 1e-15), 1 - 1e-15), y) for p, y in pairs]
    assert log_loss(*arrays(pairs)) == pytest.approx(-np.mean([math.log(p if y else 1 - p) for p, y in clipped]))
    assert brier(*arrays(pairs)) == pytest.approx(np.mean([(p - y) ** 2 for p, y in pairs]))


@given(DISTINCT, st.integers(1, 12))
def test_bins_of_distinct_probabilities_have_equal_mass(pairs, bins):
    found = reliability(*arrays(pairs), bins)
    assert len(found) == min(bins, len(pairs))
    assert sum(one.mentions for one in found) == len(pairs)
    assert max(one.mentions for one in found) - min(one.mentions for one in found) <= 1


@given(PAIRS, st.integers(1, 12))
def test_equal_probabilities_share_a_bin(pairs, bins):
    probability, right = arrays(pairs)
    found = reliability(probability, right, bins)
    start, ordered = 0, np.sort(probability)
    for one in found:
        inside = ordered[start : start + one.mentions]
        start += one.mentions
        assert one.probability == pytest.approx(inside.mean())
        assert one.accuracy == pytest.approx(right[np.isin(probability, inside)].mean())
        assert np.isin(probability, inside).sum() == one.mentions
    assert start == len(pairs)


@given(DISTINCT, st.integers(1, 6))
def test_the_calibration_error_is_that_of_a_plain_loop(pairs, bins):
    ordered, total = sorted(pairs), 0.0
    cuts = [math.ceil(b * len(pairs) / bins) for b in range(bins + 1)]
    for first, last in pairwise(cuts):
        inside = ordered[first:last]
        if inside:
            total += abs(sum(p for p, _ in inside) - sum(y for _, y in inside))
    assert calibration_error(*arrays(pairs), bins) == pytest.approx(total / len(pairs))


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_mentions_changes_nothing(pairs, random):
    other = list(pairs)
    random.shuffle(other)
    for figure in (calibration_error, brier, log_loss, lambda p, y: risk_coverage(p, y).area):
        assert figure(*arrays(other)) == pytest.approx(figure(*arrays(pairs)))


def test_a_true_source_has_no_error_as_mentions_grow():
    random = np.random.default_rng(0)
    errors = []
    for mentions in (100, 1_000, 10_000, 100_000):
        probability = random.random(mentions)
        errors.append(calibration_error(probability, random.random(mentions) < probability))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


def test_a_constant_is_as_wrong_as_it_is_far_from_the_mean():
    right = np.arange(100) < 70
    assert calibration_error(np.full(100, 0.7), right) == pytest.approx(0)
    assert calibration_error(np.full(100, 0.9), right) == pytest.approx(0.2)
    assert len(reliability(np.full(100, 0.9), right)) == 1


def test_what_chance_gives_is_the_error_of_a_true_source():
    probability = np.random.default_rng(1).random(400)
    drawn = np.random.default_rng(2).random((300, 400)) < probability
    assert error_by_chance(probability) == pytest.approx(
        np.mean([calibration_error(probability, one) for one in drawn]), rel=0.05
    )
    assert error_by_chance(np.array([0.0, 1.0, 1.0])) == 0
    assert error_by_chance(probability, seed=1) == error_by_chance(probability, seed=1)


@given(PAIRS)
def test_with_all_answered_the_risk_is_the_error_rate(pairs):
    curve = risk_coverage(*arrays(pairs))
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(np.mean([not y for _, y in pairs]))
    assert ((curve.risk >= 0) & (curve.risk <= 1 + 1e-12)).all()


@given(DISTINCT)
def test_risk_is_that_of_a_plain_loop(pairs):
    surest = [y for _, y in sorted(pairs, reverse=True)]
    expected = [np.mean([not y for y in surest[: count + 1]]) for count in range(len(surest))]
    curve = risk_coverage(*arrays(pairs))
    assert curve.risk == pytest.approx(expected)
    assert curve.area == pytest.approx(np.mean(expected))


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.6]), st.booleans()), min_size=1, max_size=5))
def test_ties_have_the_mean_risk_of_all_their_orders(pairs):
    curves = []
    for order in permutations(pairs):
        surest = sorted(order, key=lambda pair: -pair[0])
        curves.append(np.cumsum([not y for _, y in surest]) / np.arange(1, len(pairs) + 1))
    assert risk_coverage(*arrays(pairs)).risk == pytest.approx(np.mean(curves, 0))


def test_the_best_order_has_the_least_area():
    right = np.random.default_rng(0).random(50) < 0.7
    best, worst = risk_coverage(right.astype(float), right), risk_coverage(1 - right.astype(float), right)
    middle = risk_coverage(np.random.default_rng(1).random(50), right)
    assert best.area < middle.area < worst.area
    assert risk_coverage(np.full(50, 0.5), right).area == pytest.approx(1 - right.mean())
