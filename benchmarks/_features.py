"""Generated mentions and entities in the form in which a model leaves them: nothing is encoded here.

``random`` tokens are independent normal numbers. ``clustered`` tokens lie around their item's own middle, which lies
around one of a few topics, as encoders' tokens do: cosines are then far from zero, and plans far from uniform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otmel.models.base import LateState, State

Kind = Literal["random", "clustered"]
WIDTH: Final = 96
TEXT_TOKENS, IMAGE_TOKENS = 40, 50
TOPICS: Final = 200


@dataclass(frozen=True)
class World:
    """What entities and mentions are drawn from.

    Attributes:
        kind: how tokens are drawn.
        ragged: texts of 3 … 40 tokens, most of them short; else all of 40.
        images: share of the items that have an image.
        width: channels ``d``.
        seed: of everything.
    """

    kind: Kind = "random"
    ragged: bool = False
    images: float = 1.0
    width: int = WIDTH
    seed: int = 0

    def entities(self, first: int, count: int) -> State:
        """Entities ``first …`` of an endless list."""
        return self._state(2 * first + 1, count, sends=False)

    def mentions(self, count: int, first: int = 0) -> State:
        """Mentions ``first …`` of another endless list."""
        return self._state(2 * first, count, sends=True)

    def segments(self, count: int, size: int) -> Iterator[tuple[Tensor, State]]:
        """All ``count`` entities, ``size`` at a time: their rows and states."""
        for first in range(0, count, size):
            yield torch.arange(first, min(first + size, count)), self.entities(first, min(size, count - first))

    def _state(self, stream: int, count: int, sends: bool) -> State:
        draw = _Draw(self, torch.Generator().manual_seed(self.seed * 7919 + stream))
        text = draw.late(draw.text_mask(count), sends)
        has_image = draw.uniform(count) < self.images
        image = draw.late(has_image.unsqueeze(1).expand(-1, IMAGE_TOKENS).clone(), sends)
        fused = draw.normal(count, 2 * self.width)
        dense = {
            "F": fused,
            **{
                part: draw.normal(count, self.width) if late.target is None else late.target
                for part, late in (("T", text), ("V", image))
            },
        }
        dense["V"] = torch.where(has_image.unsqueeze(1), dense["V"], 0.0)
        return State(dense, {"T": text, "V": image}, has_image)


@dataclass(frozen=True)
class _Draw:
    world: World
    generator: torch.Generator

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator)

    def text_mask(self, count: int) -> Bool[Tensor, "n 40"]:
        """Lengths fall off as squares of a uniform number: half of them are below 13."""
        lengths = torch.full((count,), float(TEXT_TOKENS))
        if self.world.ragged:
            lengths = 3 + (TEXT_TOKENS - 3) * self.uniform(count).square()
        return torch.arange(TEXT_TOKENS) < lengths.round().unsqueeze(1)

    def late(self, mask: Bool[Tensor, "n L"], sends: bool) -> LateState:
        """One side of a late term: a mention sends keys and values, an entity receives and has a target."""
        tokens = self.tokens(mask)
        if sends:
            return LateState(tokens, mask, values=self.tokens(mask))
        target = torch.where(mask.any(1, keepdim=True), self.normal(len(mask), self.world.width), 0.0)
        return LateState(tokens, mask, target=target)

    def tokens(self, mask: Bool[Tensor, "n L"]) -> Float[Tensor, "n L d"]:
        """Tokens of variance one, zero on padding."""
        tokens = self.normal(*mask.shape, self.world.width)
        if self.world.kind == "clustered":
            count, width = len(mask), self.world.width
            topics = torch.randn(TOPICS, width, generator=torch.Generator().manual_seed(self.world.seed))
            chosen = topics[torch.randint(TOPICS, (count,), generator=self.generator)]
            middle = (chosen + self.normal(count, width)) * 0.5
            tokens = 0.7 * tokens + middle.unsqueeze(1)
        return tokens.masked_fill(~mask.unsqueeze(-1), 0)
