"""Arithmetic on vectors for jitted code. Where one vector meets several, it stands for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from otmel.kernels.vector_exp import chosen, larger_of, logarithm, multiply_add, power_of_two
from otmel.kernels.vector_types import (
    FLOAT,
    INT,
    LanesType,
    Vectors,
    called,
    intrinsic,
    place,
    pointer,
    put,
    splat,
    take,
)


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
    return _elementwise(multiply_add, x, y, z)


@intrinsic
def larger(context: Any, x: Any, y: Any) -> Any:
    """The larger of both; ``y`` where they cannot be compared."""
    return _elementwise(larger_of, x, y)


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
    return _elementwise(power_of_two, x)


@intrinsic
def log2(context: Any, x: Any) -> Any:
    """``log₂ x`` of normal positive numbers."""
    return _elementwise(logarithm, x)


@intrinsic
def choose(context: Any, x: Any, limit: Any, yes: Any, no: Any) -> Any:
    """``yes`` where ``x > limit``, else ``no``."""
    return _elementwise(chosen, x, limit, yes, no)


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
            made = multiply_add(b, z, take(b, x, values[0], n), take(b, y, values[1], n), made)
        return made

    return z(x, y, z), code


@intrinsic
def largest(context: Any, x: Any, z: Any) -> Any:
    """The largest of ``z`` and the vectors of a block, lane by lane."""

    def code(_: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        made = values[1]
        for n in range(x.count):
            made = larger_of(b, z, take(b, x, values[0], n), made)
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
