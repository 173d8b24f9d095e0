"""Jitted: scores without the transported tokens, for pools that are weighted sums (see ``otmel.models.matching``).

late = Σ_i w_i (Σ_j A_ij (h_j · t_e) + q_i · t_e)        w = softmax_i(Σ_j A_ij (h_j · a) + q_i · a), or 1/L_e
"""

from __future__ import annotations

from typing import Any

from otmel.kernels.vector_memory import block_columns
from otmel.kernels.vector_ops import (
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
    spread,
    store,
    sub,
)
from otmel.kernels.vector_plan import plan_rows
from otmel.kernels.vector_pool import FAR, LOG2E
from otmel.kernels.vector_records import MEAN, Form, Mentions, Room
from otmel.kernels.vector_types import Lanes, jitted


@jitted
def send_target(w: Lanes, mentions: Mentions, mention: int, length: int, width: int, room: Room) -> None:
    """``h_j · t_e`` for every mention token."""
    columns, target = block_columns(w), room.target
    for j in range(length):
        total = fill(w, 0)
        for k in range(width):
            group = mention * mentions.channels // columns + k // columns
            value = spread(w, mentions.values, (group * mentions.longest + j) * columns + k % columns)
            total = fma(load(w, target, k), value, total)
        store(room.sent, j, total)


@jitted
def direct_rows(w: Lanes, along: int, plan: int, length: int, factor: Any, room: Room, block: int) -> Any:
    """``g_i · a`` and ``g_i · t_e`` of one row of blocks, without ``g_i``."""
    toward, met, sent = repeated(w, fill(w, 0)), repeated(w, fill(w, 0)), room.sent
    for j in range(length):
        moved = load_rows(w, plan, j)
        toward = fma(moved, spread(w, along, j), toward)
        met = fma(moved, load(w, sent, j), met)
    toward = fma(toward, factor, load_rows(w, room.along, block))
    return toward, fma(met, factor, load_rows(w, room.meets, block))


@jitted
def direct_score(w: Lanes, form: Form, along: int, stride: int, length: int, room: Room, blocks: int) -> Any:
    """The score, once ``h_j · t_e`` is there; ``along`` is where the mention's ``h_j · a`` are."""
    zero, turn = fill(w, 0), fill(w, LOG2E)
    top, above, below = fill(w, FAR), zero, zero
    for block in range(blocks):
        plan = room.plan + stride * block
        factor = plan_rows(w, form, plan, length, room, block)
        toward, met = direct_rows(w, along, plan, length, factor, room, block)
        share = load_rows(w, room.share, block)
        if form.pool == MEAN:
            above, below = gathered(met, share, above), fill(w, 1)
            continue
        higher = largest(choose(share, zero, toward, fill(w, FAR)), top)
        weight = choose(share, zero, exp2(mul(sub(toward, higher), turn)), zero)
        kept = exp2(mul(sub(top, higher), turn))
        above = gathered(weight, met, mul(above, kept))
        below = gathered(weight, fill(w, 1), mul(below, kept))
        top = higher
    return div(above, below)
