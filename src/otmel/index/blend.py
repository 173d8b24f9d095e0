"""What mentions are ranked by: the whole score or one part of it alone, as a number or as an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otmel.models.composition import Composition

UNIT: Final = 2.0**-24
"""Half the distance of 1 to the next float32."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Bounds on one score per pair ``[M, n]``, float32, rounded outwards."""

    lower: Float[Tensor, "M n"]
    upper: Float[Tensor, "M n"]

    @staticmethod
    def around(middle: Float[Tensor, "M n"], slack: Float[Tensor, "M n"]) -> Interval:
        """``middle ± slack``."""
        return Interval(middle - slack, middle + slack)

    @property
    def size(self) -> Float[Tensor, "M 1"]:
        """The greatest absolute value that each mention's scores may have; NaN where one is."""
        if not self.lower.shape[1]:
            return torch.zeros(len(self.lower), 1)
        return torch.maximum(self.upper.amax(1, keepdim=True), -self.lower.amin(1, keepdim=True)).clamp_min(0)


@dataclass(frozen=True, eq=False)
class Blend:
    """One way of adding up the parts of a pair.

    Attributes:
        composition: the model's score.
        alone: the one part that counts; ``None``: the whole score.
    """

    composition: Composition
    alone: str | None = None

    def total(self, parts: Float[Tensor, "X P"], share: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
        """The score from its parts, which stand in the order of ``composition.names``; float64."""
        if self.alone is not None:
            return parts[self.composition.names.index(self.alone)]
        total = torch.zeros(parts.shape[1], dtype=parts.dtype)
        # One after the other: the order of summation is the same for every pair.
        for part, row in zip(self.composition.parts, parts, strict=False):
            total = total + (share * row if part.averaged else row)
        weight = self.composition.name_weight
        return total if weight is None else total + weight * parts[-1]

    def interval(self, parts: Sequence[Interval], share: Float[Tensor, "M n"]) -> Interval:
        """Bounds on the score from bounds on its parts, rounded outwards."""
        if self.alone is not None:
            one = parts[self.composition.names.index(self.alone)]
            return _outwards(one.lower.clone(), one.upper.clone(), one.size)
        lower, upper = torch.zeros_like(share), torch.zeros_like(share)
        size = torch.zeros(len(share), 1)
        for part, one in zip(self.composition.parts, parts, strict=False):
            factor = share if part.averaged else torch.ones(1)
            lower.addcmul_(factor, one.lower)
            upper.addcmul_(factor, one.upper)
            size = size + one.size  # no share is above one
        weight = self.composition.name_weight
        if weight is not None:
            names = parts[-1].lower  # known exactly, so a negative weight turns nothing round
            lower.add_(names, alpha=weight)
            upper.add_(names, alpha=weight)
            size = size + abs(weight) * parts[-1].size
        return _outwards(lower, upper, size)


def share(composition: Composition, both_images: Bool[Tensor, "..."], dtype: torch.dtype) -> Float[Tensor, "..."]:
    """One over the number of averaged parts that a pair has (Eq. 25)."""
    averaged = [part for part in composition.parts if part.averaged]
    always = sum(not part.needs_image for part in averaged)
    with_image, without = (1 / max(count, 1) for count in (len(averaged), always))
    return torch.where(both_images, torch.tensor(with_image, dtype=dtype), torch.tensor(without, dtype=dtype))


def _outwards(lower: Tensor, upper: Tensor, size: Float[Tensor, "M 1"]) -> Interval:
    """Room for the rounding of a dozen float32 operations on numbers of ``size``; in place."""
    room = 16 * UNIT * size
    return Interval(lower.sub_(room), upper.add_(room))
