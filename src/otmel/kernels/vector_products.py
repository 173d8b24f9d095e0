"""The register block of a matrix product: all that the two big products of a pair are made of."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from otmel.kernels.vector_types import FLOAT, INT, LanesType, Vectors, called, constant, intrinsic, pointer, splat

_LONG = ir.IntType(64)


@intrinsic
def products(context: Any, w: LanesType, rows: Any, columns: Any, depth: Any, out: Any) -> Any:
    """``out[c][r] = Σ_x rows[x][r] · columns[x][c]`` for ``depth`` values of ``x``, at least one.

    ``rows[x][r]`` is a vector, one number for every lane; ``columns[x][c]`` is a number, the same for every lane. The
    sums stay in registers while ``x`` runs.
    """
    return types.void(w, rows, columns, depth, out), _Block(w).code


class _Block:
    def __init__(self, w: LanesType) -> None:
        self.rows, self.columns, self.kind = w.lanes.rows, w.lanes.columns, Vectors(w.lanes.width)

    def code(self, context: Any, b: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        """Emit the loop over the depth, with all sums in registers."""
        _, rows, columns, depth, out = values
        before, loop, end = b.block, b.append_basic_block("products"), b.append_basic_block("products.end")
        b.branch(loop)
        b.position_at_end(loop)
        step = b.phi(_LONG)
        sums = [b.phi(self.kind.vector) for _ in range(self.rows * self.columns)]
        row, column = self.at(b, rows, step, self.rows * self.kind.width), self.at(b, columns, step, self.columns)
        grown = self.step(b, row, column, sums)
        following = b.add(step, ir.Constant(_LONG, 1))
        zeros = [ir.Constant(_LONG, 0)] + [constant(self.kind, 0.0)] * len(sums)
        for phi, first, later in zip([step, *sums], zeros, [following, *grown], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, b.block)
        b.cbranch(b.icmp_signed("<", following, depth), loop, end)
        b.position_at_end(end)
        for n, total in enumerate(grown):
            b.store(total, b.gep(pointer(b, out, self.kind.vector), [ir.Constant(INT, n)]), align=4)
        return context.get_dummy_value()

    def at(self, b: Any, address: Any, step: Any, floats: int) -> Any:
        return b.add(address, b.mul(step, ir.Constant(_LONG, 4 * floats)))

    def step(self, b: Any, rows: Any, columns: Any, sums: list[Any]) -> list[Any]:
        """One row times one column of the block, added to the sums."""
        numbers, tokens = pointer(b, columns, FLOAT), pointer(b, rows, self.kind.vector)
        factors = [splat(b, self.kind, self.load(b, numbers, n)) for n in range(self.columns)]
        grown = list(sums)
        for r in range(self.rows):
            token = self.load(b, tokens, r)
            for n, factor in enumerate(factors):
                name, at = f"llvm.fmuladd.v{self.kind.width}f32", n * self.rows + r
                grown[at] = called(b, name, self.kind.vector, token, factor, sums[at])
        return grown

    def load(self, b: Any, first: Any, index: int) -> Any:
        return b.load(b.gep(first, [ir.Constant(INT, index)]), align=4)
