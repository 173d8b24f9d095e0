"""Pooling of a set of tokens into one vector, Eq. 13–14 and the two ablations O1, O2."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from otmel.ot.cost import uniform
from otmel.ot.numerics import far
from otmel.settings import Settings


class SoftPool(Settings):
    """Eq. 13–14 (Stergiou et al., 2021): per channel, weights ``exp(g)``; no parameters."""

    kind: Literal["soft"] = "soft"

    def build(self, dim: int) -> nn.Module:
        """The pooling module for ``dim`` channels."""
        return _Soft()


class LearnedPool(Settings):
    """The released code's pool: one learned weight per token, then a LayerNorm.

    Attributes:
        norm: the LayerNorm; without it the pool is linear in the tokens once their weights are known.
    """

    kind: Literal["learned"] = "learned"
    norm: bool = True

    def build(self, dim: int) -> nn.Module:
        """The pooling module for ``dim`` channels."""
        return _Learned(dim, self.norm)


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
        weights = tokens.masked_fill(~mask.unsqueeze(-1), far(tokens.dtype)).softmax(-2)
        return _filled((weights * tokens).sum(-2), mask)


class WeightedPool(nn.Module, ABC):
    """A pool ``Σ_i w_i g_i`` whose weights are known from one number ``g_i · direction`` per token.

    So a sum over transported tokens ``g_i = Σ_j A_ij h_j`` need never make them: see ``otmel.models.matching``.
    """

    @property
    @abstractmethod
    def direction(self) -> Float[Tensor, " d"] | None:
        """What tokens are multiplied with; ``None`` where the weights do not depend on them."""

    @abstractmethod
    def weights(
        self, along: Float[Tensor, "... L"] | None, mask: Bool[Tensor, "... L"], dtype: torch.dtype
    ) -> Float[Tensor, "... L"]:
        """The weights from ``g_i · direction``: they sum to one over content, and to zero over an empty set."""

    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """``Σ_i w_i g_i``; zeros for an empty set."""
        along = None if self.direction is None else tokens @ self.direction
        return (self.weights(along, mask, tokens.dtype).unsqueeze(-2) @ tokens).squeeze(-2)


class _Learned(WeightedPool):
    def __init__(self, dim: int, norm: bool) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1, bias=False)
        self.norm = nn.LayerNorm(dim) if norm else None

    @property
    def direction(self) -> Tensor:
        return self.score.weight[0]

    def weights(self, along: Tensor | None, mask: Tensor, dtype: torch.dtype) -> Tensor:
        assert along is not None
        return along.masked_fill(~mask, far(along.dtype)).softmax(-1) * mask

    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """``LayerNorm(Σ_i w_i g_i)`` with one softmax weight per token; zeros for an empty set."""
        pooled = super().forward(tokens, mask)
        return pooled if self.norm is None else _filled(self.norm(pooled), mask)


class _Mean(WeightedPool):
    @property
    def direction(self) -> None:
        return None

    def weights(self, along: Tensor | None, mask: Tensor, dtype: torch.dtype) -> Tensor:
        return uniform(mask, dtype)


class _Max(nn.Module):
    def forward(self, tokens: Float[Tensor, "... L d"], mask: Bool[Tensor, "... L"]) -> Float[Tensor, "... d"]:
        """The maximum over content, per channel; zeros for an empty set."""
        return _filled(tokens.masked_fill(~mask.unsqueeze(-1), far(tokens.dtype)).amax(-2), mask)


def is_weighted(pool: nn.Module) -> bool:
    """Whether pooling is a weighted sum and nothing more, so that transported tokens need not be made for it."""
    return isinstance(pool, WeightedPool) and getattr(pool, "norm", None) is None


def _filled(pooled: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.any(-1, keepdim=True), pooled, 0.0)
