"""Eq. 7."""

from __future__ import annotations

import math

import pytest
import torch

from otmel.ot import Sides
from otmel.ot.attention import attention_scores, pair_masks, softmax_plan


def test_it_is_scaled_dot_product_attention(make_sides):
    sides = make_sides()
    values = torch.randn(3, 5, 8, dtype=torch.float64)
    expected = torch.nn.functional.scaled_dot_product_attention(sides.rows, sides.columns, values)
    torch.testing.assert_close(softmax_plan(attention_scores(sides), sides) @ values, expected)


def test_padding_gets_nothing_and_changes_nothing(make_sides):
    sides = make_sides(batch=4, ragged=True)
    weights = softmax_plan(attention_scores(sides), sides)
    torch.testing.assert_close(weights.sum(-1), sides.row_mask.double())
    for item in range(4):
        rows, columns = sides.rows[item][sides.row_mask[item]], sides.columns[item][sides.column_mask[item]]
        bare = (rows @ columns.T / math.sqrt(8)).softmax(-1)
        torch.testing.assert_close(weights[item, : len(rows), : len(columns)], bare, atol=1e-14, rtol=0)
        assert (weights[item, :, len(columns) :] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_empty_side_gives_zeros_with_finite_gradients(make_sides, dtype):
    sides = make_sides(dtype=dtype)
    rows, columns = sides.rows.requires_grad_(), sides.columns.requires_grad_()
    row_mask, column_mask = sides.row_mask.clone(), sides.column_mask.clone()
    row_mask[0], column_mask[1], column_mask[2, 1:] = False, False, False
    sides = Sides(rows, columns, row_mask, column_mask)
    weights = softmax_plan(attention_scores(sides), sides)
    assert (weights[:2] == 0).all()
    assert (weights[2, :, 0] == 1).all()
    (weights * torch.rand_like(weights)).sum().backward()
    assert rows.grad.isfinite().all()
    assert columns.grad.isfinite().all()


def test_gradients(make_sides):
    sides = make_sides(batch=2, n=2, m=3, d=3, ragged=True)

    def plan(rows, columns):
        padded = Sides(rows, columns, sides.row_mask, sides.column_mask)
        return softmax_plan(attention_scores(padded), padded)

    assert torch.autograd.gradcheck(plan, (sides.rows.requires_grad_(), sides.columns.requires_grad_()))


def test_masks_of_every_pair(make_sides):
    sides = make_sides(layout="crossed", ragged=True)
    rows, columns = pair_masks(sides)
    content = rows & columns
    assert content.shape == (3, 3, 4, 5)
    assert (content[1, 2] == sides.row_mask[2].unsqueeze(-1) & sides.column_mask[1]).all()
