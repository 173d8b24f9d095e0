"""The kernel ``numba``: vectors that LLVM keeps in registers, sixteen, eight or four entities wide (``otmel[fast]``).

The loops and their order are in ``vector_score``; this file hands tensors to them as addresses. Threads share out
blocks or pairs; jitted code runs without the interpreter's lock.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.kernels.formula import Formula, Matched
from otmel.kernels.layout import LANES, LaneBlocks, Senders
from otmel.kernels.registry import Arithmetic, Kernel
from otmel.kernels.workers import Workers
from otmel.ot import Attention
from otmel.ot.transport import SMALLEST_EXP_EPSILON

if TYPE_CHECKING:
    from otmel.kernels.vector_types import Lanes

ALONE = 64
"""Fewer pairs than this are not worth a second thread."""

WARMEST_MATCHED = 1.0
"""Cosines of a late interaction are read off ``K``, whose rounding counts ``2ε``-fold."""

PIECES = 4
"""Pieces of work per thread, so that none waits long for the last."""


class Vectorised:
    """The kernel bound to a formula.

    Args:
        formula: what is computed.
        threads: threads it may use.
        width: lanes of a vector: 16, 8 or 4; ``None`` takes the widest that this machine has.
    """

    def __init__(self, formula: Formula, threads: int = 1, width: int | None = None) -> None:
        from otmel.kernels.vector_call import form_of
        from otmel.kernels.vector_types import SHAPES, host_width

        self.lanes: Lanes = SHAPES[width or host_width()]
        self.form, self.parameters = form_of(formula)
        self.threads, self.workers = threads, Workers(threads, uses_torch=False)

    def tile(self, mentions: Senders, entities: LaneBlocks) -> Float[Tensor, "M S"]:
        """See ``Scoring``."""
        from otmel.kernels.vector_call import Call

        late = torch.zeros(len(mentions), len(entities) * LANES)
        call = Call(self.lanes, self.form, mentions, entities)
        self.workers.each(lambda part: call.tile(part, late), self._parts(len(entities), late.numel()))
        return late

    def pairs(
        self, mentions: Senders, entities: LaneBlocks, mention: Int[Tensor, " P"], slot: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """See ``Scoring``."""
        from otmel.kernels.vector_call import Call, Pairs

        late = torch.zeros(len(mention))
        call, pairs = Call(self.lanes, self.form, mentions, entities), Pairs.of(mention, slot)
        self.workers.each(lambda part: call.pairs(part, pairs, late), self._parts(len(mention), len(mention)))
        return late

    def _parts(self, count: int, pairs: int) -> list[tuple[int, int]]:
        if not count:
            return []
        pieces = 1 if self.threads == 1 or pairs <= ALONE else min(count, PIECES * self.threads)
        return [(count * n // pieces, count * (n + 1) // pieces) for n in range(pieces)]


def _refusal(formula: Formula, arithmetic: Arithmetic) -> str | None:
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed: pip install 'otmel[fast]'"
    if arithmetic != "float32":
        return f"it computes in float32, not in {arithmetic}"
    if isinstance(formula.assignment, Attention):
        return "it has no late interaction by attention" if isinstance(formula.pool, Matched) else None
    epsilon = formula.assignment.solver.epsilon
    if epsilon < SMALLEST_EXP_EPSILON:
        return f"ε = {epsilon:g} needs logarithms in float64; it computes on exp(−C/ε), for ε ≥ {SMALLEST_EXP_EPSILON}"
    if formula.marginals is not None:
        return "its marginals are uniform, not learned"
    if isinstance(formula.pool, Matched) and epsilon > WARMEST_MATCHED:
        return f"ε = {epsilon:g} hides a late interaction's cosines; it reads them off K, for ε ≤ {WARMEST_MATCHED:g}"
    return None


KERNEL = Kernel(
    "numba",
    "vectors of 16, 8 or 4 entities in registers, by numba (otmel[fast])",
    1e-6,
    _refusal,
    lambda formula, threads, arithmetic: Vectorised(formula, threads),
)
