"""Losses kept as sums and counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otmel.ot.means import Means


@given(st.lists(st.lists(st.floats(-5, 5), max_size=6), min_size=1, max_size=5))
def test_pieces_add_up_to_the_mean_of_the_whole(pieces):
    made = [
        Means(torch.tensor([sum(piece)], dtype=torch.float64), torch.tensor([len(piece)])) for piece in pieces if piece
    ]
    whole = [value for piece in pieces for value in piece]
    found = Means.added([*made, None])
    if not whole:
        assert found is None
        return
    assert float(found.value()) == pytest.approx(sum(whole) / len(whole), abs=1e-12)


def test_side_by_side_they_are_summed_and_a_mean_of_nothing_is_zero():
    one, two = Means.one(torch.tensor(2.0)), Means(torch.tensor([6.0, 0.0]), torch.tensor([4, 0]))
    assert float(Means.joined([None, one, two]).value()) == 3.5
    assert float(two.value(lambda counts: counts.clamp_min(1) / 2)) == 3.0
    assert Means.joined([None]) is None
    assert Means.joined([]) is None
