"""Bounds on late interactions are never violated, and say something where tokens are alike."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.kernels import Formula, Senders, explained, pack, select
from otmel.kernels.bounds import MatchedBounds, bounds, refusal
from otmel.kernels.definition import late_scores
from otmel.kernels.formula import Matched
from otmel.ot import Attention, Marginals, Sinkhorn, Transport
from otmel.ot.cost import uniform, unit

D = 8


def formula(relax, epsilon=0.1, threshold=None, over=0.0, iterations=3) -> Formula:
    solver = Sinkhorn(epsilon=epsilon, relax=relax, iterations=iterations)
    return Formula(Transport(solver=solver, threshold=threshold, row_norm="none"), Matched(over))


class World:
    """Ragged entities around centres of their own, ``noise`` apart, with centroids or anything for targets."""

    def __init__(self, formula, noise=0.3, seed=0, precision="float32", centroids=True):
        draw = torch.Generator().manual_seed(seed)

        def tokens(count, longest):
            around = torch.randn(count, 1, D, generator=draw)
            return around + noise * torch.randn(count, longest, D, generator=draw)

        self.formula, entities, keys = formula, tokens(20, 5), tokens(6, 7)
        lengths, sent = torch.randint(0, 6, (20,), generator=draw), torch.tensor([7, 0, 1, 3, 5, 2])
        lengths[:3] = torch.tensor([5, 1, 0])
        mask = torch.arange(5) < lengths.unsqueeze(1)
        target = (unit(entities) * uniform(mask).unsqueeze(-1)).sum(1) if centroids else torch.randn(20, D)
        self.senders = Senders.of(keys, keys, torch.arange(7) < sent.unsqueeze(1))
        self.blocks = pack(formula.queries(entities), mask, target, precision).blocks
        self.tokens, self.mask, self.target = self.blocks.unpacked(torch.arange(self.blocks.lengths.numel()))

    def truth(self):
        sent = torch.arange(7) < self.senders.lengths.unsqueeze(1)
        mentions = self.senders.keys.double(), self.senders.values.double(), sent
        return late_scores(self.formula, mentions, (self.tokens.double(), self.mask, self.target.double()))

    def interval(self, tolerance=0.0):
        late = bounds(self.formula)
        assert isinstance(late, MatchedBounds)
        described = late.describe(self.tokens, self.mask, self.target)
        part = late.part(self.target, self.mask.sum(1), described)
        return late.interval(late.prepare(self.senders), part, tolerance)


@given(
    relax=st.sampled_from([(1.0, 1.0), (1.0, 0.3), (1.0, 0.0), (0.0, 1.0)]),
    epsilon=st.floats(0.005, 3),
    threshold=st.none() | st.floats(-1, 1),
    over=st.none() | st.floats(-1, 1),
    noise=st.sampled_from([0.0, 0.03, 0.3, 3.0]),
    precision=st.sampled_from(["float32", "float16", "int8"]),
    centroids=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=150, deadline=None)
def test_no_score_leaves_its_bounds(relax, epsilon, threshold, over, noise, precision, centroids, seed):
    threshold = threshold if sorted(relax) == [0, 1] else None
    over = (threshold or 0.0) if over is None else over
    world = World(formula(relax, epsilon, threshold, over), noise, seed, precision, centroids)
    low, high = world.interval()
    truth = world.truth()
    assert (low.double() <= truth).all()
    assert (truth <= high.double()).all()


@pytest.mark.parametrize("noise", [0.03, 3.0])
def test_attention_stays_within_its_bounds_too(noise):
    world = World(Formula(Attention(), Matched(0.2)), noise)
    low, high = world.interval()
    assert ((low <= world.truth()) & (world.truth() <= high)).all()


@pytest.mark.parametrize("kernel", ["lanes", "numba"])
@pytest.mark.parametrize("relax", [(1, 1), (1, 0), (0, 1)])
def test_scores_of_a_kernel_stay_within_bounds_widened_by_its_tolerance(kernel, relax):
    if dict(explained(formula(relax)))[kernel] is not None:
        pytest.skip("not on this machine")
    world = World(formula(relax, threshold=0.3 if 0 in relax else None, over=0.3))
    chosen, scoring = select(world.formula, kernel)
    low, high = world.interval(chosen.tolerance)
    scores = scoring.tile(world.senders, world.blocks)
    assert ((low <= scores) & (scores <= high)).all()


@pytest.mark.parametrize("relax", [(1, 1), (1, 0), (0, 1)])
def test_they_close_where_tokens_are_alike_and_are_narrower_than_all_that_is_possible(relax):
    low, high = World(formula(relax), noise=0.0).interval()
    assert (high - low).max() < 1e-4
    low, high = World(formula(relax), noise=0.1).interval()
    assert (high - low).max() < 1.0  # a cosine has room for 2


def test_a_null_key_bounds_from_below_whatever_the_tokens():
    low, _ = World(formula((0, 1), 0.05, 0.4, 0.4), noise=3.0).interval()
    assert low.min() >= -2 * 0.05 / math.e - 1e-4


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (formula((0.1, 0.9)), "relaxed rows"),
        (
            Formula(
                Transport(row_norm="none", marginals="learned"),
                Matched(),
                marginals=Marginals(torch.ones(D), torch.ones(D)),
            ),
            "learned marginals",
        ),
        (Formula(Transport(solver=Sinkhorn(epsilon=1e-3, domain="exp"), row_norm="none"), Matched()), "underflow"),
    ],
)
def test_what_is_not_proven_is_refused_by_name(made, reason):
    assert bounds(made) is None
    assert reason in str(refusal(made))


def test_either_side_without_tokens_scores_exactly_zero_and_nobody_is_nobody():
    world = World(formula((1, 0)))
    empty = ~world.mask.any(1)
    for bound in world.interval():
        assert not bound[1].any()
        assert not bound[:, empty].any()
    late = bounds(world.formula)
    none = late.describe(torch.zeros(0, 0, D), torch.zeros(0, 0, dtype=torch.bool), torch.zeros(0, D))
    assert none.shape == (0, 3)
    assert "mention" in late.title
    assert "entity" in bounds(formula((0, 1))).title
