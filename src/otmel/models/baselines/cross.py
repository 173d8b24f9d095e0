"""Transformer layers in which one modality looks at the other."""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from otmel.models.settings import SystemSettings
from otmel.types import Elements

Sequence: TypeAlias = tuple[Float[Tensor, "B L d"], Bool[Tensor, "B L"]]
"""Tokens with their mask."""


class FusionSettings(SystemSettings):
    """Settings of a stack of transformer layers over both modalities.

    Attributes:
        layers: depth of the stack.
        heads: attention heads; they must divide ``hidden``.
        widening: width of the feed-forward layer, in multiples of ``hidden``.
        dropout: after every attention and feed-forward layer, and on the attention's weights.
    """

    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    widening: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _divisible(self) -> FusionSettings:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        return self


class Attention(nn.Module):
    """Multi-head attention whose answer is zero where there is nothing to attend to."""

    def __init__(self, settings: FusionSettings) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(settings.hidden, settings.heads, settings.dropout, batch_first=True)

    def forward(self, queries: Float[Tensor, "B L d"], others: Sequence) -> Float[Tensor, "B L d"]:
        """What every query gathers from the other tokens under their mask."""
        tokens, mask = others
        present = mask.any(1)[:, None]
        hidden = ~mask & present  # a row that is hidden whole would be a softmax over nothing
        gathered, _ = self.heads(queries, tokens, tokens, key_padding_mask=hidden, need_weights=False)
        return gathered.masked_fill(~present[:, None], 0)


class CrossLayer(nn.Module):
    """A layer of BERT with cross-attention, LayerNorm after each residual.

    ``x ← LN(x + MHA(x, x))``, ``x ← LN(x + MHA(x, y))``, ``x ← LN(x + W₂ gelu(W₁ x))``; ``y`` is the other modality.
    """

    def __init__(self, settings: FusionSettings) -> None:
        super().__init__()
        width, wide = settings.hidden, settings.widening * settings.hidden
        self.own, self.cross = Attention(settings), Attention(settings)
        self.feed = nn.Sequential(nn.Linear(width, wide), nn.GELU(), nn.Linear(wide, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, own: Sequence, other: Sequence) -> Float[Tensor, "B L d"]:
        """The own tokens, having looked at themselves and at the others."""
        tokens, mask = own
        tokens = self.norms[0](tokens + self.drop(self.own(tokens, (tokens, mask))))
        tokens = self.norms[1](tokens + self.drop(self.cross(tokens, other)))
        return self.norms[2](tokens + self.drop(self.feed(tokens)))


def with_summary(elements: Elements) -> Sequence:
    """The tokens behind their summary, which stands where BERT has its [CLS].

    Not every tower has a [CLS] that has seen all (CLIP's text tower reads from left to right, a convolution has none).
    """
    tokens = torch.cat([elements.cls.unsqueeze(1), elements.tokens], 1)
    return tokens, torch.cat([elements.present.unsqueeze(1), elements.mask], 1)
