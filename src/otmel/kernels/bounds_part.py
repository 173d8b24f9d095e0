"""Entities that are to be bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from otmel.kernels.bounds_entities import Kind


@dataclass(frozen=True)
class Part:
    """Some entities, see ``LateBounds.part``.

    Attributes:
        target: ``t_e``.
        lengths: token counts.
        described: what ``LateBounds.describe`` said of them.
        tiles: the kinds of neighbours that are bounded alike.
    """

    target: Float[Tensor, "n d"]
    lengths: Int[Tensor, " n"]
    described: Float[Tensor, "n c"]
    tiles: Sequence[Kind] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, entities: slice) -> Part:
        return Part(self.target[entities], self.lengths[entities], self.described[entities])
