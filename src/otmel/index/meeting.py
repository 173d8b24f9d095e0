"""A batch of mentions meets a segment: exact scores of single pairs, and intervals that hold the score of every pair.

Every answer of an index is ordered by the exact score and no other, whatever way the search took to it: inner products
in float64, late terms as the kernel gives them, their sum in float64. It depends on nothing but the pair: not on the
batch, the neighbours in the segment, or the order in which pairs are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.index.blend import UNIT, Interval, share
from otmel.index.late import LateSearch
from otmel.index.mentions import Askers
from otmel.index.segment import Segment
from otmel.models.composition import Composition, Part

GATHERED = 2**21
"""Numbers of gathered vectors held at once."""


@dataclass(frozen=True, eq=False)
class Meeting:
    """Some mentions and a segment.

    Attributes:
        composition: what a score is made of.
        late: part → what computes and bounds its late term.
        askers: ``M`` mentions.
        segment: ``n`` entries.
        prepared: part → the mentions as the bounds see them; empty where nothing is bounded.
    """

    composition: Composition
    late: Mapping[str, LateSearch]
    askers: Askers
    segment: Segment
    prepared: Mapping[str, Any] = field(default_factory=dict)

    def exact(self, mention: Int[Tensor, " P"], entry: Int[Tensor, " P"]) -> tuple[Tensor, Tensor]:
        """Parts ``[X, P]`` and share ``[P]`` of the pairs ``(mention[p], entry[p])``, float64."""
        rows = [self._exact_part(part, mention, entry) for part in self.composition.parts]
        if self.names is not None:
            rows.append(self.names[mention, entry].double())
        both = self.askers.has_image[mention] & self.segment.has_image[entry]
        empty = torch.zeros(0, len(mention), dtype=torch.float64)
        return torch.stack(rows) if rows else empty, share(self.composition, both, torch.float64)

    def intervals(self, exactly: bool) -> tuple[list[Interval], Float[Tensor, "M n"]]:
        """Intervals of every part in the order of ``composition.names``, and the share of every pair (float32).

        Args:
            exactly: compute every late term; without, bound it.
        """
        found = [self._bounded_part(part, exactly) for part in self.composition.parts]
        if self.names is not None:
            found.append(Interval(self.names, self.names))
        both = self.askers.has_image.unsqueeze(1) & self.segment.has_image.unsqueeze(0)
        return found, share(self.composition, both, torch.float32)

    @cached_property
    def names(self) -> Float[Tensor, "M n"] | None:
        """The part N of every pair."""
        if self.composition.name_weight is None:
            return None
        assert self.segment.names is not None
        assert self.askers.words is not None
        return self.segment.names.scores(self.askers.words)

    def _exact_part(self, part: Part, mention: Tensor, entry: Tensor) -> Float[Tensor, " P"]:
        total = torch.zeros(len(mention), dtype=torch.float64)
        if part.dense:
            total += part.dense * self._products(part.name, mention, entry)
        if part.formula is not None:
            senders, entries = self.askers.senders[part.name], self.segment.late[part.name]
            total += part.late * self.late[part.name].pairs(senders, entries, mention, entry).double()
        return total

    def _products(self, part: str, mention: Tensor, entry: Tensor) -> Float[Tensor, " P"]:
        own, stored = self.askers.dense[part], self.segment.dense[part]
        step = max(1, GATHERED // max(stored.width, 1))
        products = [
            (own[m].double() * stored.rows(e).double()).sum(1)
            for m, e in zip(mention.split(step), entry.split(step), strict=True)
        ]
        return torch.cat(products) if products else torch.zeros(0, dtype=torch.float64)

    def _bounded_part(self, part: Part, exactly: bool) -> Interval:
        lower = torch.zeros(len(self.askers), len(self.segment))
        upper = torch.zeros_like(lower)
        if part.formula is not None:
            senders, entries = self.askers.senders[part.name], self.segment.late[part.name]
            late = self.late[part.name]
            if exactly:
                lower.add_(late.scores(senders, entries), alpha=part.late)
                upper.copy_(lower)
            else:
                lower, upper = (part.late * side for side in late.bounds(self.prepared[part.name], entries))
        if part.dense:
            own, stored = self.askers.dense[part.name], self.segment.dense[part.name]
            middle = stored.products(own)
            # |fl(x·y) − x·y| ≤ γ_d |x|·|y| ≤ γ_d ‖x‖‖y‖ in any order of summation; eight more for scale and norms.
            slack = ((stored.width + 8) * UNIT * own.norm(dim=1)).unsqueeze(1) * stored.norms
            lower.add_(middle, alpha=part.dense).sub_(slack, alpha=abs(part.dense))
            upper.add_(middle, alpha=part.dense).add_(slack, alpha=abs(part.dense))
        return Interval(lower, upper)
