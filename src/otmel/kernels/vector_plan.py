"""Jitted: the assignment of Eq. 7 or Eq. 21 for ``W`` entities and one mention.

``plan`` is the address of one row of register blocks, ``[n][R][W]``: the products, then ``K``, then ``K b v``.
"""

from __future__ import annotations

from typing import Any

from otmel.kernels.vector_memory import block_columns, block_rows, lanes
from otmel.kernels.vector_ops import (
    add,
    any_above,
    choose,
    div,
    exp2,
    fill,
    fma,
    gathered,
    larger,
    load,
    load_rows,
    log2,
    magnitude,
    mul,
    repeated,
    root,
    store,
    sub,
)
from otmel.kernels.vector_products import products
from otmel.kernels.vector_records import MARGINAL, NONE, SUM, Entities, Form, Mentions, Room
from otmel.kernels.vector_types import Lanes, jitted


@jitted
def power(w: Lanes, x: Any, exponent: float) -> Any:
    """``x^−exponent``. A sum is 0 only in a lane without tokens, and only has to stay finite."""
    x = larger(x, fill(w, 1e-30))
    if exponent == 1:
        return div(fill(w, 1), x)
    if exponent == 0:
        return fma(x, fill(w, 0), fill(w, 1))
    return exp2(mul(log2(x), fill(w, -exponent)))


@jitted
def meet(w: Lanes, entities: Entities, mentions: Mentions, mention: int, length: int, tokens: int, plan: int) -> None:
    """Products of all keys with one row of register blocks (GEMM 1)."""
    width, step = entities.width, 4 * lanes(w) * block_rows(w)
    keys = mentions.keys + 4 * mention * mentions.longest * width
    for first in range(0, length, block_columns(w)):
        products(w, tokens, keys + 4 * first * width, width, plan + step * first)


@jitted
def near(w: Lanes, form: Form, plan: int, length: int, room: Room, block: int) -> None:
    """``K = exp(−C/ε)`` in the place of the products, and what it adds to the first sums of the columns."""
    over, share, sums = load_rows(w, room.near, block), load_rows(w, room.share, block), room.sums
    bias = fill(w, -form.bias)
    for j in range(length):
        kernel = exp2(fma(load_rows(w, plan, j), over, bias))
        store(plan, j, kernel)
        store(sums, j, gathered(kernel, share, load(w, sums, j)))


@jitted
def iterate(w: Lanes, form: Form, plan: int, length: int, room: Room, block: int) -> None:
    """From ``b v`` one row's scaling, and from that its part of the columns' next sums, in one pass over ``K``."""
    scaling, sums, total = room.scaling, room.sums, repeated(w, fill(w, 0))
    for j in range(length):
        total = fma(load_rows(w, plan, j), load(w, scaling, j), total)
    scaled = mul(power(w, total, form.row_power), load_rows(w, room.share, block))
    for j in range(length):
        store(sums, j, gathered(load_rows(w, plan, j), scaled, load(w, sums, j)))


@jitted
def settle(w: Lanes, form: Form, length: int, room: Room) -> bool:
    """The next ``b v`` from the columns' sums. A lane that moves by no more than the tolerance keeps what it has.

    Returns:
        whether any lane moved.
    """
    scaling, sums = room.scaling, room.sums
    each, limit, one, drift = fill(w, 1 / length), fill(w, form.tolerance), fill(w, 1), fill(w, 0)
    for j in range(length):
        following = mul(power(w, load(w, sums, j), form.column_power), each)
        store(sums, j, following)
        if form.tolerance > 0:
            drift = larger(magnitude(sub(div(load(w, scaling, j), following), one)), drift)
    if form.tolerance == 0:
        drift = one
    for j in range(length):
        store(scaling, j, choose(drift, limit, load(w, sums, j), load(w, scaling, j)))
        store(sums, j, fill(w, 0))
    return any_above(drift, limit)


@jitted
def solve(w: Lanes, form: Form, stride: int, length: int, room: Room, blocks: int) -> None:
    """``b v`` of Sinkhorn–Knopp; the columns' first sums are there already. With a null key there is one iteration."""
    scaling, sums, each, null = room.scaling, room.sums, fill(w, 1 / length), fill(w, form.null)
    for j in range(length):
        store(scaling, j, mul(power(w, add(load(w, sums, j), null), form.column_power), each))
        store(sums, j, fill(w, 0))
    for _ in range(form.iterations - 1):
        for block in range(blocks):
            iterate(w, form, room.plan + stride * block, length, room, block)
        if not settle(w, form, length, room):
            return


@jitted
def rows_of_plan(w: Lanes, form: Form, plan: int, length: int, room: Room, block: int) -> Any:
    """``K b v`` in the place of ``K``; returns what its rows are to be multiplied with."""
    scaling, mass = room.scaling, repeated(w, fill(w, 0))
    for j in range(length):
        moved = mul(load_rows(w, plan, j), load(w, scaling, j))
        store(plan, j, moved)
        mass = add(mass, moved)
    if form.row_norm == NONE or form.row_norm == MARGINAL:
        scaled = power(w, add(mass, fill(w, form.null)), form.row_power)
        return scaled if form.row_norm == MARGINAL else mul(scaled, load_rows(w, room.share, block))
    factor = power(w, mass, 1)
    if form.row_norm == SUM:
        return factor
    squares = repeated(w, fill(w, 0))
    for j in range(length):
        moved = mul(load_rows(w, plan, j), factor)
        squares = fma(moved, moved, squares)
    return div(factor, root(larger(squares, fill(w, 1e-30))))


@jitted
def rows_of_attention(w: Lanes, plan: int, length: int) -> Any:
    """``exp(s − max s)`` in the place of the products; returns one over its rows' sums."""
    top, mass = load_rows(w, plan, 0), repeated(w, fill(w, 0))
    for j in range(1, length):
        top = larger(load_rows(w, plan, j), top)
    for j in range(length):
        moved = exp2(sub(load_rows(w, plan, j), top))
        store(plan, j, moved)
        mass = add(mass, moved)
    return div(fill(w, 1), mass)


@jitted
def plan_rows(w: Lanes, form: Form, plan: int, length: int, room: Room, block: int) -> Any:
    """One row of ``A``, up to the factor that is returned."""
    if form.attention:
        return rows_of_attention(w, plan, length)
    return rows_of_plan(w, form, plan, length, room, block)
