"""One late term in a search: a kernel for its scores and, where the formula has any, bounds on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.index.segment import LateEntries
from otmel.kernels import Formula, Kernel, Scoring, Senders
from otmel.kernels.bounds import Bounds, bounds
from otmel.kernels.bounds_part import Part


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
    _parts: WeakKeyDictionary[LateEntries, Part] = field(default_factory=WeakKeyDictionary, init=False, repr=False)

    @cached_property
    def bounder(self) -> Bounds | None:
        """Bounds on the term; ``None`` where nothing is proven of the formula."""
        return bounds(self.formula)

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

    def bounds(self, prepared: Any, entries: LateEntries) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
        """Bounds on the late scores of every pair, as the kernel would give them; ``prepared`` by the bounder."""
        assert self.bounder is not None
        if entries not in self._parts:
            lengths = entries.blocks.lengths.flatten()
            self._parts[entries] = self.bounder.part(entries.target, lengths, entries.described)
        lower, upper = self.bounder.interval(prepared, self._parts[entries], self.kernel.tolerance)
        return by_entry(lower, entries), by_entry(upper, entries)


def by_entry(by_slot: Float[Tensor, "M S"], entries: LateEntries) -> Float[Tensor, "M n"]:
    """Values by slot as values by entry; 0 where an entry has no tokens."""
    if bool((entries.slot >= 0).all()):
        return by_slot.index_select(1, entries.slot)
    padded = torch.nn.functional.pad(by_slot, (0, 1))
    return padded.index_select(1, torch.where(entries.slot >= 0, entries.slot, by_slot.shape[1]))
