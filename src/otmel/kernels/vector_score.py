"""Jitted: scores of ``W`` entities and one mention, and the loop over blocks or over single pairs.

A lane is an entity. For each ``W`` of them, ``R`` of their ``L`` tokens at a time (``n`` are the mention's):

    for each mention:
        for each R of L:   K = exp2(near·(Q Kᵀ) − bias)            GEMM 1 in register blocks; the columns' first sums
        b v ← 1/(n·sums), repeatedly:
            for each R of L:   u = a/(K b v);  sums += Kᵀ u         both in one pass over K
        for each R of L:   A = K b v;  G = A H;  pool ← pool ⊕ G    GEMM 2; G is never kept
        score = pool · t_e

Where the pool is a weighted sum and there is no norm, GEMM 2 and ``G`` are left out (``vector_direct``), and where a
late interaction reads the plan itself, all of the last step (``vector_matched``). Sums run over
tokens in their order, and what a shorter neighbour adds is 0: a lane's bits depend on its entity and mention alone.
"""

from __future__ import annotations

from typing import Any

from otmel.kernels.vector_direct import direct_score, send_target
from otmel.kernels.vector_entities import fetch, made_room, seat, take_count
from otmel.kernels.vector_matched import matched_score
from otmel.kernels.vector_memory import block_rows, get, get_long, lanes, set_float
from otmel.kernels.vector_ops import choose, fill, load, store
from otmel.kernels.vector_plan import meet, near, plan_rows, solve
from otmel.kernels.vector_pool import clear, move, pool, pooled_score
from otmel.kernels.vector_records import Entities, Form, Mentions, Room, Work
from otmel.kernels.vector_types import Lanes, jitted

LANES = 16


@jitted
def score(w: Lanes, form: Form, entities: Entities, mentions: Mentions, mention: int, room: Room, blocks: int) -> Any:
    """Late scores of one mention, which has tokens, and the entities in the room."""
    step, width, length = 4 * lanes(w) * block_rows(w), entities.width, get_long(mentions.lengths, mention)
    stride = step * mentions.longest
    for j in range(length):
        store(room.sums, j, fill(w, 0))
    for block in range(blocks):
        plan = room.plan + stride * block
        meet(w, entities, mentions, mention, length, room.tokens + step * block * width, plan)
        if not form.attention:
            near(w, form, plan, length, room, block)
    if not form.attention:
        solve(w, form, stride, length, room, blocks)
    if form.matched:
        return matched_score(w, form, stride, length, room, blocks)
    if form.direct:
        send_target(w, mentions, mention, length, width, room)
        return direct_score(w, form, mentions.along + 4 * mention * mentions.longest, stride, length, room, blocks)
    clear(w, form, width, room)
    small = form.hull and get_long(mentions.small, mention) > 0
    for block in range(blocks):
        plan = room.plan + stride * block
        factor = plan_rows(w, form, plan, length, room, block)
        move(w, mentions, mention, plan, length, room.moved)
        pool(w, form, width, factor, small, room, block)
    return pooled_score(w, form, width, room)


@jitted
def seat_neighbours(w: Lanes, entities: Entities, room: Room, place: int) -> int:
    """The next ``W`` slots of the blocks into their lanes; returns how many."""
    for lane in range(lanes(w)):
        seat(w, entities, room, lane, place + lane)
    return lanes(w)


@jitted
def seat_pairs(w: Lanes, entities: Entities, work: Work, room: Room, place: int) -> int:
    """The next pairs of one mention into as many lanes; returns how many. Lanes beyond them are empty."""
    mention, count = get_long(work.mention, get_long(work.order, place)), 0
    for lane in range(lanes(w)):
        pair = get_long(work.order, min(place + lane, work.last - 1))
        if count == lane and place + lane < work.last and get_long(work.mention, pair) == mention:
            count += 1
        seat(w, entities, room, lane, get_long(work.slot, pair))
        if count <= lane:
            take_count(room, lane, 0)
    return count


@jitted
def put_away(work: Work, place: int, count: int, late: int) -> None:
    """Scores of single pairs to where they belong."""
    for lane in range(count):
        set_float(work.out, get_long(work.order, place + lane), get(late, lane))


def run(w: Lanes, form: Form, entities: Entities, mentions: Mentions, work: Work) -> None:
    """The scores that ``work`` asks for; those of empty mentions and entities are left as they are."""
    room = made_room(4 * lanes(w), block_rows(w), work.room, work.longest, mentions, entities.width)
    single, place = work.order != 0, work.first
    while place < work.last:
        first, beyond = 0, work.mentions
        if single:
            count = seat_pairs(w, entities, work, room, place)
            first = get_long(work.mention, get_long(work.order, place))
            beyond = first + 1
        else:
            count = seat_neighbours(w, entities, room, place)
        blocks = fetch(w, form, entities, room, not single)
        for mention in range(first, beyond):
            if blocks == 0 or get_long(mentions.lengths, mention) == 0:
                continue
            late = score(w, form, entities, mentions, mention, room, blocks)
            late = choose(load(w, room.share, 0), fill(w, 0), late, fill(w, 0))
            if single:
                store(room.sums, 0, late)
                put_away(work, place, count, room.sums)
            else:
                store(work.out + 4 * (mention * work.row + place), 0, late)
        place += count
