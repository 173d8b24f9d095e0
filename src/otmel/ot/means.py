"""Losses that are means, kept as sums and counts: those of a batch in pieces are to the last term those of the whole.

A mean of the pieces' means is not the mean of the whole where pieces are of different size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

Counted = Callable[[Tensor], Tensor]


def at_least_one(counts: Int[Tensor, " k"]) -> Tensor:
    """What sums are divided by: a mean of nothing is zero."""
    return counts.clamp_min(1)


@dataclass(frozen=True)
class Means:
    """A sum of ``k`` means.

    Attributes:
        sums: of each mean; gradients flow through them.
        counts: how many terms each sum has.
    """

    sums: Float[Tensor, " k"]
    counts: Int[Tensor, " k"]

    @staticmethod
    def one(loss: Float[Tensor, ""]) -> Means:
        """A loss that is a mean of its own batch and of no other."""
        return Means(loss.unsqueeze(0), torch.ones(1, dtype=torch.long, device=loss.device))

    @staticmethod
    def joined(losses: Sequence[Means | None]) -> Means | None:
        """The means of all losses that exist, side by side."""
        present = [loss for loss in losses if loss is not None]
        if not present:
            return None
        return Means(torch.cat([loss.sums for loss in present]), torch.cat([loss.counts for loss in present]))

    @staticmethod
    def added(pieces: Sequence[Means | None]) -> Means | None:
        """The means of a batch from those of its pieces."""
        present = [piece for piece in pieces if piece is not None]
        if not present:
            return None
        sums, counts = ([getattr(piece, name) for piece in present] for name in ("sums", "counts"))
        return Means(torch.stack(sums).sum(0), torch.stack(counts).sum(0))

    def value(self, counted: Counted = at_least_one) -> Float[Tensor, ""]:
        """The loss; ``counted`` says what a sum of so many terms is divided by."""
        return (self.sums / counted(self.counts)).sum()
