"""Mentions as the bounds see them: sorted values, sums and diameters, computed once for any number of entities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.kernels.bounds_entities import diameters
from otmel.kernels.bounds_ratio import Sorted
from otmel.kernels.bounds_tokens import Tokens
from otmel.kernels.formula import Formula
from otmel.kernels.layout import Senders
from otmel.ot import Attention
from otmel.ot.cost import unit

Found = TypeVar("Found")


@dataclass(frozen=True)
class Prepared:
    """``M`` mentions, everything in float64 but ``tokens``.

    Attributes:
        lengths: their tokens.
        spread: diameter of each mention's keys: unit keys for a transport, over ``√d`` for attention.
        values: ``H``, sorted by channel.
        along: ``H a`` for the learned pool's direction ``a``, sorted.
        tokens: ``H`` for products in float32.
        known: what was found for entities of some kind.
    """

    lengths: Int[Tensor, " M"]
    spread: Float[Tensor, " M"]
    values: Sorted
    along: Sorted | None
    tokens: Tokens
    known: dict[tuple[object, ...], object] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lengths)

    def once(self, make: Callable[[], Found], *key: object) -> Found:
        """What was made under this key before, or is made now."""
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]  # pyright: ignore[reportReturnType]


def prepared(formula: Formula, mentions: Senders) -> Prepared:
    """What depends on the mentions alone."""
    keys, values = mentions.keys.double(), mentions.values.double()
    if not keys.shape[1]:
        keys = values = keys.new_zeros(len(keys), 1, keys.shape[2])
    mask = torch.arange(keys.shape[1]) < mentions.lengths.unsqueeze(1)
    if isinstance(formula.assignment, Attention):
        spread = diameters(keys, mask) / keys.shape[2] ** 0.5
    else:
        spread = diameters(unit(keys), mask)
    along = None
    if formula.direction is not None:
        along = Sorted.of((values @ formula.direction.double()).unsqueeze(-1), mentions.lengths)
    return Prepared(mentions.lengths, spread, Sorted.of(values, mentions.lengths), along, Tokens.of(values, mask))
