"""The k best entities: a stable sort's answer, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otmel.evaluation.topk import TopK

SCORES = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 15)), elements=st.integers(-2, 2).map(float)
)


@settings(max_examples=80, deadline=None)
@given(scores=SCORES, k=st.integers(1, 20), cut=st.integers(1, 14), reverse=st.booleans())
def test_equals_a_stable_sort_in_any_order_of_tiles(scores, k, cut, reverse):
    tiles = [(0, scores[:, :cut]), (cut, scores[:, cut:])]
    keeper = TopK(k)
    for start, tile in reversed(tiles) if reverse else tiles:
        if tile.shape[1]:
            keeper.fold(tile, start)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(keeper.rows, expected)
    assert np.array_equal(keeper.scores, np.take_along_axis(scores, expected, 1))


def test_entities_that_are_no_candidates_are_never_kept():
    keeper = TopK(3)
    keeper.fold(np.array([[1.0, 2.0, 3.0, 0.0]]), 0, allowed=np.array([[True, False, False, True]]))
    assert keeper.rows.tolist() == [[0, 3, -1]]
    assert keeper.scores.tolist() == [[1, 0, -np.inf]]


def test_refuses_to_keep_nothing():
    with pytest.raises(ValueError, match="k = 0"):
        TopK(0)
    with pytest.raises(ValueError, match="no tile"):
        _ = TopK(1).rows
    with pytest.raises(ValueError, match="no tile"):
        _ = TopK(1).scores
