"""The plan of a pair for the kernel ``triton``: Eq. 7, and Eq. 20–21 by Sinkhorn, in registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

from otmel.kernels.triton_operands import Numbers, Pair
from otmel.kernels.triton_tiles import UNIT, filled, inverse, inverse_power, lengths, tile, zeros

if TYPE_CHECKING:
    from otmel.kernels.triton_operands import Form as constexpr  # noqa: N813
else:
    constexpr = tl.constexpr


@triton.jit
def plan(pair: Pair, form: constexpr) -> tuple[tl.tensor, tl.tensor]:
    """The plan's rows as shares that sum to one, and what each row is multiplied with."""
    numbers = pair.given.numbers
    rows = tl.load(pair.given.queries.counts + pair.slot)
    columns = tl.load(pair.given.keys.counts + pair.mention)
    inside = (tl.arange(0, form.rows) < rows)[:, None] & (tl.arange(0, form.columns) < columns)[None, :]
    cosines = _cosines(pair, form)
    if form.attention:
        sent = lengths(pair.given.keys, pair.mention, form, form.columns)
        received = lengths(pair.given.queries, pair.slot, form, form.rows)
        scores = cosines * sent[None, :] * (received * numbers.sharpness)[:, None]
        scores = tl.where(inside, scores, -1e30)
        weights = tl.where(inside, tl.exp2(scores - tl.max(scores, 1)[:, None]), 0.0)
    else:
        near = tl.exp2((tl.minimum(tl.maximum(cosines, -1.0), 1.0) - 1.0) * numbers.sharpness)
        near = tl.where(inside, near, 0.0)
        weights = near * _scaling(near, rows, columns, numbers, form)[None, :]
    sums = tl.sum(weights, 1)
    shares = weights * inverse(sums)[:, None]
    factor = filled(1.0, form.rows)
    if form.row_norm == "l2":
        factor = tl.rsqrt(tl.maximum(tl.sum(shares * shares, 1), 1e-30))
    if form.row_norm == "none":
        # The row is a u (K b v) with u = (K b v)^−λr, which is a where rows are balanced.
        factor = factor / rows
        if form.relaxed:
            factor = tl.where(sums > 0, factor * sums * inverse_power(sums, numbers.row_power, True), factor)
    return shares, factor


@triton.jit
def _cosines(pair: Pair, form: constexpr) -> tl.tensor:
    products = zeros(form.rows, form.columns)
    for chunk in range(0, form.width, form.depth):
        products = _met(products, pair, chunk, form)
    return products * (1.0 / (UNIT * UNIT))


@triton.jit
def _met(products: tl.tensor, pair: Pair, chunk: int, form: constexpr) -> tl.tensor:
    queries = tile(pair.given.queries.high, pair.given.queries, pair.slot, chunk, form, form.rows)
    keys = tl.trans(tile(pair.given.keys.high, pair.given.keys, pair.mention, chunk, form, form.columns))
    if form.split:
        low = tl.trans(tile(pair.given.keys.low, pair.given.keys, pair.mention, chunk, form, form.columns))
        products = tl.dot(queries, low, products)
        products = tl.dot(
            tile(pair.given.queries.low, pair.given.queries, pair.slot, chunk, form, form.rows), keys, products
        )
    return tl.dot(queries, keys, products)


@triton.jit
def _scaling(near: tl.tensor, rows: tl.tensor, columns: tl.tensor, numbers: Numbers, form: constexpr) -> tl.tensor:
    # b v of Alg. 1 as ``otmel.ot.transport.solve`` leaves it: the rows follow from it and are exact. With a tolerance
    # the step that moves no column by more is not taken.
    a, b = 1.0 / rows, 1.0 / columns
    v = b * inverse_power(tl.sum(near, 0) * a, numbers.column_power, form.relaxed)
    if form.tolerant:
        moving, step = True, 1
        while moving & (step < numbers.iterations):
            later = _step(near, v, a, b, numbers, form)
            drift = tl.where(tl.arange(0, form.columns) < columns, tl.abs(v * inverse(later) - 1.0), 0.0)
            moving = tl.max(drift, 0) > numbers.tolerance
            v = tl.where(moving, later, v)
            step += 1
    else:
        for _ in range(1, numbers.iterations):
            v = _step(near, v, a, b, numbers, form)
    return v


@triton.jit
def _step(near: tl.tensor, v: tl.tensor, a: tl.tensor, b: tl.tensor, numbers: Numbers, form: constexpr) -> tl.tensor:
    u = a * inverse_power(tl.sum(near * v[None, :], 1), numbers.row_power, form.relaxed)
    return b * inverse_power(tl.sum(near * u[:, None], 0), numbers.column_power, form.relaxed)
