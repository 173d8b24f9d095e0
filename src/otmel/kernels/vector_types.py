"""Vectors as numba values: ``n`` vectors of ``W`` float32 lanes, which LLVM keeps in registers.

A ``Lanes`` object says how wide the vectors of this machine are and how many of them a register block has; jitted code
receives it as its first argument ``w`` and hands it on. It has no content at run time.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.core.datamodel.models import OpaqueModel, PrimitiveModel
from numba.extending import NativeValue, register_model, typeof_impl, unbox

FLOAT, INT = ir.FloatType(), ir.IntType(32)

intrinsic: Any = extending.intrinsic
"""A function of jitted code whose body is LLVM's: it is called without the typing context that it is defined with."""

_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
jitted: Any = numba.njit(nogil=True, error_model="numpy", **_INNER)
"""For functions that jitted code calls. No fastmath: the order of every sum is part of the result."""


@dataclass(frozen=True)
class Lanes:
    """The shape of registers.

    Attributes:
        width: lanes of a vector, ``W``.
        rows: vectors of entity tokens in a register block.
        columns: mention tokens, or channels, in a register block.
    """

    width: int
    rows: int = 5
    columns: int = 2


SHAPES = {16: Lanes(16, 5, 4), 8: Lanes(8), 4: Lanes(4)}
"""32 registers of 16 lanes hold 20 sums, 16 registers of 8 or of 4 hold 10."""


@cache
def host_width() -> int:
    """16 with AVX-512, 8 with AVX2, 4 with SSE2 or NEON."""
    import llvmlite.binding

    features = llvmlite.binding.get_host_cpu_features()
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return 4
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


class LanesType(types.Type):
    """The numba type of ``Lanes``."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        super().__init__(f"lanes({lanes.width}, {lanes.rows}, {lanes.columns})")


class Vectors(types.Type):
    """``count`` vectors of ``width`` lanes."""

    def __init__(self, width: int, count: int = 1) -> None:
        self.width, self.count = width, count
        super().__init__(f"vectors({width}, {count})")

    @property
    def vector(self) -> ir.VectorType:
        """One of the vectors in LLVM."""
        return ir.VectorType(FLOAT, self.width)

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return 4 * self.width * self.count

    @property
    def integers(self) -> ir.VectorType:
        """As many integers."""
        return ir.VectorType(INT, self.width)

    @property
    def value(self) -> ir.Type:
        """All of them in LLVM."""
        return self.vector if self.count == 1 else ir.ArrayType(self.vector, self.count)


@register_model(LanesType)
class _LanesModel(OpaqueModel):
    pass


@register_model(Vectors)
class _VectorsModel(PrimitiveModel):
    def __init__(self, manager: Any, kind: Vectors) -> None:
        super().__init__(manager, kind, kind.value)


@typeof_impl.register(Lanes)
def _type_of_lanes(lanes: Lanes, _: Any) -> LanesType:
    return LanesType(lanes)


@unbox(LanesType)
def _unbox_lanes(kind: LanesType, _: Any, context: Any) -> NativeValue:
    return NativeValue(context.context.get_dummy_value())


def take(builder: Any, kind: Vectors, value: Any, index: int) -> Any:
    """One vector of several; a single one stands for all."""
    return value if kind.count == 1 else builder.extract_value(value, index)


def put(builder: Any, kind: Vectors, parts: list[Any]) -> Any:
    """Vectors as one value."""
    if kind.count == 1:
        return parts[0]
    made: Any = ir.Constant(kind.value, ir.Undefined)
    for index, part in enumerate(parts):
        made = builder.insert_value(made, part, index)
    return made


def constant(kind: Vectors, number: float) -> ir.Constant:
    """The same number in every lane."""
    return ir.Constant(kind.vector, [ir.Constant(FLOAT, number)] * kind.width)


def splat(builder: Any, kind: Vectors, scalar: Any) -> Any:
    """A scalar in every lane."""
    undefined = ir.Constant(kind.vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(kind.integers, [ir.Constant(INT, 0)] * kind.width))


def called(builder: Any, name: str, result: ir.Type, *arguments: Any) -> Any:
    """A call of one of LLVM's own functions."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def place(builder: Any, base: Any, index: Any, size: int) -> Any:
    """The address of the item with that index, items being ``size`` bytes each."""
    return builder.add(base, builder.mul(index, ir.Constant(base.type, size)))


def pointer(builder: Any, address: Any, kind: ir.Type) -> Any:
    """An address as a pointer."""
    return builder.inttoptr(address, kind.as_pointer())
