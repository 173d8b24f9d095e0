"""Softmax assignment, Eq. 7."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

from otmel.ot.cost import Sides
from otmel.ot.numerics import far


def attention_scores(sides: Sides) -> Float[Tensor, "... n m"]:
    """``S = Q Kᵀ / √d`` of Eq. 7."""
    return sides.products(sides.rows, sides.columns) / math.sqrt(sides.rows.shape[-1])


def softmax_plan(scores: Float[Tensor, "... n m"], sides: Sides) -> Float[Tensor, "... n m"]:
    """``A = softmax(S)`` of Eq. 7 over the columns: rows sum to one, padding gets nothing."""
    rows, columns = pair_masks(sides)
    weights = scores.masked_fill(~columns, far(scores.dtype)).softmax(-1)
    return weights * (rows & columns)


def pair_masks(sides: Sides) -> tuple[Bool[Tensor, "... n 1"], Bool[Tensor, "... 1 m"]]:
    """Row and column masks in the shape in which they broadcast over a plan."""
    rows, columns = sides.row_mask.unsqueeze(-1), sides.column_mask.unsqueeze(-2)
    if sides.layout == "crossed":
        return rows.unsqueeze(0), columns.unsqueeze(1)
    return rows, columns
