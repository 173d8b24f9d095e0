"""What the program of the kernel ``triton`` is given: records of pointers and numbers. Needs no Triton."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

UNIT: Final = 256.0
"""Length of the rows of an ``Operand``, so that the lower half of a number stays clear of float16's smallest."""
SHARE: Final = 1024.0
"""What a row's shares, which lie between 0 and 1, are multiplied with, for the same reason."""


class Operand(NamedTuple):
    """Token sets on the device, ``[L, d]`` each, set after set.

    Attributes:
        high: rows of length ``UNIT`` in float16.
        low: what ``high`` lacks; anything where numbers are not split.
        lengths: the rows' own lengths in float32.
        base: each set's first token.
        counts: tokens of each set.
    """

    high: Any
    low: Any
    lengths: Any
    base: Any
    counts: Any


class Parameters(NamedTuple):
    """The formula's vectors, ``d`` each; anything where the form has none."""

    direction: Any
    scale: Any
    shift: Any
    pool_scale: Any
    pool_shift: Any


class Numbers(NamedTuple):
    """The formula's numbers that are not compiled in.

    Attributes:
        sharpness: what cosines less one (transport) or inner products (attention) are multiplied with before ``exp2``.
        iterations: as in ``Sinkhorn``, as is ``tolerance``.
        tolerance: 0 without.
        row_power: λr of ``Sinkhorn.relax``.
        column_power: λc.
        eps: of the LayerNorm.
        pool_eps: of the pool's.
    """

    sharpness: Any
    iterations: Any
    tolerance: Any
    row_power: Any
    column_power: Any
    eps: Any
    pool_eps: Any


class Given(NamedTuple):
    """All that scores are computed from.

    Attributes:
        keys: the mentions' ``K``.
        sent: their ``H``.
        queries: the entities' tokens.
        target: their ``t_e``, one behind the other.
        parameters: the formula's vectors.
        numbers: its numbers.
    """

    keys: Operand
    sent: Operand
    queries: Operand
    target: Any
    parameters: Parameters
    numbers: Numbers


class Pair(NamedTuple):
    """A mention and an entity: what is given, which of the operands' sets they are, and ``t_e`` of this entity."""

    given: Given
    mention: Any
    slot: Any
    target: Any


class Work(NamedTuple):
    """Which pairs a launch scores: a tile of two lists, or a list of pairs, by one and the same compiled program.

    Program ``p`` takes mention ``p mod mentions`` of its list, ``nth``, and ``count`` slots of the other list, from
    ``p // mentions · count + nth · skip`` on. The score of the ``n``-th slot goes to
    ``mention · mention_place + slot · slot_place + n · place``.

    Attributes:
        mention: the mentions' list.
        slot: the slots' list.
        plan: ``mentions, slots, count, skip, mention_place, slot_place, place``; on the device, for a number given to
            a program by value may be compiled in, and two programs need not round alike.
    """

    mention: Any
    slot: Any
    plan: Any


class Form(NamedTuple):
    """What is compiled into the program.

    Attributes:
        rows: size of the tile in the entity's tokens; 0 where there is none.
        columns: in the mention's.
        width: channels ``d``.
        depth: channels worked on at once.
        steps: of the loop over channels at once, so that the transported tokens stay in registers.
        split: whether numbers are the sum of two halves.
        attention: a softmax instead of a transport.
        row_norm: as ``Transport.row_norm``.
        tolerant: whether the solver has a tolerance.
        relaxed: whether ``Sinkhorn.relax`` is not (1, 1).
        pool: ``soft``, ``learned``, ``mean`` or ``max``.
        residual: as in ``Formula``.
        norm: whether there is a LayerNorm.
        pool_norm: whether the pool has one.
        direct: as in ``Formula``.
    """

    rows: int
    columns: int
    width: int
    depth: int
    steps: int
    split: bool
    attention: bool
    row_norm: str
    tolerant: bool
    relaxed: bool
    pool: str
    residual: bool
    norm: bool
    pool_norm: bool
    direct: bool


class Sets(NamedTuple):
    """Token sets as they come, for ``prepare``.

    Attributes:
        tokens: numbers of any type.
        scales: int8 only: what a token's numbers are multiplied with, ``channel_stride`` apart; else ``None``.
        start: where each set begins in ``tokens``.
        scale_start: where it does in ``scales``.
        counts: tokens of each set.
        token_stride: from token to token.
        channel_stride: from channel to channel.
    """

    tokens: Any
    scales: Any
    start: Any
    scale_start: Any
    counts: Any
    token_stride: Any
    channel_stride: Any


class Receivers(NamedTuple):
    """An entity's tokens after the transport, not yet made: ``g_i = factor_i · Σ_j (high + low)_ij h_j``, normed.

    Attributes:
        high: what each token receives, in halves of ``SHARE`` times the largest length of a value.
        low: what ``high`` lacks.
        factor: what a row is multiplied with.
        mean: over channels, of each token; with ``deviation``, where there is a LayerNorm.
        deviation: its inverse.
    """

    high: Any
    low: Any
    factor: Any
    mean: Any
    deviation: Any
