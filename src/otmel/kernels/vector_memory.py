"""Memory of jitted code: plain addresses, and entity tokens as they lie on the disk (float32, float16, int8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from otmel.kernels.vector_types import FLOAT, INT, LanesType, Vectors, constant, intrinsic, place, pointer

_HALF, _BYTE, _LONG = ir.IntType(16), ir.IntType(8), ir.IntType(64)


@intrinsic
def lanes(context: Any, w: LanesType) -> Any:
    """``W``."""
    return types.intp(w), lambda c, b, signature, values: ir.Constant(_LONG, w.lanes.width)


@intrinsic
def block_rows(context: Any, w: LanesType) -> Any:
    """Entity tokens of a register block."""
    return types.intp(w), lambda c, b, signature, values: ir.Constant(_LONG, w.lanes.rows)


@intrinsic
def block_columns(context: Any, w: LanesType) -> Any:
    """Mention tokens, or channels, of a register block."""
    return types.intp(w), lambda c, b, signature, values: ir.Constant(_LONG, w.lanes.columns)


def _reader(kind: Any, result: types.Type) -> Callable[..., Any]:
    size = 8 if kind is _LONG else 4

    def code(c: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        made = b.load(pointer(b, place(b, values[0], values[1], size), kind), align=4)
        return b.sext(made, _LONG) if kind is INT else made

    return lambda base, index: (result(base, index), code)


def _writer(kind: Any, result: types.Type) -> Callable[..., Any]:
    size = 8 if kind is _LONG else 4

    def typed(base: Any, index: Any, number: Any) -> Any:
        def code(c: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
            target = pointer(b, place(b, values[0], values[1], size), kind)
            b.store(c.cast(b, values[2], number, result), target, align=4)
            return c.get_dummy_value()

        return types.void(base, index, number), code

    return typed


@intrinsic
def get(context: Any, base: Any, index: Any) -> Any:
    """The float32 with that index."""
    return _reader(FLOAT, types.float32)(base, index)


@intrinsic
def get_int(context: Any, base: Any, index: Any) -> Any:
    """The int32 with that index."""
    return _reader(INT, types.int64)(base, index)


@intrinsic
def get_long(context: Any, base: Any, index: Any) -> Any:
    """The int64 with that index."""
    return _reader(_LONG, types.int64)(base, index)


@intrinsic
def set_float(context: Any, base: Any, index: Any, number: Any) -> Any:
    """Write the float32 with that index."""
    return _writer(FLOAT, types.float32)(base, index, number)


@intrinsic
def set_long(context: Any, base: Any, index: Any, number: Any) -> Any:
    """Write the int64 with that index."""
    return _writer(_LONG, types.int64)(base, index, number)


def _widened(b: Any, kind: Vectors, raw: Any, item: ir.Type) -> Any:
    """Numbers of any of the three kinds as float32."""
    if item is FLOAT:
        return raw
    if item is _BYTE:
        return b.sitofp(raw, kind.vector)

    def each(number: int) -> ir.Constant:
        return ir.Constant(kind.integers, [ir.Constant(INT, number)] * kind.width)

    # Exponent and fraction moved to their places in float32; the product puts the bias right, subnormals included.
    bits = b.zext(raw, kind.integers)
    value = b.bitcast(b.shl(b.and_(bits, each(0x7FFF)), each(13)), kind.vector)
    value = b.bitcast(b.fmul(value, constant(kind, 2.0**112)), kind.integers)
    return b.bitcast(b.or_(value, b.shl(b.and_(bits, each(0x8000)), each(16))), kind.vector)


def _beside(item: ir.Type) -> Callable[..., Any]:
    """Codegen of a load of neighbouring numbers."""

    def typed(w: LanesType, address: Any) -> Any:
        kind = Vectors(w.lanes.width)

        def code(c: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
            raw = b.load(pointer(b, values[1], ir.VectorType(item, kind.width)), align=1)
            return _widened(b, kind, raw, item)

        return kind(w, address), code

    return typed


def _scattered(item: ir.Type) -> Callable[..., Any]:
    """Codegen of a load of one number per lane, each from an address of its own plus an offset."""

    def typed(w: LanesType, addresses: Any, offset: Any) -> Any:
        kind = Vectors(w.lanes.width)

        def code(c: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
            table = pointer(b, values[1], _LONG)
            raw = ir.Constant(ir.VectorType(item, kind.width), ir.Undefined)
            for lane in range(kind.width):
                address = b.add(b.load(b.gep(table, [ir.Constant(INT, lane)]), align=8), values[2])
                number = b.load(pointer(b, address, item), align=1)
                raw = b.insert_element(raw, number, ir.Constant(INT, lane))
            return _widened(b, kind, raw, item)

        return kind(w, addresses, offset), code

    return typed


@intrinsic
def load_half(context: Any, w: Any, address: Any) -> Any:
    """Neighbouring float16 numbers."""
    return _beside(_HALF)(w, address)


@intrinsic
def load_byte(context: Any, w: Any, address: Any) -> Any:
    """Neighbouring int8 numbers."""
    return _beside(_BYTE)(w, address)


@intrinsic
def pick(context: Any, w: Any, addresses: Any, offset: Any) -> Any:
    """A float32 for each lane."""
    return _scattered(FLOAT)(w, addresses, offset)


@intrinsic
def pick_half(context: Any, w: Any, addresses: Any, offset: Any) -> Any:
    """A float16 for each lane."""
    return _scattered(_HALF)(w, addresses, offset)


@intrinsic
def pick_byte(context: Any, w: Any, addresses: Any, offset: Any) -> Any:
    """An int8 for each lane."""
    return _scattered(_BYTE)(w, addresses, offset)
