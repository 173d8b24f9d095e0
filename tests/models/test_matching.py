"""Eq. 19–24: working on parts of a tile, and on pooled sums, changes no number."""

from __future__ import annotations

import pytest
import torch

from otmel.models import matching as module
from otmel.models.base import LateState
from otmel.models.matching import Matching
from otmel.ot import Attention, Distilled, LearnedPool, MeanPool, Shape, SoftPool, Transport

ASSIGNMENTS = {"attention": Attention(), "transport": Transport(), "distilled": Distilled()}


def states(match: Matching, mentions=5, entities=4) -> tuple[LateState, LateState]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    mention_mask = torch.arange(6) < torch.tensor([[6], [4], [1], [0], [5]])[:mentions]
    entity_mask = torch.arange(3) < torch.tensor([[3], [1], [0], [2]])[:entities]
    return (
        match.mention(normal(mentions, 6, 8), mention_mask),
        match.entity(normal(entities, 3, 8), entity_mask, normal(entities, 8)),
    )


def matching(make_settings, assignment, **changes) -> Matching:
    torch.manual_seed(0)
    settings = make_settings("PAPER", matching=assignment.model_dump(), **changes)
    return Matching(settings).double()


def gradients(match: Matching) -> dict[str, torch.Tensor]:
    """Gradients of a loss that weighs each pair differently."""
    match.zero_grad()
    scores, auxiliary = match(*states(match))
    loss = (scores * torch.arange(20).view(5, 4)).sum() + (0 if auxiliary is None else auxiliary.value())
    loss.backward()
    return {name: weight.grad.clone() for name, weight in match.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("mentions_at_once", [1, 2, 3])
def test_a_tile_in_parts_is_the_tile_in_value_and_gradient(make_settings, monkeypatch, name, mentions_at_once):
    match = matching(make_settings, ASSIGNMENTS[name])
    whole, auxiliary = match(*states(match))
    expected = gradients(match)
    monkeypatch.setattr(module, "PAIR_ELEMENTS", mentions_at_once * 4 * 3 * 6)
    parts, auxiliary_of_parts = match(*states(match))
    torch.testing.assert_close(parts, whole, atol=1e-13, rtol=0)
    if name == "distilled":
        torch.testing.assert_close(auxiliary_of_parts.value(), auxiliary.value(), atol=1e-13, rtol=0)
    else:
        assert auxiliary is None
        assert auxiliary_of_parts is None
    got = gradients(match)
    assert got.keys() == expected.keys()
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], atol=1e-11, rtol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(match(*states(match))[0], whole, atol=1e-13, rtol=0)


@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("pool", [MeanPool(), LearnedPool(norm=False)], ids=str)
@pytest.mark.parametrize("residual", [False, True])
def test_pooled_sums_are_the_sums_of_transported_tokens(make_settings, name, pool, residual):
    """Where the pool is a weighted sum, transported tokens are not made: value and gradient are the same."""
    shape = Shape(residual=residual, bias=True).model_dump()
    match = matching(make_settings, ASSIGNMENTS[name], pool=pool.model_dump(), shape=shape)
    assert match.direct
    scores, expected = match(*states(match))[0], gradients(match)
    match.direct = False
    torch.testing.assert_close(match(*states(match))[0], scores, atol=1e-12, rtol=0)
    again = gradients(match)
    for key in expected:
        torch.testing.assert_close(again[key], expected[key], atol=1e-11, rtol=1e-9)


def test_pairs_with_an_empty_side_score_nothing(make_settings):
    match = matching(make_settings, Transport(), pool=SoftPool().model_dump())
    scores = match(*states(match))[0]
    assert (scores[3] == 0).all()  # a mention without tokens
    assert (scores[:, 2] == 0).all()  # an entity without tokens
    assert (scores[[0, 1, 2, 4]][:, [0, 1, 3]] != 0).all()


def test_the_plan_of_a_pair_is_the_assignment_s(make_settings):
    match = matching(make_settings, Transport())
    mention, entity = states(match)
    plan = match.plan(mention, entity)
    assert plan.matrix.shape == (5, 4, 3, 6)
    one = match.plan(mention[1:2], entity[3:4])
    torch.testing.assert_close(plan.matrix[1, 3], one.matrix[0, 0], atol=1e-13, rtol=0)
    assert (plan.matrix[1, 3, 2:] == 0).all()
    assert (plan.matrix[1, 3, :, 4:] == 0).all()
