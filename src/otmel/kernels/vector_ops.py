"""Arithmetic on vectors for jitted code. One vector and several may meet: the one then stands for each of the several.

Constants of ``exp2`` and ``log2`` are minimax fits; both are right to about one unit in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from otmel.kernels.vector_types import (
    FLOAT,
    INT,
    LanesType,
    Vectors,
    called,
    constant,
    intrinsic,
    place,
    pointer,
    put,
    splat,
    take,
)

_EXP2 = (0.00015353360504377633, 0.0013398875016719103, 0.00961843691766262, 0.055503323674201965, 0.24022647738456726)
_LN2 = 0.6931471824645996
_MAGIC = 12582912.0  # 1.5 · 2^23: adding it rounds to a whole number, which then stands in the lowest bits


def _fma(b: Any, k: Vectors, x: Any, y: Any, z: Any) -> Any:
    return called(b, f"llvm.fmuladd.v{k.width}f32", k.vector, x, y, z)


def _larger(b: Any, k: Vectors, x: Any, y: Any) -> Any:
    return b.select(b.fcmp_ordered(">", x, y), x, y)


def _exp2(b: Any, k: Vectors, x: Any) -> Any:
    x = _larger(b, k, x, constant(k, -126.0))
    shifted = b.fadd(x, constant(k, _MAGIC))
    rest = b.fsub(x, b.fsub(shifted, constant(k, _MAGIC)))
    power = constant(k, _EXP2[0])
    for number in (*_EXP2[1:], _LN2, 1.0):
        power = _fma(b, k, power, rest, constant(k, number))
    whole = b.shl(b.bitcast(shifted, k.integers), _integer(k, 23))
    return b.bitcast(b.add(b.bitcast(power, k.integers), whole), k.vector)


def _log2(b: Any, k: Vectors, x: Any) -> Any:
    bits = b.bitcast(x, k.integers)
    whole = b.ashr(b.sub(bits, _integer(k, 0x3F2AAAAB)), _integer(k, 23))  # x = 2^whole · m, m in [2/3, 4/3)
    m = b.bitcast(b.sub(bits, b.shl(whole, _integer(k, 23))), k.vector)
    s = b.fdiv(b.fsub(m, constant(k, 1.0)), b.fadd(m, constant(k, 1.0)))
    square = b.fmul(s, s)
    series = constant(k, 1 / 9)
    for number in (1 / 7, 1 / 5, 1 / 3, 1.0):
        series = _fma(b, k, series, square, constant(k, number))
    return _fma(b, k, b.fmul(series, s), constant(k, 2 / _LN2), b.sitofp(whole, k.vector))


def _integer(k: Vectors, number: int) -> ir.Constant:
    return ir.Constant(k.integers, [ir.Constant(INT, number)] * k.width)


def _choose(b: Any, k: Vectors, x: Any, limit: Any, yes: Any, no: Any) -> Any:
    return b.select(b.fcmp_ordered(">", x, limit), yes, no)


def _elementwise(op: Callable[..., Any], *kinds: Vectors) -> tuple[Any, Callable[..., Any]]:
    count = max(kind.count for kind in kinds)
    result = Vectors(kinds[0].width, count)

    def code(context: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        parts = [op(b, result, *(take(b, k, v, n) for k, v in zip(kinds, values, strict=True))) for n in range(count)]
        return put(b, result, parts)

    return result(*kinds), code


@intrinsic
def add(context: Any, x: Any, y: Any) -> Any:
    """``x + y``."""
    return _elementwise(lambda b, k, x, y: b.fadd(x, y), x, y)


@intrinsic
def sub(context: Any, x: Any, y: Any) -> Any:
    """``x − y``."""
    return _elementwise(lambda b, k, x, y: b.fsub(x, y), x, y)


@intrinsic
def mul(context: Any, x: Any, y: Any) -> Any:
    """``x · y``."""
    return _elementwise(lambda b, k, x, y: b.fmul(x, y), x, y)


@intrinsic
def div(context: Any, x: Any, y: Any) -> Any:
    """``x / y``."""
    return _elementwise(lambda b, k, x, y: b.fdiv(x, y), x, y)


@intrinsic
def fma(context: Any, x: Any, y: Any, z: Any) -> Any:
    """``x · y + z``."""
    return _elementwise(_fma, x, y, z)


@intrinsic
def larger(context: Any, x: Any, y: Any) -> Any:
    """The larger of both; ``y`` where they cannot be compared."""
    return _elementwise(_larger, x, y)


@intrinsic
def magnitude(context: Any, x: Any) -> Any:
    """``|x|``."""
    return _elementwise(lambda b, k, x: called(b, f"llvm.fabs.v{k.width}f32", k.vector, x), x)


@intrinsic
def root(context: Any, x: Any) -> Any:
    """``√x``."""
    return _elementwise(lambda b, k, x: called(b, f"llvm.sqrt.v{k.width}f32", k.vector, x), x)


@intrinsic
def exp2(context: Any, x: Any) -> Any:
    """``2^x`` for ``x < 128``; ``2^−126`` below that."""
    return _elementwise(_exp2, x)


@intrinsic
def log2(context: Any, x: Any) -> Any:
    """``log₂ x`` of normal positive numbers."""
    return _elementwise(_log2, x)


@intrinsic
def choose(context: Any, x: Any, limit: Any, yes: Any, no: Any) -> Any:
    """``yes`` where ``x > limit``, else ``no``."""
    return _elementwise(_choose, x, limit, yes, no)


@intrinsic
def any_above(context: Any, x: Any, limit: Any) -> Any:
    """Whether a lane of ``x`` is above ``limit``."""

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        bits = b.bitcast(b.fcmp_ordered(">", *values), ir.IntType(x.width))
        return b.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(x, limit), code


@intrinsic
def gathered(context: Any, x: Any, y: Any, z: Any) -> Any:
    """``z + Σ x y`` over the vectors of a block, in their order; ``z`` is one vector."""

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        made = values[2]
        for n in range(max(x.count, y.count)):
            made = _fma(b, z, take(b, x, values[0], n), take(b, y, values[1], n), made)
        return made

    return z(x, y, z), code


@intrinsic
def largest(context: Any, x: Any, z: Any) -> Any:
    """The largest of ``z`` and the vectors of a block, lane by lane."""

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        made = values[1]
        for n in range(x.count):
            made = _larger(b, z, take(b, x, values[0], n), made)
        return made

    return z(x, z), code


@intrinsic
def fill(context: Any, w: Any, number: Any) -> Any:
    """A number in every lane of one vector."""
    kind = Vectors(w.lanes.width)

    def code(c: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        return splat(b, kind, c.cast(b, values[1], number, types.float32))

    return kind(w, number), code


def _loaded(w: LanesType, base: Any, index: Any, count: int) -> Any:
    kind = Vectors(w.lanes.width, count)

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        first = pointer(b, place(b, values[1], values[2], kind.size), kind.vector)
        return put(b, kind, [b.load(b.gep(first, [ir.Constant(INT, n)]), align=4) for n in range(count)])

    return kind(w, base, index), code


@intrinsic
def load(context: Any, w: Any, base: Any, index: Any) -> Any:
    """The vector with that index from ``base`` on."""
    return _loaded(w, base, index, 1)


@intrinsic
def load_rows(context: Any, w: Any, base: Any, index: Any) -> Any:
    """The block with that index: as many vectors as a register block has rows."""
    return _loaded(w, base, index, w.lanes.rows)


@intrinsic
def spread(context: Any, w: Any, base: Any, index: Any) -> Any:
    """The float32 with that index in every lane of one vector."""
    kind = Vectors(w.lanes.width)

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        return splat(b, kind, b.load(pointer(b, place(b, values[1], values[2], 4), FLOAT), align=4))

    return kind(w, base, index), code


@intrinsic
def repeated(context: Any, w: Any, x: Any) -> Any:
    """One vector as every row of a block."""
    kind = Vectors(w.lanes.width, w.lanes.rows)

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        return put(b, kind, [values[1]] * kind.count)

    return kind(w, x), code


@intrinsic
def store(context: Any, base: Any, index: Any, x: Any) -> Any:
    """A vector, or a block, to its place among others of its kind."""

    def code(c: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        first = pointer(b, place(b, values[0], values[1], x.size), x.vector)
        for n in range(x.count):
            b.store(take(b, x, values[2], n), b.gep(first, [ir.Constant(INT, n)]), align=4)
        return c.get_dummy_value()

    return types.void(base, index, x), code
