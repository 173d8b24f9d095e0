"""Jitted: mentions packed once per call, in the order in which register blocks read them."""

from __future__ import annotations

from otmel.kernels.vector_memory import block_columns, get, get_long, set_float, set_long
from otmel.kernels.vector_pool import LOG2E
from otmel.kernels.vector_records import Form, Mentions, Senders
from otmel.kernels.vector_types import Lanes, jitted

SMALL = 40.0
"""``exp`` of less than this, summed over tokens and times such a number, stays in float32's range."""


@jitted
def pack_key(form: Form, row: int, out: int, columns: int, width: int) -> None:
    """One token's key times all that multiplies an inner product: ``bias`` over its length, or ``log2(e)/√d``."""
    factor = LOG2E / width**0.5
    if not form.attention:
        squares = 0.0
        for k in range(width):
            squares += get(row, k) ** 2
        factor = form.bias / (squares**0.5 if squares > 1e-12 else 1.0)
    for k in range(width):
        set_float(out, k * columns, get(row, k) * factor)


@jitted
def pack_value(form: Form, row: int, out: int, step: int, columns: int, width: int) -> tuple[float, float]:
    """One token's value; returns its product with the direction and its largest number.

    Args:
        form: the formula.
        row: where the value is.
        out: where its first channel goes.
        step: numbers from one group of ``columns`` channels to the next.
        columns: channels of a group.
        width: ``d``.
    """
    along, top = 0.0, 0.0
    for k in range(width):
        value = get(row, k)
        set_float(out, k // columns * step + k % columns, value)
        top = max(top, abs(value))
        if form.direction != 0:
            along += value * get(form.direction, k)
    return along, top


def pack(w: Lanes, form: Form, senders: Senders, mentions: Mentions, width: int) -> None:
    """All mentions; memory beyond their tokens stays as it is, zero."""
    columns, longest, channels = block_columns(w), mentions.longest, mentions.channels
    for mention in range(senders.mentions):
        largest = 0.0
        for j in range(get_long(senders.lengths, mention)):
            row = 4 * (mention * senders.longest + j) * width
            place = mention * longest * width + j // columns * columns * width + j % columns
            pack_key(form, senders.keys + row, mentions.keys + 4 * place, columns, width)
            out = mentions.values + 4 * (mention * longest * channels + j * columns)
            along, top = pack_value(form, senders.values + row, out, longest * columns, columns, width)
            set_float(mentions.along, mention * longest + j, along)
            largest = max(largest, top)
        set_long(mentions.small, mention, 1 if largest < SMALL else 0)
