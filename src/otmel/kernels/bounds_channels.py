"""From intervals of channels to intervals of scores, in float32 and never too narrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.kernels.bounds_entities import up
from otmel.types import TensorRecord

UNIT: Final = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}
"""Unit roundoff of a float32 product, by ``torch.get_float32_matmul_precision``."""


@dataclass(frozen=True)
class Channels(TensorRecord):
    """Where the pooled channels lie: ``centre ± half``, float32, ``half`` rounded up.

    ``reach`` is the greatest absolute value that a transported token can have in a channel.
    """

    centre: Float[Tensor, "M d"]
    half: Float[Tensor, "M d"]
    reach: Float[Tensor, "M d"]

    @staticmethod
    def between(low: Tensor, high: Tensor, reach: Tensor) -> Channels:
        """From bounds in float64."""
        centre = ((low + high) / 2).float()
        wide = centre.double()
        return Channels(centre, up(torch.maximum(high - wide, wide - low) * (1 + 1e-12)), up(reach))

    @property
    def lower(self) -> Float[Tensor, "M d"]:
        """``A``, in float64."""
        return self.centre.double() - self.half.double()

    @property
    def upper(self) -> Float[Tensor, "M d"]:
        """``B``, in float64."""
        return self.centre.double() + self.half.double()

    def times(self, factor: float) -> Channels:
        """Everything multiplied by a positive number, rounded outwards."""
        return Channels.between(self.lower * factor, self.upper * factor, self.reach.double() * factor)


def interval(
    channels: Channels, targets: Float[Tensor, "n d"], tolerance: float = 0.0
) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
    """Bounds of ``Σ_k pooled_k t_ek`` over the channels' intervals, rounded outwards.

    ``|fl(x·y) − x·y| ≤ γ_d |x|·|y|`` in any order of summation.

    Args:
        channels: intervals of the pooled channels.
        targets: ``t_e``.
        tolerance: of the kernel whose scores shall lie within, see ``Kernel.tolerance``.
    """
    gamma = rounding(targets.shape[1])
    half = (channels.half + gamma * channels.centre.abs()) * (1 + 2 * gamma) + tolerance * channels.reach
    middle, reach = channels.centre @ targets.T, half @ targets.abs().T
    return middle - reach - 1e-30, middle + reach + 1e-30


def rounding(width: int) -> float:
    """``γ`` of an inner product of ``width`` numbers and the few operations around it."""
    return 1.5 * (width + 16) * UNIT[torch.get_float32_matmul_precision()]
