"""Jitted: from rows of the plan to scores (Eq. 22–24), row of register blocks by row of register blocks.

Pools are kept as running sums, so that the transported tokens of one row of blocks are all that is ever held:

    top′ = max(top, g_1 … g_R)    below′ = below·2^(top − top′) + Σ_r 2^(g_r − top′)    above′ likewise, times g_r
"""

from __future__ import annotations

from typing import Any

from otmel.kernels.vector_memory import block_columns, block_rows, lanes
from otmel.kernels.vector_ops import (
    add,
    choose,
    div,
    exp2,
    fill,
    fma,
    gathered,
    largest,
    load,
    load_rows,
    mul,
    repeated,
    root,
    spread,
    store,
    sub,
)
from otmel.kernels.vector_products import products
from otmel.kernels.vector_records import LEARNED, MAX, MEAN, SOFT, Form, Mentions, Room
from otmel.kernels.vector_types import Lanes, jitted

LOG2E = 1.4426950408889634
FAR = -1e30


@jitted
def move(w: Lanes, mentions: Mentions, mention: int, plan: int, length: int, moved: int) -> None:
    """``A H`` of one row of blocks, before its rows are scaled (GEMM 2)."""
    step = 4 * lanes(w) * block_rows(w)
    values = mentions.values + 4 * mention * mentions.longest * mentions.channels
    for first in range(0, mentions.channels, block_columns(w)):
        products(w, plan, values + 4 * first * mentions.longest, length, moved + step * first)


@jitted
def finish_tokens(w: Lanes, form: Form, width: int, factor: Any, room: Room, block: int) -> None:
    """Rows scaled, the residual added, LayerNorm."""
    moved, total = room.moved, repeated(w, fill(w, 0))
    for k in range(width):
        token = mul(load_rows(w, moved, k), factor)
        if form.residual:
            token = add(token, load_rows(w, room.tokens, block * width + k))
        store(moved, k, token)
        total = add(total, token)
    if not form.norm:
        return
    mean, squares = mul(total, fill(w, 1 / width)), repeated(w, fill(w, 0))
    for k in range(width):
        rest = sub(load_rows(w, moved, k), mean)
        squares = fma(rest, rest, squares)
    over = div(fill(w, 1), root(fma(squares, fill(w, 1 / width), fill(w, form.norm_eps))))
    for k in range(width):
        rest = mul(sub(load_rows(w, moved, k), mean), over)
        store(moved, k, fma(rest, spread(w, form.scale, k), spread(w, form.shift, k)))


@jitted
def pool_small(w: Lanes, width: int, factor: Any, room: Room, block: int) -> None:
    """Softpool of numbers whose ``exp`` needs no shift; the rows are scaled on the way."""
    moved, above, below = room.moved, room.above, room.below
    share, zero, one, turn = load_rows(w, room.share, block), fill(w, 0), fill(w, 1), fill(w, LOG2E)
    for k in range(width):
        token = mul(load_rows(w, moved, k), factor)
        weight = choose(share, zero, exp2(mul(token, turn)), zero)
        store(above, k, gathered(weight, token, load(w, above, k)))
        store(below, k, gathered(weight, one, load(w, below, k)))


@jitted
def pool_soft(w: Lanes, width: int, room: Room, block: int) -> None:
    """Softpool, every channel shifted by the largest number so far."""
    moved, above, below, tops = room.moved, room.above, room.below, room.top
    share, zero, one, turn = load_rows(w, room.share, block), fill(w, 0), fill(w, 1), fill(w, LOG2E)
    for k in range(width):
        token, top = load_rows(w, moved, k), load(w, tops, k)
        higher = largest(choose(share, zero, token, fill(w, FAR)), top)
        weight = choose(share, zero, exp2(mul(sub(token, higher), turn)), zero)
        kept = exp2(mul(sub(top, higher), turn))
        store(tops, k, higher)
        store(above, k, gathered(weight, token, mul(load(w, above, k), kept)))
        store(below, k, gathered(weight, one, mul(load(w, below, k), kept)))


@jitted
def pool_plain(w: Lanes, form: Form, width: int, room: Room, block: int) -> None:
    """The mean or the maximum over tokens."""
    above, share, zero, far = room.above, load_rows(w, room.share, block), fill(w, 0), fill(w, FAR)
    for k in range(width):
        token, before = load_rows(w, room.moved, k), load(w, above, k)
        if form.pool == MEAN:
            store(above, k, gathered(token, share, before))
        else:
            store(above, k, largest(choose(share, zero, token, far), before))


@jitted
def pool_learned(w: Lanes, form: Form, width: int, room: Room, block: int) -> None:
    """One softmax weight per token, from its product with the direction; ``top`` and ``below`` hold one vector."""
    moved, above, share = room.moved, room.above, load_rows(w, room.share, block)
    zero, turn, along = fill(w, 0), fill(w, LOG2E), repeated(w, fill(w, 0))
    for k in range(width):
        along = fma(load_rows(w, moved, k), spread(w, form.direction, k), along)
    top = load(w, room.top, 0)
    higher = largest(choose(share, zero, along, fill(w, FAR)), top)
    weight = choose(share, zero, exp2(mul(sub(along, higher), turn)), zero)
    kept = exp2(mul(sub(top, higher), turn))
    store(room.top, 0, higher)
    store(room.below, 0, gathered(weight, fill(w, 1), mul(load(w, room.below, 0), kept)))
    for k in range(width):
        store(above, k, gathered(weight, load_rows(w, moved, k), mul(load(w, above, k), kept)))


@jitted
def pool(w: Lanes, form: Form, width: int, factor: Any, small: bool, room: Room, block: int) -> None:
    """What one row of blocks adds to the pooled vector."""
    if small and form.pool == SOFT:
        pool_small(w, width, factor, room, block)
        return
    finish_tokens(w, form, width, factor, room, block)
    if form.pool == SOFT:
        pool_soft(w, width, room, block)
    elif form.pool == LEARNED:
        pool_learned(w, form, width, room, block)
    else:
        pool_plain(w, form, width, room, block)


@jitted
def clear(w: Lanes, form: Form, width: int, room: Room) -> None:
    """An empty pool."""
    first = fill(w, FAR if form.pool == MAX else 0.0)
    for k in range(width):
        store(room.above, k, first)
        store(room.below, k, fill(w, 0))
        store(room.top, k, fill(w, FAR))


@jitted
def pooled_score(w: Lanes, form: Form, width: int, room: Room) -> Any:
    """``ḡ · t_e`` from the pool's sums."""
    above, total, score = room.above, fill(w, 0), fill(w, 0)
    for k in range(width):
        if form.pool == SOFT:
            store(above, k, div(load(w, above, k), load(w, room.below, k)))
        elif form.pool == LEARNED:
            store(above, k, div(load(w, above, k), load(w, room.below, 0)))
        total = add(total, load(w, above, k))
    if form.pool_norm:
        normalise(w, form, width, total, above)
    for k in range(width):
        score = fma(load(w, above, k), load(w, room.target, k), score)
    return score


@jitted
def normalise(w: Lanes, form: Form, width: int, total: Any, above: int) -> None:
    """LayerNorm of the pooled vector."""
    mean, squares = mul(total, fill(w, 1 / width)), fill(w, 0)
    for k in range(width):
        rest = sub(load(w, above, k), mean)
        squares = fma(rest, rest, squares)
    over = div(fill(w, 1), root(fma(squares, fill(w, 1 / width), fill(w, form.pool_eps))))
    for k in range(width):
        rest = mul(sub(load(w, above, k), mean), over)
        store(above, k, fma(rest, spread(w, form.pool_scale, k), spread(w, form.pool_shift, k)))
