"""What a transport learns beside the projections of its tokens: its temperature, its threshold and its marginals.

All start where the settings put them, and the first two stay within bounds: ``ε = ε₀ · 4^tanh(s)`` and
``z = tanh(artanh(z₀) + t)``. Weights that start at zero are drawn back to the settings by weight decay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from otmel.ot.cost import Marginals

if TYPE_CHECKING:
    from otmel.ot.assignment import Transport

WIDEST_FACTOR = 4.0
"""A learned temperature stays within this factor of where it began."""


@dataclass(frozen=True, eq=False)
class Learned:
    """Numbers that stand in the place of a transport's own; ``None`` where its own stand."""

    epsilon: Float[Tensor, ""] | None = None
    threshold: Float[Tensor, ""] | None = None


AS_SET = Learned()


class Adjustment(nn.Module):
    """The parameters behind a transport's learned numbers; it has none where the settings ask for none."""

    def __init__(self, transport: Transport, dim: int) -> None:
        super().__init__()
        self.epsilon, self.threshold = transport.solver.epsilon, transport.threshold
        self.log_epsilon = nn.Parameter(torch.zeros(())) if "epsilon" in transport.learn else None
        self.shift = nn.Parameter(torch.zeros(())) if "threshold" in transport.learn else None
        learned = transport.marginals == "learned"
        self.rows = nn.Parameter(torch.zeros(dim)) if learned else None
        self.columns = nn.Parameter(torch.zeros(dim)) if learned else None

    @property
    def numbers(self) -> Learned:
        """Temperature and threshold as they are now."""
        epsilon = threshold = None
        if self.log_epsilon is not None:
            epsilon = self.epsilon * torch.exp(math.log(WIDEST_FACTOR) * torch.tanh(self.log_epsilon))
        if self.shift is not None:
            assert self.threshold is not None
            threshold = torch.tanh(math.atanh(min(max(self.threshold, -0.999), 0.999)) + self.shift)
        return Learned(epsilon, threshold)

    @property
    def marginals(self) -> Marginals | None:
        """The learned directions, where there are any."""
        return None if self.rows is None or self.columns is None else Marginals(self.rows, self.columns)

    @property
    def settled_marginals(self) -> Marginals | None:
        """The same in float32 on the CPU, without gradients."""
        if self.rows is None or self.columns is None:
            return None
        return Marginals(*(direction.detach().float().cpu() for direction in (self.rows, self.columns)))
