"""Ranks: equal to brute force, free of the order of tiles and entities, honest about ties, loud about NaN."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otmel.errors import OtmelError
from otmel.evaluation.measures import TIE_POLICIES
from otmel.evaluation.ranks import RankFolder, Ranks, ranks_of


@st.composite
def matrices(draw, max_mentions=5, max_entities=12):
    """Scores with many ties, and a true entity (or none) per mention."""
    shape = draw(st.integers(1, max_mentions)), draw(st.integers(1, max_entities))
    scores = draw(hnp.arrays(np.float32, shape, elements=st.integers(-3, 3).map(float)))
    gold = draw(hnp.arrays(np.int64, shape[0], elements=st.integers(-1, shape[1] - 1)))
    return scores, gold


def brute_force(scores, gold, last):
    """The true entity's place in a full sort, with it put first or last among its equals."""
    places = []
    for row, true in zip(scores, gold, strict=True):
        own = np.arange(len(row)) == true
        order = np.lexsort((own if last else ~own, -row))
        places.append(1 + int(np.flatnonzero(order == true)[0]) if true >= 0 else 0)
    return places


@settings(max_examples=60, deadline=None)
@given(case=matrices())
def test_equals_a_full_sort(case):
    scores, gold = case
    ranks = ranks_of(scores, gold)
    assert ranks.optimistic.tolist() == brute_force(scores, gold, last=False)
    assert ranks.pessimistic.tolist() == brute_force(scores, gold, last=True)
    assert ranks.optimistic.dtype == ranks.pessimistic.dtype == np.int64
    assert np.array_equal(ranks.ranked, gold >= 0)


@settings(max_examples=60, deadline=None)
@given(case=matrices(), cuts=st.sets(st.integers(1, 11)), seed=st.integers(0, 99), as_torch=st.booleans())
def test_tiles_in_any_order_give_the_same_ranks(case, cuts, seed, as_torch):
    scores, gold = case
    edges = sorted({0, scores.shape[1], *(cut for cut in cuts if cut < scores.shape[1])})
    tiles = list(pairwise(edges))
    np.random.default_rng(seed).shuffle(tiles)
    folder = RankFolder(gold, scores.shape[1])
    for take in (folder.take_gold, folder.fold):
        for start, stop in tiles:
            tile = scores[:, start:stop]
            take(torch.from_numpy(tile.copy()) if as_torch else tile, start)
    expected = ranks_of(scores, gold)
    assert np.array_equal(folder.ranks().optimistic, expected.optimistic)
    assert np.array_equal(folder.ranks().pessimistic, expected.pessimistic)


@settings(max_examples=40, deadline=None)
@given(case=matrices(), seed=st.integers(0, 99))
def test_the_order_of_the_entities_does_not_matter(case, seed):
    scores, gold = case
    order = np.random.default_rng(seed).permutation(scores.shape[1])
    moved = np.where(gold >= 0, np.argsort(order)[gold], -1)
    assert np.array_equal(ranks_of(scores[:, order], moved).realistic, ranks_of(scores, gold).realistic)


@settings(max_examples=40, deadline=None)
@given(case=matrices(), scale=st.sampled_from([0.5, 2.0, 8.0]))
def test_rising_transforms_keep_the_ranks(case, scale):
    scores, gold = case
    for changed in (scale * scores + 1, np.exp(scores.astype(np.float64)), scores**3):
        assert np.array_equal(ranks_of(changed, gold).realistic, ranks_of(scores, gold).realistic)


@pytest.mark.parametrize("entities", [1, 2, 7, 100])
def test_all_scores_equal_rank_in_the_middle(entities):
    ranks = ranks_of(np.zeros((3, entities), dtype=np.float32), [0, entities // 2, entities - 1])
    assert ranks.optimistic.tolist() == [1, 1, 1]
    assert ranks.realistic.tolist() == [(entities + 1) / 2] * 3
    assert ranks.pessimistic.tolist() == [entities] * 3


def test_policies_are_ordered_and_named():
    ranks = Ranks(np.array([1, 2]), np.array([4, 2]))
    assert [ranks.of(policy).tolist() for policy in TIE_POLICIES] == [[1, 2], [2.5, 2], [4, 2]]
    joined = Ranks.concatenate([ranks, ranks[:1], ranks[np.array([False, True])]])
    assert joined.realistic.tolist() == [2.5, 2, 2.5, 2]
    assert len(joined) == 4


def test_equal_entities_tie_within_the_tolerance_only():
    scores = np.array([[1.0, 1.0 + 1e-7, 0.5]])
    assert ranks_of(scores, [0]).realistic.tolist() == [2]
    assert ranks_of(scores, [0], tolerance=1e-6).realistic.tolist() == [1.5]


def test_the_true_entity_is_never_counted_against_itself():
    folder = RankFolder([1], 3, gold_scores=np.array([0.5 - 1e-7]))
    folder.fold(np.array([[0.1, 0.5, 0.2]]), 0)
    assert folder.ranks().pessimistic.tolist() == [1]
    assert folder.gold_scores == pytest.approx([0.5])


def test_only_allowed_entities_are_counted():
    folder = RankFolder([2], 4, gold_scores=np.array([1.0]))
    folder.fold(np.array([[3.0, 2.0, 1.0, 1.0]]), 0, allowed=np.array([[True, False, False, True]]))
    assert (folder.ranks().optimistic[0], folder.ranks().pessimistic[0]) == (2, 3)


def test_infinite_scores_are_ranked():
    scores = np.array([[-np.inf, -np.inf, 0.0], [np.inf, 1.0, np.inf]])
    ranks = ranks_of(scores, [0, 0], tolerance=1e-6)
    assert ranks.optimistic.tolist() == [2, 1]
    assert ranks.pessimistic.tolist() == [3, 2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tiles_of_any_precision(dtype):
    scores = torch.tensor([[0.1, 0.2, 0.3]], dtype=dtype, requires_grad=True)
    assert ranks_of(scores, [1]).realistic.tolist() == [2]


def test_nan_names_the_mention_and_the_entity():
    scores = np.zeros((2, 5))
    scores[1, 3] = np.nan
    folder = RankFolder([0, 0], 9, gold_scores=np.zeros(2), ids=["m-1", "m-2"])
    with pytest.raises(OtmelError, match=r"m-2.*entity row 7.*NaN"):
        folder.fold(scores, 4)
    with pytest.raises(OtmelError, match=r"mention 1.*NaN"):
        RankFolder([0, 0], 9, gold_scores=np.array([0, np.nan]))
    RankFolder([0, -1], 9, gold_scores=np.array([0, np.nan]))


def test_faults_of_the_caller_are_refused():
    with pytest.raises(OtmelError, match="row 5 is not among 5"):
        RankFolder([5], 5)
    with pytest.raises(OtmelError, match="take_gold"):
        RankFolder([1], 5).fold(np.zeros((1, 5)), 0)
    folder = RankFolder([1], 5, gold_scores=np.zeros(1))
    with pytest.raises(OtmelError, match=r"expected \[1, T\]"):
        folder.fold(np.zeros((2, 5)), 0)
    with pytest.raises(OtmelError, match="covers the entity rows 3 to 7"):
        folder.fold(np.zeros((1, 5)), 3)
    folder.fold(np.zeros((1, 2)), 2)
    with pytest.raises(OtmelError, match="3 of 5 entities"):
        folder.ranks()
    with pytest.raises(OtmelError, match=r"entity row 2: .*twice"):
        folder.fold(np.zeros((1, 3)), 0)


def test_a_true_score_of_another_model_is_refused():
    folder = RankFolder([1], 2, gold_scores=np.array([3.0]), ids=["m"])
    with pytest.raises(OtmelError, match=r"mention m: .*scores 0.5 in its tile and 3 as given"):
        folder.fold(np.array([[0.1, 0.5]]), 0)
