"""Jitted: late interactions, ``Σ_ij P_ij (cos_ij − z)``, from ``K``: ``cos = 1 + 2ε log K``."""

from __future__ import annotations

from typing import Any

from otmel.kernels.vector_ops import add, fill, fma, gathered, load, load_rows, log2, mul, repeated
from otmel.kernels.vector_plan import power
from otmel.kernels.vector_records import Form, Room
from otmel.kernels.vector_types import Lanes, jitted


@jitted
def matched_rows(w: Lanes, form: Form, plan: int, length: int, room: Room, block: int, score: Any) -> Any:
    """``score`` and what one row of register blocks adds to it.

    Args:
        w: the lanes.
        form: the formula.
        plan: where this row's ``K`` is.
        length: the mention's tokens.
        room: where ``b v`` and the rows' shares are.
        block: which row of blocks it is.
        score: the sum so far.
    """
    mass, met = repeated(w, fill(w, 0)), repeated(w, fill(w, 0))
    turn, worth = fill(w, 1 / form.bias), fill(w, 1 - form.over)
    for j in range(length):
        kernel = load_rows(w, plan, j)
        moved = mul(kernel, load(w, room.scaling, j))
        mass = add(mass, moved)
        met = fma(moved, fma(log2(kernel), turn, worth), met)
    scaled = power(w, add(mass, fill(w, form.null)), form.row_power)
    return gathered(mul(scaled, load_rows(w, room.share, block)), met, score)


@jitted
def matched_score(w: Lanes, form: Form, stride: int, length: int, room: Room, blocks: int) -> Any:
    """The score, once ``K`` and ``b v`` are there."""
    score = fill(w, 0)
    for block in range(blocks):
        score = matched_rows(w, form, room.plan + stride * block, length, room, block, score)
    return score
