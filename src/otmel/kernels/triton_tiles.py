"""Tiles of token sets for the kernel ``triton``: how sets become an ``Operand``, and how a program reads one.

Every operand is unit rows in float16 with their lengths apart, so nothing leaves float16's range. With ``split`` a
number is the sum of two halves and a product is three products of halves, which is float32's accuracy. Names in
capitals are tile sizes; a tile's rows are tokens, its columns ``depth`` channels from ``chunk`` on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

from otmel.kernels import triton_operands as operands
from otmel.kernels.triton_operands import Operand, Sets

if TYPE_CHECKING:
    # Triton knows what is compiled in by the word in its annotation; a reader should know what it is.
    from otmel.kernels.triton_operands import Form as constexpr  # noqa: N813
else:
    constexpr = tl.constexpr

UNIT = tl.constexpr(operands.UNIT)
LOG2E = tl.constexpr(1.4426950408889634)
AT_ONCE = tl.constexpr(16)
"""Tokens that ``prepare`` works on at once."""


@triton.jit
def prepare(sets: Sets, out: Operand, least: tl.tensor, form: constexpr) -> None:
    """An ``Operand`` from ``Sets``, one set a program: rows of length ``UNIT``, and their lengths.

    Rows whose squared length is not above ``least`` stay as they are.
    """
    which = tl.program_id(0)
    base = tl.load(out.base + which)
    count = tl.load(out.counts + which)
    for first in range(0, count, AT_ONCE):
        token = first + tl.arange(0, AT_ONCE)
        squares = tl.zeros([AT_ONCE], tl.float32)
        for chunk in range(0, form.width, form.depth):
            numbers = _numbers(sets, which, token, chunk, form)
            squares += tl.sum(numbers * numbers, 1)
        long = squares > least
        length = tl.where(long, tl.sqrt_rn(squares), 1.0)
        tl.store(out.lengths + base + token, length, mask=token < count)
        for chunk in range(0, form.width, form.depth):
            numbers = _numbers(sets, which, token, chunk, form) * (1.0 / length * UNIT)[:, None]
            place, mask = _places(base, token, count, chunk, form)
            high = numbers.to(tl.float16)
            tl.store(out.high + place, high, mask=mask)
            if form.split:
                tl.store(out.low + place, (numbers - high.to(tl.float32)).to(tl.float16), mask=mask)


@triton.jit
def _numbers(sets: Sets, which: tl.tensor, token: tl.tensor, chunk: int, form: constexpr) -> tl.tensor:
    # Gathered by strides: a lane's numbers lie LANES apart, a mention's side by side.
    channel = chunk + tl.arange(0, form.depth)
    there = token < tl.load(sets.counts + which)
    mask = there[:, None] & (channel < form.width)[None, :]
    place = tl.load(sets.start + which) + token[:, None].to(tl.int64) * sets.token_stride
    numbers = tl.load(sets.tokens + place + channel[None, :] * sets.channel_stride, mask=mask, other=0).to(tl.float32)
    if sets.scales is not None:
        scale = sets.scales + tl.load(sets.scale_start + which) + token * sets.channel_stride
        numbers *= tl.load(scale, mask=there, other=0.0)[:, None]
    return numbers


@triton.jit
def _places(
    base: tl.tensor, token: tl.tensor, count: tl.tensor, chunk: int, form: constexpr
) -> tuple[tl.tensor, tl.tensor]:
    channel = chunk + tl.arange(0, form.depth)
    mask = (token < count)[:, None]
    if form.width % form.depth != 0:
        mask = mask & (channel < form.width)[None, :]
    # Counted in tokens, so that the compiler sees what a place is a multiple of, and reads many numbers at once.
    return (base + token)[:, None] * form.width + channel[None, :], mask


@triton.jit
def tile(
    pointer: tl.tensor, operand: Operand, which: tl.tensor, chunk: int, form: constexpr, SIZE: tl.constexpr
) -> tl.tensor:
    """Halves of one set, ``[SIZE, depth]``, zero on padding."""
    base, count = tl.load(operand.base + which), tl.load(operand.counts + which)
    place, mask = _places(base, tl.arange(0, SIZE), count, chunk, form)  # pyright: ignore[reportGeneralTypeIssues]
    return tl.load(pointer + place, mask=mask, other=0.0)


@triton.jit
def lengths(operand: Operand, which: tl.tensor, form: constexpr, SIZE: tl.constexpr) -> tl.tensor:
    """The lengths of one set's rows, ``[SIZE]``, zero on padding."""
    token = tl.arange(0, SIZE)
    place = operand.lengths + tl.load(operand.base + which) + token
    return tl.load(place, mask=token < tl.load(operand.counts + which), other=0.0)


@triton.jit
def content(operand: Operand, which: tl.tensor, chunk: int, form: constexpr, SIZE: tl.constexpr) -> tl.tensor:
    """The tokens themselves in float32, ``[SIZE, depth]``."""
    return _rows(operand, which, chunk, form, SIZE) * (lengths(operand, which, form, SIZE) / UNIT)[:, None]


@triton.jit
def _rows(operand: Operand, which: tl.tensor, chunk: int, form: constexpr, SIZE: tl.constexpr) -> tl.tensor:
    numbers = tile(operand.high, operand, which, chunk, form, SIZE).to(tl.float32)
    if form.split:
        numbers += tile(operand.low, operand, which, chunk, form, SIZE).to(tl.float32)
    return numbers


@triton.jit
def vector(pointer: tl.tensor, chunk: int, form: constexpr) -> tl.tensor:
    """``depth`` numbers of a vector of ``d``, zero beyond its end."""
    channel = chunk + tl.arange(0, form.depth)
    if form.width % form.depth == 0:
        return tl.load(pointer + channel)
    return tl.load(pointer + channel, mask=channel < form.width, other=0.0)


@triton.jit
def along(operand: Operand, which: tl.tensor, direction: tl.tensor, form: constexpr, SIZE: tl.constexpr) -> tl.tensor:
    """Inner products of one set's tokens with a vector, ``[SIZE]``."""
    products = zeros(SIZE, form.depth)
    for chunk in range(0, form.width, form.depth):
        products += _rows(operand, which, chunk, form, SIZE) * vector(direction, chunk, form)[None, :]
    return tl.sum(products, 1) * (lengths(operand, which, form, SIZE) / UNIT)


@triton.jit
def filled(number: float, SIZE: tl.constexpr) -> tl.tensor:
    """``[SIZE]`` times the same number."""
    return tl.full([SIZE], number, tl.float32)


@triton.jit
def zeros(ROWS: tl.constexpr, COLUMNS: tl.constexpr) -> tl.tensor:
    """``[ROWS, COLUMNS]`` sums to begin with."""
    return tl.zeros([ROWS, COLUMNS], tl.float32)


@triton.jit
def inverse(sums: tl.tensor) -> tl.tensor:
    """``1/s``; 0 where there is no mass."""
    return tl.where(sums > 0, 1.0 / tl.where(sums > 0, sums, 1.0), 0.0)


@triton.jit
def inverse_power(sums: tl.tensor, power: tl.tensor, relaxed: tl.constexpr) -> tl.tensor:
    """``s^−power``, which is ``1/s`` unless ``relaxed``; 0 where there is no mass."""
    if not relaxed:
        return inverse(sums)
    return tl.where(sums > 0, tl.exp2(-power * tl.log2(tl.where(sums > 0, sums, 1.0))), 0.0)
