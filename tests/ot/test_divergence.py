"""Eq. 28 and its ablations."""

from __future__ import annotations

import math

import pytest
import torch

from otmel.ot import MeanSquared, Problem, RowKL, Sinkhorn, SymmetricKL, cosine_cost, solve
from otmel.ot.means import Means

ALL = (SymmetricKL(), SymmetricKL(target="literal"), RowKL(), RowKL(target="literal"), MeanSquared())


def case(n=4, m=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    plan = torch.rand(3, n, m, generator=generator, dtype=torch.float64)
    plan = plan / plan.sum((-1, -2), keepdim=True)
    scores = torch.randn(3, n, m, generator=generator, dtype=torch.float64)
    return plan, scores, torch.ones(3, n, m, dtype=torch.bool)


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True) if a > 0)


def by_hand(plan, scores, target="normalised"):
    """Mean over the rows of KL(plan row ‖ softmax of the score row)."""
    total = 0.0
    for p, s in zip(plan, scores, strict=True):
        p = p.softmax(-1) if target == "literal" else p / p.sum()
        total += kl(p, s.softmax(-1))
    return total / len(plan)


@pytest.mark.parametrize("target", ["normalised", "literal"])
def test_eq_28_line_by_line(target):
    plan, scores, content = case()
    rows = sum(by_hand(p, s, target) for p, s in zip(plan, scores, strict=True)) / 3
    columns = sum(by_hand(p.T, s.T, target) for p, s in zip(plan, scores, strict=True)) / 3
    assert RowKL(target=target)(plan, scores, content).value().item() == pytest.approx(rows, abs=1e-12)
    both = SymmetricKL(target=target)(plan, scores, content).value().item()
    assert both == pytest.approx((rows + columns) / 2, abs=1e-12)


def test_squared_differences_by_hand():
    plan, scores, content = case()
    difference = scores.softmax(-1) - plan / plan.sum(-1, keepdim=True)
    expected = difference.square().sum(-1).mean()
    torch.testing.assert_close(MeanSquared()(plan, scores, content).value(), expected)


@pytest.mark.parametrize("divergence", ALL, ids=str)
def test_never_negative_and_zero_only_where_student_and_teacher_agree(divergence):
    for seed in range(20):
        assert divergence(*case(seed=seed)).value() > 1e-3
    # A doubly normalised plan, so that one score matrix can agree with its rows and its columns at once.
    plan = torch.rand(3, 4, 4, dtype=torch.float64)
    plan = solve(
        Problem(plan, torch.full((3, 4), 0.25).double(), torch.full((3, 4), 0.25).double()),
        Sinkhorn(epsilon=0.3, iterations=500),
    ).matrix
    scores = plan if getattr(divergence, "target", None) == "literal" else plan.log()
    content = torch.ones_like(plan, dtype=torch.bool)
    assert divergence(plan, scores, content).value().abs() < 1e-12


def test_the_literal_target_says_nothing(make_sides):
    """The softmax of a plan, whose entries are at most 1/L, is uniform to about 1e-6 nats; normalised it is not."""
    sides = make_sides(batch=16, n=49, m=40, d=96)
    problem = Problem(cosine_cost(sides), sides.row_weights, sides.column_weights)
    plan = solve(problem, Sinkhorn(epsilon=0.05, iterations=50)).matrix
    content = torch.ones_like(plan, dtype=torch.bool)
    uniform = torch.zeros_like(plan)
    literal = SymmetricKL(target="literal")(plan, uniform, content).value().item()
    normalised = SymmetricKL()(plan, uniform, content).value().item()
    assert 0 < literal < 2.5e-6
    assert normalised > 0.05
    assert normalised > 10_000 * literal


@pytest.mark.parametrize("divergence", ALL, ids=str)
def test_the_teacher_gets_no_gradient_and_the_student_a_right_one(divergence):
    plan, scores, content = case(2, 3)
    content[1, 1, :] = content[2, :, 2] = False
    plan, scores = plan.requires_grad_(), scores.requires_grad_()
    divergence(plan, scores, content).value().backward()
    assert plan.grad is None
    assert scores.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda given: divergence(plan.detach(), given, content).value(), (scores,))


@pytest.mark.parametrize("divergence", ALL, ids=str)
def test_padding_takes_no_part(divergence):
    plan, scores, content = case(3, 4)
    content[:, 2, :] = content[:, :, 3] = False
    plan = plan * content  # as a solver gives it
    bare = divergence(plan[:, :2, :3], scores[:, :2, :3], content[:, :2, :3]).value()
    noisy = scores.masked_fill(~content, 50.0)
    torch.testing.assert_close(divergence(plan, noisy, content).value(), bare, atol=1e-12, rtol=0)


@pytest.mark.parametrize("divergence", ALL, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_items_without_content_do_not_count_and_nothing_at_all_is_zero(divergence, dtype):
    plan, scores, content = (t if t.dtype == torch.bool else t.to(dtype) for t in case(3, 4))
    content[1], scores = False, scores.requires_grad_()
    with_empty = divergence(plan * content, scores, content).value()
    without = divergence(plan[[0, 2]], scores[[0, 2]], content[[0, 2]]).value()
    torch.testing.assert_close(with_empty, without)
    with_empty.backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[1] == 0).all()
    assert divergence(plan * 0, scores, torch.zeros_like(content)).value() == 0


@pytest.mark.parametrize("divergence", ALL, ids=str)
def test_of_pieces_of_different_size_it_is_that_of_the_whole(divergence):
    plan, scores, content = case(3, 4)
    content[0, 1:] = content[1, :, 2:] = False
    plan = plan * content
    pieces = [divergence(plan[rows], scores[rows], content[rows]) for rows in ([0], [1, 2])]
    whole = divergence(plan, scores, content)
    torch.testing.assert_close(Means.added(pieces).value(), whole.value(), atol=1e-14, rtol=0)
    mean_of_means = (pieces[0].value() + 2 * pieces[1].value()) / 3
    assert (mean_of_means - whole.value()).abs() > 1e-4
