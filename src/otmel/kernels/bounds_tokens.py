"""Bounds of ``Σ_j x_j (h_j·t_e)`` over weights ``x`` that sum to one: from the inner products of tokens and targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otmel.kernels.bounds_channels import rounding
from otmel.kernels.bounds_entities import up
from otmel.types import TensorRecord

_ELEMENTS: Final = 400_000
"""Inner products worked on at once: they stay in a core's cache."""


@dataclass(frozen=True)
class Tokens(TensorRecord):
    """A mention's values for products in float32.

    Attributes:
        values: ``h_j``, their mean in the last row, and in every row that holds no token.
        reach: the greatest absolute value of each channel.
        lengths: how many tokens there are.
    """

    values: Float[Tensor, "M L+1 d"]
    reach: Float[Tensor, "M d"]
    lengths: Float[Tensor, " M"]

    @staticmethod
    def of(values: Float[Tensor, "M L d"], mask: Bool[Tensor, "M L"]) -> Tokens:
        """From values in float64."""
        mean = (values * mask.unsqueeze(-1)).sum(1, keepdim=True) / mask.sum(1).clamp_min(1)[:, None, None]
        filled = torch.where(mask.unsqueeze(-1), values, mean)
        return Tokens(torch.cat([filled, mean], 1).float(), up(filled.abs().amax(1)), mask.sum(1).double())

    def between(
        self, log_ratio: Float[Tensor, " M"], lift: tuple[Tensor, Tensor], targets: Tensor, tolerance: float
    ) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
        """Bounds, rounded outwards.

        No weight is below ``δ = 1 / (1 + (m − 1) e^ℓ)``, so ``x`` is ``mδ`` times the plain mean and the rest anything.

        Args:
            log_ratio: the weights' log-ratio is at most this.
            lift: the sum is then multiplied with something between these two, each ``[M]``.
            targets: ``t_e``, ``[n, d]``.
            tolerance: of the kernel whose scores shall lie within, see ``Kernel.tolerance``.
        """
        least, m = torch.exp(-log_ratio), self.lengths
        plain = torch.where(m > 1, m * least / (least + m - 1).clamp_min(1e-300), 1.0) * (1 - 1e-9)
        plain, fewest, most = (x.float().unsqueeze(1) for x in (plain, *lift))
        slack = ((rounding(targets.shape[1]) + tolerance) * self.reach) @ targets.abs().T + 1e-30
        low, mean, high = self._meetings(targets)
        low, high = plain * mean + (1 - plain) * low, plain * mean + (1 - plain) * high
        low, high = torch.minimum(fewest * low, most * low), torch.maximum(fewest * high, most * high)
        return low - most * slack, high + most * slack

    def _meetings(self, targets: Tensor) -> tuple[Tensor, ...]:
        """Least, mean and greatest inner product of a mention's tokens with each target."""
        parts = [self._ends(rows, targets) for rows in self._chunks(len(targets))]
        return tuple(torch.cat(ends) for ends in zip(*parts, strict=True))

    def _chunks(self, targets: int) -> Iterator[slice]:
        step = max(1, _ELEMENTS // max(self.values.shape[1] * targets, 1))
        for first in range(0, max(len(self.values), 1), step):
            yield slice(first, first + step)

    def _ends(self, rows: slice, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values = self.values[rows]
        meets = (values.flatten(0, 1) @ targets.T).view(*values.shape[:2], len(targets))
        return meets.amin(1), meets[:, -1], meets.amax(1)
