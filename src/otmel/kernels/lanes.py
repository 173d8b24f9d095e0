"""The kernel ``lanes``: plain torch on the lane layout, always there.

For every tile of 64 entities and every mention, with ``Q`` as ``[d, L·64]``:

    1. ``X = K Q``                              one product; the keys carry ``log2(e)/(2ε)`` or ``1/√d``
    2. ``A``                                    Sinkhorn or softmax, sums over leading axes (``lane_plan``)
    3. ``G = Hᵀ A``, pool, ``· t_e``            one product, or none where the pool is a weighted sum (``lane_pool``)

Every step works on a whole tile in place, small enough for the cache next to the core. A score's bits depend on nothing
but its pair: products and sums treat every lane alike (``alike``), mentions are taken one by one at their own length,
and threads share out tiles, never the work within one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.kernels.alike import WIDE
from otmel.kernels.formula import Formula
from otmel.kernels.lane_plan import weights
from otmel.kernels.lane_pool import scores
from otmel.kernels.lane_tile import Sent, Tile, block_tile, slot_tile
from otmel.kernels.layout import LANES, LaneBlocks, Senders
from otmel.kernels.registry import Arithmetic, Kernel
from otmel.kernels.workers import Workers


class _Lanes:
    def __init__(self, formula: Formula, threads: int) -> None:
        self.formula, self.workers = formula, Workers(threads)

    def tile(self, mentions: Senders, entities: LaneBlocks) -> Float[Tensor, "M S"]:
        """See ``Scoring``; tiles of entities go to the workers."""
        late = torch.zeros(len(mentions), len(entities) * LANES)
        sent = [Sent.of(self.formula, mentions, row) for row in range(len(mentions))]

        def score(first: int) -> None:
            tile = block_tile(self.formula, entities, first)
            columns = slice(first * LANES, min(first * LANES + WIDE, late.shape[1]))
            for row, mention in enumerate(sent):
                if mention is not None:
                    late[row, columns] = self._scores(mention, tile)[: columns.stop - columns.start]

        self.workers.each(_quiet(score), range(0, len(entities), WIDE // LANES))
        return late

    def pairs(
        self, mentions: Senders, entities: LaneBlocks, mention: Int[Tensor, " P"], slot: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """See ``Scoring``; the pairs of a mention are gathered into tiles."""
        late = torch.zeros(len(mention))
        order = torch.argsort(slot, stable=True)  # slots lie in order of length, so tiles hold little padding
        order = order[torch.argsort(mention[order], stable=True)]
        counts = torch.bincount(mention, minlength=len(mentions)).tolist()
        parts = [
            (row, part)
            for row, mine in enumerate(order.split(counts))
            if len(mine) and mentions.lengths[row] > 0
            for part in mine.split(WIDE)
        ]
        sent = {row: Sent.of(self.formula, mentions, row) for row, _ in parts}

        def score(item: tuple[int, Tensor]) -> None:
            row, part = item
            mine = sent[row]
            assert mine is not None
            late[part] = self._scores(mine, slot_tile(self.formula, entities, slot[part].long()))[: len(part)]

        self.workers.each(_quiet(score), parts)
        return late

    def _scores(self, mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
        return scores(self.formula, weights(self.formula, mention, tile), mention, tile)


def _quiet(score: Callable[..., None]) -> Callable[..., None]:
    return torch.no_grad()(score)


def _refusal(formula: Formula, arithmetic: Arithmetic) -> str | None:
    return None if arithmetic == "float32" else f"it computes in float32, not in {arithmetic}"


KERNEL = Kernel(
    "lanes",
    "plain torch on the lane layout, always there",
    1e-6,
    _refusal,
    lambda formula, threads, arithmetic: _Lanes(formula, threads),
)
