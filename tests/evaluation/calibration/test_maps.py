"""The maps: the fitted one is the best one, order is kept, and no probability is more than the sample bears out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.errors import ConfigurationError
from otmel.evaluation.calibration.figures import log_loss
from otmel.evaluation.calibration.maps import METHODS, ConfidenceMap, fit_isotonic, fit_temperature
from otmel.evaluation.calibration.ranked import FEATURES, Ranked, feature, softmax
from otmel.settings import validated

from .conftest import drawn

MAPS = st.sampled_from(
    [ConfidenceMap(temperature=1.5), *(METHODS[name](drawn(60, seed=3)) for name in METHODS if name != "temperature")]
)
ROWS = st.lists(st.floats(-20, 20), min_size=2, max_size=6).map(lambda row: np.array([sorted(row, reverse=True)]))


def pooled(x: np.ndarray, y: np.ndarray) -> dict[float, float]:
    """Isotonic regression by pooling adjacent violators, one after the other: value → fit."""
    blocks: list[list[float]] = []  # sum, count, values …
    for value in np.unique(x):
        own = y[x == value]
        blocks.append([float(own.sum()), len(own), float(value)])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1], *blocks[-1][2:], *last[2:]]
    return {value: total / count for total, count, *values in blocks for value in values}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("true", [0.3, 1.0, 7.0])
def test_the_temperature_of_the_source_is_found(true, seed):
    found = fit_temperature(drawn(20_000, seed, true)).temperature
    assert found == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_no_temperature_loses_less(seed):
    ranked = drawn(50, seed)
    found = fit_temperature(ranked).temperature
    least = log_loss(softmax(ranked.scores, found)[:, 0], ranked.right)
    for other in np.geomspace(1e-3, 1e3, 400):
        assert least <= log_loss(softmax(ranked.scores, other)[:, 0], ranked.right) + 1e-6


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_scores_in_another_unit_give_the_same_probabilities(factor):
    ranked = drawn(200, 1)
    other = Ranked(ranked.scores * factor, ranked.right, ranked.nil)
    for fitted in METHODS.values():
        np.testing.assert_allclose(
            fitted(other).probability(other.scores), fitted(ranked).probability(ranked.scores), atol=1e-3
        )


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("seed", range(3))
def test_isotonic_regression_is_that_of_a_plain_loop(name, seed):
    ranked = drawn(80, seed)
    ranked = Ranked(np.round(ranked.scores), ranked.right, ranked.nil)  # with ties
    fitted = fit_isotonic(ranked, name)
    x = feature(ranked.scores, name, fitted.temperature)
    expected, least = pooled(x, ranked.right.astype(float)), 1 / (len(ranked) + 2)
    np.testing.assert_allclose(
        fitted.probability(ranked.scores), [np.clip(expected[value], least, 1 - least) for value in x], atol=1e-9
    )


@pytest.mark.parametrize("name", FEATURES)
def test_a_better_answer_is_never_less_probable(name):
    fitted = fit_isotonic(drawn(100, 5), name)
    new = drawn(500, 6)
    x, probability = feature(new.scores, name, fitted.temperature), fitted.probability(new.scores)
    order = np.argsort(x, kind="stable")
    assert (np.diff(probability[order]) >= 0).all()


@given(MAPS, ROWS, st.floats(0, 20))
def test_raising_the_best_score_never_lowers_its_probability(fitted, scores, more):
    raised = scores.copy()
    raised[0, 0] += more
    assert fitted.probability(raised)[0] >= fitted.probability(scores)[0] - 1e-12


@given(MAPS, ROWS)
def test_the_best_entity_has_the_calibrated_probability_and_the_others_what_is_left(fitted, scores):
    spread, shares = fitted.spread(scores)[0], softmax(scores, fitted.temperature)[0]
    assert spread[0] == fitted.probability(scores)[0]
    assert (np.diff(spread) <= 1e-12).all()
    assert (spread >= 0).all()
    assert spread.sum() <= 1 + 1e-9
    np.testing.assert_allclose(spread[1:] * shares[1], shares[1:] * spread[1], atol=1e-12)


def test_temperature_scaling_spreads_by_its_softmax_alone():
    ranked = drawn(20)
    np.testing.assert_allclose(ConfidenceMap(temperature=1.3).spread(ranked.scores), softmax(ranked.scores, 1.3))


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_a_sample_of_one_kind_alone_is_not_taken_for_certainty_beyond_its_size(name, right):
    ranked = drawn(30)
    ranked = Ranked(ranked.scores, np.full(30, right), np.full(30, False))
    probability = METHODS[name](ranked).probability(ranked.scores)
    assert ((probability >= 0) & (probability <= 1)).all()
    if name != "temperature":
        assert probability == pytest.approx([31 / 32 if right else 1 / 32] * 30)


@pytest.mark.parametrize("name", METHODS)
def test_a_saved_map_is_the_same_map(name):
    ranked = drawn(80)
    fitted = METHODS[name](ranked)
    again = validated(ConfidenceMap, json.loads(fitted.model_dump_json()))
    assert again.method == name
    assert (again.probability(ranked.scores) == fitted.probability(ranked.scores)).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": 0}, "temperature"),
        ({"temperature": 1, "feature": "size"}, "feature"),
        ({"temperature": 1, "feature": "margin", "knots": [[0, 0.5], [1, 0.4]]}, "may fall"),
        ({"temperature": 1, "feature": "margin", "knots": [[1, 0.1], [0, 0.4]]}, "may fall"),
        ({"temperature": 1, "feature": "margin", "knots": [[0, -0.1]]}, "between 0 and 1"),
        ({"temperature": 1, "feature": "margin"}, "knots"),
    ],
)
def test_what_is_no_map_is_refused(values, said):
    with pytest.raises(ConfigurationError, match=said):
        validated(ConfidenceMap, values)
