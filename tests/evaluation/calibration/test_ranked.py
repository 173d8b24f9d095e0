"""Features of a ranked answer, by their laws and against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.evaluation.calibration.ranked import Ranked, feature, softmax

SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=8).map(lambda row: np.array([sorted(row, reverse=True)]))
TEMPERATURES = st.floats(0.01, 100)


@given(SCORES, TEMPERATURES)
def test_softmax_is_the_plain_formula(scores, temperature):
    grown = [math.exp((score - scores[0, 0]) / temperature) for score in scores[0]]
    assert softmax(scores, temperature)[0] == pytest.approx([one / sum(grown) for one in grown], rel=1e-12, abs=1e-300)


@given(SCORES, TEMPERATURES, st.floats(-100, 100))
def test_it_sums_to_one_keeps_the_order_and_ignores_a_shift(scores, temperature, shift):
    shares = softmax(scores, temperature)[0]
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(shares) <= 0).all()
    np.testing.assert_allclose(softmax(scores + shift, temperature)[0], shares, rtol=1e-9, atol=1e-9)


@given(SCORES)
def test_cold_it_is_one_hot_or_even_among_ties_and_hot_it_is_even(scores):
    scores = np.round(scores)
    ties = int((scores[0] == scores[0, 0]).sum())
    assert softmax(scores, 1e-3)[0] == pytest.approx([1 / ties] * ties + [0] * (scores.shape[1] - ties))
    assert softmax(scores, 1e9)[0] == pytest.approx([1 / scores.shape[1]] * scores.shape[1], rel=1e-6)


@given(SCORES, st.floats(0.01, 10), st.floats(1.1, 10))
def test_the_best_one_only_loses_as_it_gets_hotter(scores, temperature, factor):
    cold, hot = (softmax(scores, one)[0, 0] for one in (temperature, temperature * factor))
    assert hot <= cold + 1e-12


def test_what_is_not_there_takes_no_share():
    padded = np.array([[3.0, 1.0, -np.inf, -np.inf]])
    assert softmax(padded, 1.0)[0, :2] == pytest.approx(softmax(padded[:, :2], 1.0)[0])
    assert softmax(padded, 1.0)[0, 2:].tolist() == [0, 0]


def test_the_features():
    scores = np.array([[3.0, 1.0], [2.0, 2.0]])
    assert feature(scores, "score").tolist() == [3, 2]
    assert feature(scores, "margin").tolist() == [2, 0]
    assert feature(scores, "probability", 2.0) == pytest.approx([1 / (1 + math.exp(-1)), 0.5])
    assert feature(scores[:, :1], "margin").tolist() == [math.inf, math.inf]


def test_some_of_the_mentions():
    ranked = Ranked(np.arange(6.0).reshape(3, 2), np.array([True, False, True]), np.array([False, True, False]))
    some = ranked[np.array([2, 1])]
    assert (len(some), some.scores[:, 0].tolist(), some.right.tolist(), some.nil.tolist()) == (
        2,
        [4, 2],
        [True, False],
        [False, True],
    )
    assert len(ranked[ranked.nil]) == 1
