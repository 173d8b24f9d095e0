"""Thresholds against trying all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.evaluation.calibration.threshold import FEWEST_LINKS, best_precision, for_nil, for_precision

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.8, 1.0]), st.booleans()), min_size=1, max_size=60)
TARGETS = st.sampled_from([0.3, 0.5, 0.75, 0.95, 1.0])


def arrays(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in pairs]), np.array([y for _, y in pairs], dtype=bool)


@given(PAIRS, TARGETS)
def test_it_is_the_smallest_that_reaches_the_target(pairs, target):
    probability, right = arrays(pairs)
    found = for_precision(probability, right, target)
    above = {t: right[probability >= t] for t in np.unique(probability)}
    precision = {t: links.mean() for t, links in above.items() if len(links) >= FEWEST_LINKS}
    reaching = [t for t, value in precision.items() if value >= target]
    assert best_precision(probability, right) == pytest.approx(max(precision.values(), default=0))
    if not reaching:
        assert found is None
        assert best_precision(probability, right) < target
    elif precision.get(probability.min(), 0) >= target:
        assert found == 0
    else:
        assert found == min(reaching)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_mentions_changes_nothing(pairs, random):
    other = list(pairs)
    random.shuffle(other)
    assert for_precision(*arrays(other), 0.7) == for_precision(*arrays(pairs), 0.7)
    assert for_nil(*arrays(other)) == for_nil(*arrays(pairs))


@given(PAIRS)
def test_no_threshold_finds_nil_better(pairs):
    probability, nil = arrays(pairs)
    probability = probability * 0.99  # so that a threshold of 1 flags all

    def f1(threshold: float) -> float:
        flagged = probability < threshold
        return 2 * (nil & flagged).sum() / max(nil.sum() + flagged.sum(), 1)

    found = for_nil(probability, nil)
    scores = {t: f1(t) for t in (*np.unique(probability), 1.0)}
    assert f1(found) == pytest.approx(max(scores.values()))
    assert found == min(t for t, value in scores.items() if value == max(scores.values()))


def test_a_perfect_order_is_cut_where_it_turns():
    probability, right = np.linspace(0, 1, 21), np.arange(21) >= 8
    assert for_precision(probability, right, 1.0) == probability[8]
    assert for_nil(probability, ~right) == probability[8]
    assert for_precision(probability, np.full(21, False), 0.1) is None
    assert best_precision(probability, np.full(21, False)) == 0


def test_a_handful_of_right_links_is_no_rate():
    probability, right = np.linspace(0, 1, 40), np.arange(40) >= 31
    assert right.sum() == FEWEST_LINKS - 1
    assert for_precision(probability, right, 1.0) is None
    assert best_precision(probability, right) == 0.9
