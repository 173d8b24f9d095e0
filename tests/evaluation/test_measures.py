"""Measures: closed forms, bounds, and ir-measures as the oracle."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.errors import ConfigurationError
from otmel.evaluation.measures import DEFAULT_MEASURES, MR, MRR, Hit, measured, parse_measure
from otmel.evaluation.ranks import ranks_of

RANKS = st.lists(st.integers(1, 50), min_size=1, max_size=30).map(lambda ranks: np.array(ranks, dtype=np.float64))


def test_closed_forms():
    ranks = np.array([1, 2, 4, 1.5])
    assert Hit(1)(ranks) == 0.25
    assert Hit(2)(ranks) == 0.75
    assert MRR(ranks) == pytest.approx((1 + 1 / 2 + 1 / 4 + 2 / 3) / 4)
    assert MR(ranks) == 8.5 / 4


def test_a_rank_of_exactly_k_is_a_hit():
    assert Hit(3).per_mention(np.array([2, 3, 3.5, 4])).tolist() == [1, 1, 0, 0]


@given(ranks=RANKS)
def test_bounds_and_order(ranks):
    hits = [Hit(k)(ranks) for k in (1, 3, 5, 10, 20)]
    assert hits == sorted(hits)
    assert Hit(1)(ranks) <= MRR(ranks) <= 1
    assert 1 / MR(ranks) <= MRR(ranks) + 1e-12  # the harmonic mean is at most the arithmetic one


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_agrees_with_ir_measures(seed):
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(12.0), (6, 1)), axis=1)
    gold = rng.integers(0, 12, 6)
    qrels = {str(m): {str(e): 1} for m, e in enumerate(gold)}
    run = {str(m): {str(e): float(score) for e, score in enumerate(row)} for m, row in enumerate(scores)}
    ranks = ranks_of(scores, gold).realistic
    oracle = ir_measures.calc_aggregate([ir_measures.Success @ 1, ir_measures.Success @ 5, ir_measures.RR], qrels, run)
    assert Hit(1)(ranks) == pytest.approx(oracle[ir_measures.Success @ 1])
    assert Hit(5)(ranks) == pytest.approx(oracle[ir_measures.Success @ 5])
    assert MRR(ranks) == pytest.approx(oracle[ir_measures.RR])


def test_no_mention_has_no_value():
    assert np.isnan(MRR(np.zeros(0)))
    assert measured(np.zeros(0), [MRR, Hit(1)]) == {"MRR": None, "H@1": None}


def test_names_are_read_back():
    assert [parse_measure(measure.name) for measure in DEFAULT_MEASURES] == list(DEFAULT_MEASURES)
    assert [str(measure) for measure in DEFAULT_MEASURES] == ["H@1", "H@3", "H@5", "H@10", "H@20", "MRR", "MR"]
    assert parse_measure(" hits@7 ") == Hit(7)
    assert (parse_measure("mrr"), parse_measure("mr")) == (MRR, MR)
    assert (MR.higher_is_better, MR.percent, MRR.higher_is_better) == (False, False, True)


@pytest.mark.parametrize("text", ["MAP", "H@0", "H@", "H@-1", ""])
def test_unknown_measures_are_refused(text):
    with pytest.raises(ConfigurationError):
        parse_measure(text)


def test_a_mistyped_measure_names_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'MRR'"):
        parse_measure("MRRR")
