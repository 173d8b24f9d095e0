"""The formula of a late term as a value."""

from __future__ import annotations

import pytest
import torch

from otmel.kernels import Affine, Formula
from otmel.kernels.formula import Matched
from otmel.ot import Attention, LearnedPool, Marginals, MeanPool, Sinkhorn, SoftPool, Transport

NORM = Affine(torch.ones(3), torch.zeros(3), 1e-5)
AHEAD = torch.ones(3)


def test_only_the_learned_pool_has_a_direction_and_a_norm():
    for bad in ((SoftPool(), AHEAD, None), (LearnedPool(), None, None), (MeanPool(), None, NORM)):
        with pytest.raises(ValueError, match="learned pool"):
            Formula(Transport(), bad[0], False, None, bad[1], bad[2])


def test_direct_are_weighted_pools_without_norms():
    assert Formula(Transport(), MeanPool()).direct
    assert Formula(Transport(), LearnedPool(norm=False), True, None, AHEAD).direct
    assert not Formula(Transport(), SoftPool()).direct
    assert not Formula(Transport(), MeanPool(), False, NORM).direct
    assert not Formula(Transport(), LearnedPool(), False, None, AHEAD, NORM).direct


def test_lengths_of_tokens_are_kept_only_where_they_matter():
    tokens = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]])
    for formula in (Formula(Attention(), SoftPool()), Formula(Transport(), SoftPool(), True)):
        assert torch.equal(formula.queries(tokens), tokens)
    unit = Formula(Transport(), SoftPool()).queries(tokens)
    assert torch.allclose(unit.norm(dim=-1), torch.tensor([[1.0, 0.0]]))


def test_learned_marginals_have_directions_and_no_others_have():
    learned, directions = Transport(marginals="learned"), Marginals(AHEAD, AHEAD)
    assert Formula(learned, SoftPool(), marginals=directions).keeps_lengths
    for assignment, given in ((learned, None), (Transport(), directions), (Attention(), directions)):
        with pytest.raises(ValueError, match="learned marginals"):
            Formula(assignment, SoftPool(), marginals=given)


def test_a_late_interaction_reads_the_plan_as_it_is():
    plain = Transport(row_norm="none")
    assert not Formula(plain, Matched(0.1)).direct
    for bad in (
        lambda: Formula(Transport(row_norm="sum"), Matched()),
        lambda: Formula(plain, Matched(), residual=True),
        lambda: Formula(Attention(), Matched(), norm=NORM),
    ):
        with pytest.raises(ValueError, match="late interaction"):
            bad()


def test_a_title_names_the_point_of_the_family():
    solver = Sinkhorn(epsilon=0.1, relax=(0, 1))
    transport = Transport(solver=solver, threshold=0.4, marginals="learned", row_norm="none")
    title = Formula(transport, Matched(0.4), marginals=Marginals(AHEAD, AHEAD)).title
    assert title == (
        "transport ε=0.1, 20 it., rows none, relaxed (0, 1), null key 0.4, learned marginals, matched over 0.4"
    )


def test_a_title_names_every_choice():
    solver = Sinkhorn(epsilon=0.1, iterations=7, tolerance=1e-3)
    formula = Formula(Transport(solver=solver, row_norm="l2"), LearnedPool(), True, NORM, AHEAD, NORM)
    assert formula.title == (
        "transport ε=0.1, 7 it. to 0.001, rows l2, learned pool, residual, LayerNorm, pool LayerNorm"
    )
