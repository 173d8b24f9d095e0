"""Pooling of a set of tokens into one vector, Eq. 13–14 and the two ablations O1, O2."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from otmel.settings import Settings

_FAR = -1e9


class SoftPool(Settings):
    """Eq. 13–14 (Stergiou et al., 2021): per channel, weights ``exp(g)``; no parameters."""

    kind: Literal["soft"] = "soft"

    def build(self, dim: int) -> nn.Module:
        """The pooling module for ``dim`` channels."""
        return _Soft()


class LearnedPool(Settings):
    """The released code's pool: one learned weight per token, then a LayerNorm."""

    kind: Literal["learned"] = "learned"

    def build(self, dim: int) -> nn.Module:
        """The pooling module for ``dim`` channels."""
        return _Learned(dim)


class MeanPool(Settings):
    """Row O1 of Table 2."""

    kind: Literal["mean"] = "mean"

    def build(self, dim: int) -> nn.Module:
        """The pooling module for ``dim`` channels."""
        return _Mean()


class MaxPool(Settings):
    """Row O2 of Table 2."""

    kind: Literal["max"] = "max"

    def build(self, dim: int) -> nn.Module:
        """The pooling module for ``dim`` channels."""
        return _Max()


Pool = Annotated[SoftPool | LearnedPool | MeanPool | MaxPool, Field(discriminator="kind")]


class _Soft(nn.Module):
    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """``Σ_i w_i ⊙ g_i``, ``w_i = exp(g_i) / Σ_j exp(g_j)`` per channel; zeros for an empty set."""
        weights = tokens.masked_fill(~mask.unsqueeze(-1), _FAR).softmax(-2)
        return _filled((weights * tokens).sum(-2), mask)


class _Learned(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Linear(dim, 1)
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """``LayerNorm(Σ_i w_i g_i)`` with one softmax weight per token; zeros for an empty set."""
        weights = self.weight(tokens).masked_fill(~mask.unsqueeze(-1), _FAR).softmax(-2)
        return _filled(self.norm((weights.mT @ tokens).squeeze(-2)), mask)


class _Mean(nn.Module):
    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """The mean over content; zeros for an empty set."""
        total = (tokens * mask.unsqueeze(-1)).sum(-2)
        return total / mask.sum(-1, keepdim=True).clamp_min(1)


class _Max(nn.Module):
    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """The maximum over content, per channel; zeros for an empty set."""
        return _filled(tokens.masked_fill(~mask.unsqueeze(-1), _FAR).amax(-2), mask)


def _filled(pooled: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.any(-1, keepdim=True), pooled, 0.0)
