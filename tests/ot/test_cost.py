"""Eq. 10 = Eq. 20 and what surrounds it."""

from __future__ import annotations

import pytest
import torch

from otmel.ot import Sides, cosine_cost
from otmel.ot.cost import uniform, unit


def test_the_cost_is_half_of_one_minus_the_cosine(make_sides):
    sides = make_sides()
    cosines = torch.nn.functional.cosine_similarity(sides.rows.unsqueeze(2), sides.columns.unsqueeze(1), dim=-1)
    torch.testing.assert_close(cosine_cost(sides), 0.5 * (1 - cosines), atol=1e-14, rtol=0)


def test_equal_tokens_cost_nothing_opposite_ones_one_and_zeros_a_half():
    rows = torch.tensor([[[3.0, 0.0], [0.0, 1e-3], [0.0, 0.0]]])
    columns = torch.tensor([[[0.5, 0.0], [-2.0, 0.0]]])
    sides = Sides(rows, columns, torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(cosine_cost(sides), torch.tensor([[[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_the_cost_stays_in_its_range_whatever_the_precision_and_the_length(make_sides, dtype, scale):
    sides = make_sides(d=64, dtype=dtype)
    sides = Sides(sides.rows * scale, sides.columns * scale, sides.row_mask, sides.column_mask)
    cost = cosine_cost(sides)
    assert cost.dtype == dtype
    assert ((cost >= 0) & (cost <= 1)).all()
    exact = cosine_cost(Sides(sides.rows.double(), sides.columns.double(), sides.row_mask, sides.column_mask))
    torch.testing.assert_close(
        cost.double(), exact, atol=1e-2 if dtype in (torch.float16, torch.bfloat16) else 1e-6, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_zero_row_stays_zero_and_its_gradient_finite(dtype):
    tokens = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    scaled = unit(tokens)
    assert (scaled == 0).all()
    scaled.sum().backward()
    assert tokens.grad.isfinite().all()


def test_unit_rows_have_length_one_and_a_right_gradient(make_sides):
    rows = make_sides().rows.requires_grad_()
    torch.testing.assert_close(unit(rows).norm(dim=-1), torch.ones(3, 4, dtype=torch.float64))
    assert torch.autograd.gradcheck(unit, (rows,))


def test_crossed_products_are_those_of_every_pair(make_sides):
    aligned = make_sides(batch=3)
    columns = torch.randn(2, 5, 8, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    crossed = Sides(aligned.rows, columns, aligned.row_mask, mask, "crossed")
    cost, plan = cosine_cost(crossed), torch.rand(2, 3, 4, 5, dtype=torch.float64)
    values = torch.randn(2, 5, 8, dtype=torch.float64)
    assert cost.shape == (2, 3, 4, 5)
    for m in range(2):
        for e in range(3):
            pair = Sides(aligned.rows[e], columns[m], aligned.row_mask[e], mask[m])
            torch.testing.assert_close(cost[m, e], cosine_cost(pair), atol=1e-14, rtol=0)
            torch.testing.assert_close(crossed.transported(plan, values)[m, e], plan[m, e] @ values[m])
    torch.testing.assert_close(crossed.row_weights.expand(2, 3, 4)[1], aligned.row_weights)
    assert crossed.column_weights.expand(2, 3, 5)[1, 2].tolist() == [0.5, 0.5, 0, 0, 0]


def test_uniform_weights_share_one_among_content():
    mask = torch.tensor([[True, True, False, True], [False] * 4, [False, False, False, True]])
    expected = torch.tensor([[1 / 3, 1 / 3, 0, 1 / 3], [0] * 4, [0, 0, 0, 1.0]])
    torch.testing.assert_close(uniform(mask), expected)
    assert uniform(mask, torch.float16).dtype == torch.float16
