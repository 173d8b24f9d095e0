"""Jitted: entities' tokens into a thread's room, from neighbouring lanes or from anywhere."""

from __future__ import annotations

from typing import Any

from otmel.kernels.vector_memory import (
    block_rows,
    get,
    get_int,
    get_long,
    lanes,
    load_byte,
    load_half,
    pick,
    pick_byte,
    pick_half,
    set_float,
    set_long,
)
from otmel.kernels.vector_ops import choose, div, fill, fma, load, mul, root, spread, store
from otmel.kernels.vector_records import BYTE, FULL, HALF, Entities, Form, Mentions, Room
from otmel.kernels.vector_types import Lanes, jitted

LANES = 16


@jitted
def made_room(vector: int, rows: int, first: int, longest: int, mentions: Mentions, width: int) -> Room:
    """A room's addresses, from ``first`` on, which is aligned; ``end`` says where it ends.

    Args:
        vector: bytes of a vector.
        rows: vectors of a register block.
        first: where the room begins.
        longest: tokens of the longest entity.
        mentions: what is to be scored.
        width: ``d``.
    """
    tokens = (longest + rows - 1) // rows * rows * vector
    senders, channels = mentions.longest * vector, mentions.channels * vector
    plan = first + tokens * width
    moved = plan + tokens * mentions.longest
    share = moved + channels * rows
    scaling = share + 4 * tokens
    above = scaling + 3 * senders
    places = above + 4 * channels
    return Room(
        first,
        plan,
        moved,
        share,
        share + tokens,
        share + 2 * tokens,
        share + 3 * tokens,
        scaling,
        scaling + senders,
        scaling + 2 * senders,
        above,
        above + channels,
        above + 2 * channels,
        above + 3 * channels,
        places,
        places + 2 * vector,
        places + 4 * vector,
        places + 6 * vector,
        places + 7 * vector,
        places + 9 * vector,
        places + 10 * vector,
        places + 11 * vector,
    )


@jitted
def item_size(entities: Entities) -> int:
    """Bytes of a stored number."""
    return 4 if entities.precision == FULL else 2 if entities.precision == HALF else 1


@jitted
def take_count(room: Room, lane: int, count: int) -> None:
    """How many tokens a lane has."""
    set_long(room.counts, lane, count)
    set_float(room.numbers, lane, count)
    set_float(room.each, lane, 1 / max(count, 1))


@jitted
def seat(w: Lanes, entities: Entities, room: Room, lane: int, slot: int) -> None:
    """An entity into a lane: where its tokens are, how many, and its target."""
    block, source, width = slot // LANES, slot % LANES, entities.width
    first = get_long(entities.start, block)
    set_long(room.places, lane, entities.tokens + item_size(entities) * (first + source))
    set_long(room.scales, lane, entities.scales + 4 * (first // width + source))
    take_count(room, lane, get_int(entities.lengths, slot))
    for k in range(width):
        set_float(room.target, k * lanes(w) + lane, get(entities.target, (block * width + k) * LANES + source))


@jitted
def read(w: Lanes, entities: Entities, rows: int, k: int, beside: bool) -> Any:
    """Channel ``k`` of every lane's current token; lanes lie side by side from the first on, or anywhere."""
    offset = k * LANES
    if beside:
        first = get_long(rows, 0)
        if entities.precision == FULL:
            return load(w, first + 4 * offset, 0)
        if entities.precision == HALF:
            return load_half(w, first + 2 * offset)
        return load_byte(w, first + offset)
    if entities.precision == FULL:
        return pick(w, rows, 4 * offset)
    if entities.precision == HALF:
        return pick_half(w, rows, 2 * offset)
    return pick_byte(w, rows, offset)


@jitted
def copied(w: Lanes, entities: Entities, share: Any, room: Room, out: int, beside: bool) -> Any:
    """One token of every lane to its place in the room, zero where there is none; returns their squared lengths."""
    scale, zero, squares, rows = load(w, room.scale, 0), fill(w, 0), fill(w, 0), block_rows(w)
    for k in range(entities.width):
        number = choose(share, zero, mul(read(w, entities, room.rows, k, beside), scale), zero)
        store(out, k * rows, number)
        squares = fma(number, number, squares)
    return squares


@jitted
def turn_to(w: Lanes, entities: Entities, room: Room, token: int) -> None:
    """Every lane's addresses to its ``token``-th token, or to its last, and ``share`` to ``1/L_e`` or 0."""
    size = item_size(entities) * entities.width * LANES
    for lane in range(lanes(w)):
        row = max(min(token, get_long(room.counts, lane) - 1), 0)
        set_long(room.rows, lane, get_long(room.places, lane) + size * row)
        if entities.precision == BYTE:
            set_float(room.scale, lane, get(get_long(room.scales, lane), LANES * row))
        else:
            set_float(room.scale, lane, 1)
    share = choose(load(w, room.numbers, 0), fill(w, token), load(w, room.each, 0), fill(w, 0))
    store(room.share, token, share)


@jitted
def own_products(w: Lanes, form: Form, width: int, room: Room, token: int, out: int) -> None:
    """``q · a`` and ``q · t_e`` of one token, which the residual adds in ``vector_direct``."""
    along, meets, rows = fill(w, 0), fill(w, 0), block_rows(w)
    if form.residual:
        for k in range(width):
            number = load(w, out, k * rows)
            meets = fma(number, load(w, room.target, k), meets)
            if form.direction != 0:
                along = fma(number, spread(w, form.direction, k), along)
    store(room.along, token, along)
    store(room.meets, token, meets)


@jitted
def fetch(w: Lanes, form: Form, entities: Entities, room: Room, beside: bool) -> int:
    """The seated entities' tokens into the room; returns how many rows of register blocks they fill."""
    vector, rows, width, longest, one = 4 * lanes(w), block_rows(w), entities.width, 0, fill(w, 1)
    for lane in range(lanes(w)):
        longest = max(longest, get_long(room.counts, lane))
    blocks = (longest + rows - 1) // rows
    for token in range(blocks * rows):
        turn_to(w, entities, room, token)
        if beside:  # Lane 0 leads: its address must not stop at its own last token.
            row = item_size(entities) * width * LANES * min(token, longest - 1)
            set_long(room.rows, 0, get_long(room.places, 0) + row)
        out = room.tokens + vector * (token // rows * rows * width + token % rows)
        squares = copied(w, entities, load(w, room.share, token), room, out, beside)
        store(room.near, token, choose(squares, fill(w, 1e-12), div(one, root(squares)), one))
        if form.direct:
            own_products(w, form, width, room, token, out)
    return blocks
