"""One late term in a search: a kernel for its scores and, where the formula has any, bounds on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.index.segment import LateEntries
from otmel.kernels import Formula, Kernel, Scoring, Senders


@dataclass(frozen=True, eq=False)
class LateSearch:
    """What computes and bounds one late term.

    Attributes:
        kernel: the kernel's record.
        scoring: the kernel, bound to the formula.
        formula: the late term.
    """

    kernel: Kernel
    scoring: Scoring
    formula: Formula

    @property
    def bounded(self) -> bool:
        """Whether ``bounds`` has anything to say."""
        return False

    def pairs(
        self, senders: Senders, entries: LateEntries, mention: Int[Tensor, " P"], entry: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """The late scores of single pairs; 0 where either side has no tokens."""
        slot = entries.slot[entry].long()
        there = torch.nonzero((slot >= 0) & (senders.lengths[mention] > 0)).flatten()
        scores = torch.zeros(len(mention))
        if len(there):
            scores[there] = self.scoring.pairs(senders, entries.blocks, mention[there], slot[there])
        return scores

    def scores(self, senders: Senders, entries: LateEntries) -> Float[Tensor, "M n"]:
        """The late scores of every pair, the same bits as ``pairs`` gives."""
        if not len(entries.blocks):
            return torch.zeros(len(senders), len(entries.slot))
        return by_entry(self.scoring.tile(senders, entries.blocks), entries)

    def bounds(self, senders: Senders, entries: LateEntries) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
        """Bounds on the late scores of every pair."""
        raise NotImplementedError


def by_entry(by_slot: Float[Tensor, "M S"], entries: LateEntries) -> Float[Tensor, "M n"]:
    """Values by slot as values by entry; 0 where an entry has no tokens."""
    padded = torch.nn.functional.pad(by_slot, (0, 1))
    return padded.index_select(1, torch.where(entries.slot >= 0, entries.slot, by_slot.shape[1]).long())
