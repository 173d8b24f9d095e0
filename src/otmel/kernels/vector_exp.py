"""``2^x``, ``log₂ x`` and a few others in LLVM's own operations, on one vector.

Constants of ``exp2`` are a minimax fit over ``±½``; both functions are right to about one unit in the last place.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from otmel.kernels.vector_types import INT, Vectors, called, constant

_EXP2 = (0.00015353360504377633, 0.0013398875016719103, 0.00961843691766262, 0.055503323674201965, 0.24022647738456726)
_LN2 = 0.6931471824645996
_MAGIC = 12582912.0  # 1.5 · 2^23: adding it rounds to a whole number, which then stands in the lowest bits


def multiply_add(b: Any, k: Vectors, x: Any, y: Any, z: Any) -> Any:
    """``x y + z``, in one rounding where the machine has that."""
    return called(b, f"llvm.fmuladd.v{k.width}f32", k.vector, x, y, z)


def larger_of(b: Any, k: Vectors, x: Any, y: Any) -> Any:
    """The larger; ``y`` where they cannot be compared."""
    return b.select(b.fcmp_ordered(">", x, y), x, y)


def power_of_two(b: Any, k: Vectors, x: Any) -> Any:
    """``2^x``: a polynomial in what is left after rounding, its exponent moved by the whole part."""
    x = larger_of(b, k, x, constant(k, -126.0))
    shifted = b.fadd(x, constant(k, _MAGIC))
    rest = b.fsub(x, b.fsub(shifted, constant(k, _MAGIC)))
    power = constant(k, _EXP2[0])
    for number in (*_EXP2[1:], _LN2, 1.0):
        power = multiply_add(b, k, power, rest, constant(k, number))
    whole = b.shl(b.bitcast(shifted, k.integers), _integer(k, 23))
    return b.bitcast(b.add(b.bitcast(power, k.integers), whole), k.vector)


def logarithm(b: Any, k: Vectors, x: Any) -> Any:
    """``log₂ x``: the exponent, and ``artanh`` of what is left, which lies near 1."""
    bits = b.bitcast(x, k.integers)
    whole = b.ashr(b.sub(bits, _integer(k, 0x3F2AAAAB)), _integer(k, 23))  # x = 2^whole · m, m in [2/3, 4/3)
    m = b.bitcast(b.sub(bits, b.shl(whole, _integer(k, 23))), k.vector)
    s = b.fdiv(b.fsub(m, constant(k, 1.0)), b.fadd(m, constant(k, 1.0)))
    square = b.fmul(s, s)
    series = constant(k, 1 / 9)
    for number in (1 / 7, 1 / 5, 1 / 3, 1.0):
        series = multiply_add(b, k, series, square, constant(k, number))
    return multiply_add(b, k, b.fmul(series, s), constant(k, 2 / _LN2), b.sitofp(whole, k.vector))


def _integer(k: Vectors, number: int) -> ir.Constant:
    return ir.Constant(k.integers, [ir.Constant(INT, number)] * k.width)


def chosen(b: Any, k: Vectors, x: Any, limit: Any, yes: Any, no: Any) -> Any:
    """``yes`` where ``x > limit``, else ``no``."""
    return b.select(b.fcmp_ordered(">", x, limit), yes, no)
