"""What jitted code is told: addresses and numbers, in records that numba takes as they are."""

from __future__ import annotations

from typing import NamedTuple

NONE, SUM, L2, MARGINAL = 0, 1, 2, 3
SOFT, MAX, MEAN, LEARNED = 0, 1, 2, 3
FULL, HALF, BYTE = 0, 1, 2


class Form(NamedTuple):
    """A formula. Numbers that multiply an exponent carry ``log₂ e``.

    Attributes:
        attention: a softmax, not a transport.
        iterations, tolerance: of the transport; tolerance 0 means none.
        bias: ``log₂(e)/(2ε)``.
        row_power, column_power: ``relax``.
        row_norm: ``NONE``, ``SUM``, ``L2`` or ``MARGINAL``.
        null: the weight of a null key; 0 without.
        matched: a late interaction, whose threshold is ``over``.
        pool: ``SOFT``, ``MAX``, ``MEAN`` or ``LEARNED``.
        direct: scores follow without the transported tokens.
        hull: no transported number is larger than the mention's largest.
        residual, norm, pool_norm: see ``Formula``.
        norm_eps, pool_eps: added to variances.
        direction, scale, shift, pool_scale, pool_shift: addresses of ``d`` float32 each, or 0.
    """

    attention: bool
    iterations: int
    tolerance: float
    bias: float
    row_power: float
    column_power: float
    row_norm: int
    null: float
    matched: bool
    over: float
    pool: int
    direct: bool
    hull: bool
    residual: bool
    norm: bool
    pool_norm: bool
    norm_eps: float
    pool_eps: float
    direction: int
    scale: int
    shift: int
    pool_scale: int
    pool_shift: int


class Entities(NamedTuple):
    """Lane blocks: addresses of the tensors of ``LaneBlocks``, the width ``d`` and what a number is."""

    tokens: int
    scales: int
    start: int
    lengths: int
    target: int
    width: int
    precision: int


class Mentions(NamedTuple):
    """Packed mentions.

    Attributes:
        keys: ``[M][Lp / columns][d][columns]``.
        values: ``[M][dp / columns][Lp][columns]``.
        along: ``H · direction``, ``[M][Lp]``.
        lengths: int64.
        small: int64; whether ``exp`` of every value is well within float32.
        longest: ``Lp``, the longest length padded to whole register blocks.
        channels: ``dp``, the width padded likewise.
    """

    keys: int
    values: int
    along: int
    lengths: int
    small: int
    longest: int
    channels: int


class Senders(NamedTuple):
    """Mentions as they come: addresses of contiguous float32 keys and values ``[M, L, d]``, int64 lengths."""

    keys: int
    values: int
    lengths: int
    mentions: int
    longest: int


class Work(NamedTuple):
    """Which scores are wanted: of neighbouring slots, or of single pairs.

    Attributes:
        first, last: slots of whole blocks, or places in ``order``.
        order: places of pairs grouped by mention, int64; 0: whole blocks.
        mention, slot: the pairs, int64.
        out: where scores go: ``[M, row]`` for blocks, else one per pair.
        row: slots in a row of ``out``.
        room: aligned memory of this thread.
        longest: tokens of the longest entity.
        mentions: how many there are.
    """

    first: int
    last: int
    order: int
    mention: int
    slot: int
    out: int
    row: int
    room: int
    longest: int
    mentions: int


class Room(NamedTuple):
    """Addresses in a thread's memory; ``R`` rows and ``C`` columns are a register block's, ``W`` lanes a vector's."""

    tokens: int  # [L / R][d][R][W]
    plan: int  # [L / R][Lp][R][W]
    moved: int  # [dp][R][W]: transported tokens of one row of blocks
    share: int  # [L][W]: 1/L_e on content
    near: int  # [L][W]: one over a token's length
    along: int  # [L][W]: q · direction
    meets: int  # [L][W]: q · t_e
    scaling: int  # [Lp][W]: b v
    sums: int  # [Lp][W]: the columns' sums, the next b v
    sent: int  # [Lp][W]: h · t_e
    above: int  # [dp][W]: a pool's numerator
    below: int  # [dp][W]: its denominator
    top: int  # [dp][W]: its largest number
    target: int  # [dp][W]
    places: int  # [W] int64: where each lane's tokens begin
    rows: int  # [W] int64: where each lane's current token begins
    scales: int  # [W] int64: where each lane's scales begin
    scale: int  # [W]: each lane's current scale
    counts: int  # [W] int64: each lane's tokens
    numbers: int  # [W]: the same as float32
    each: int  # [W]: one over it
    end: int
