"""Rigorous bounds on late interactions ``Σ_ij P_ij (cos_ij − z)``: from centroids and radii, one matrix product.

With unit tokens ``q_i`` of mean ``c_e`` within ``r_e`` of it, ``k_j`` of mean ``c_m`` within ``r_m``, and one side's
masses known: the rows' ``a_i = 1/L_e`` where ``λ_r = 1``, the columns' where ``relax = (0, 1)``. A row gives
``a_i q_i·y_i`` with ``y_i`` among the ``k_j``' convex combinations, so ``Σ_ij P_ij cos_ij`` lies within ``r_m`` of
``c_e·c_m``, and within ``r_e`` where the columns are known. No cosine leaves
``c_e·c_m ± (r_e ‖c_m‖ + r_m ‖c_e‖ + r_e r_m)``.

Under a null key of cosine ``z`` each known line keeps ``μ ∈ [0, 1]`` of its mass. ``max(0, x − z)`` is convex, so its
mean lies below its chord between the ends of ``x``; and ``μ (x − z) ≥ −2ε/e``, for ``t eᵗ ≥ −1/e``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.kernels.bounds_channels import rounding
from otmel.kernels.bounds_entities import up
from otmel.kernels.bounds_part import Part
from otmel.kernels.formula import Formula, Matched
from otmel.kernels.layout import Senders
from otmel.ot import Attention, Transport
from otmel.ot.cost import uniform, unit
from otmel.ot.transport import SMALLEST_EXP_EPSILON


def refusal_of_matched(formula: Formula) -> str | None:
    """Why nothing is proven of a late interaction; ``None`` if something is."""
    transport = formula.assignment
    if isinstance(transport, Attention):
        return None
    if formula.marginals is not None:
        return "learned marginals leave the mean of the tokens that they weigh unknown"
    if transport.solver.relax[0] != 1 and transport.solver.relax != (0, 1):
        return "the plan of a transport with relaxed rows has no known mass"
    if not transport.solver.in_log_domain and transport.solver.epsilon < SMALLEST_EXP_EPSILON:
        return f"K itself may underflow at ε={transport.solver.epsilon:g}; the log domain would not"
    return None


@dataclass(frozen=True)
class Askers:
    """``M`` mentions: token counts, centroid of the unit keys, its length, the radius around it, rounded up."""

    lengths: Int[Tensor, " M"]
    centre: Float[Tensor, "M d"]
    length: Float[Tensor, "M 1"]
    radius: Float[Tensor, "M 1"]


@dataclass(frozen=True, eq=False)
class MatchedBounds:
    """Bounds of one formula's scores; an entity's ``target`` is taken for its centroid, whatever it is."""

    formula: Formula

    @property
    def title(self) -> str:
        """Which argument is used."""
        return f"centroids: mean cosine within the {'mention' if self._rows_known else 'entity'}'s radius"

    @property
    def _rows_known(self) -> bool:
        return isinstance(self.formula.assignment, Attention) or self.formula.assignment.solver.relax[0] == 1

    def describe(self, tokens: Tensor, mask: Tensor, target: Tensor) -> Float[Tensor, "E 3"]:
        """Of entities, float32, rounded up: the radius around the target, the target's distance from the mean of the
        unit tokens, and its length.
        """
        rows, centre = unit(tokens.double()), target.double()
        radius = _radius(rows, mask, centre)
        mean = (rows * uniform(mask, torch.float64).unsqueeze(-1)).sum(1)
        return up(torch.cat([radius, *(_length(of) for of in (mean - centre, centre))], 1))

    def part(self, target: Float[Tensor, "n d"], lengths: Int[Tensor, " n"], described: Float[Tensor, "n c"]) -> Part:
        """Entities ready to be bounded."""
        return Part(target, lengths, described)

    def prepare(self, mentions: Senders) -> Askers:
        """What depends on the mentions alone."""
        mask = torch.arange(mentions.keys.shape[1]) < mentions.lengths.unsqueeze(1)
        rows = unit(mentions.keys.double())
        centre = (rows * uniform(mask, torch.float64).unsqueeze(-1)).sum(1).float()
        found = (up(of) for of in (_length(centre.double()), _radius(rows, mask, centre.double())))
        return Askers(mentions.lengths, centre, *found)

    def interval(
        self, mentions: Askers, part: Part, tolerance: float = 0.0
    ) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
        """Bounds of every pair's score, rounded outwards; 0 where either side has no tokens.

        Args:
            mentions: what ``prepare`` made.
            part: the entities.
            tolerance: of the kernel whose scores shall lie within, see ``Kernel.tolerance``.
        """
        pool = self.formula.pool
        assert isinstance(pool, Matched)
        radius, off, length = part.described.T
        slack = 4 * rounding(part.target.shape[1]) * (1 + radius + length) + 1e-6
        middle = mentions.centre @ part.target.T
        reach = radius * mentions.length + mentions.radius * length + mentions.radius * radius + slack
        near = mentions.radius + off * mentions.length if self._rows_known else radius.unsqueeze(0)
        near = torch.minimum(near + slack, reach)
        low, high = self._masses((middle - reach, middle + reach), (middle - near, middle + near), pool.threshold)
        outwards = tolerance * (1 + abs(pool.threshold)) + slack
        there = (mentions.lengths > 0).unsqueeze(1) & (part.lengths > 0)
        return (low - outwards).masked_fill_(~there, 0.0), (high + outwards).masked_fill_(~there, 0.0)

    def _masses(
        self, each: tuple[Tensor, Tensor], mean: tuple[Tensor, Tensor], z: float
    ) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
        """From the ends of each cosine and of their mean to those of the score."""
        mean_low, mean_high = (bound.clamp(-1, 1) for bound in mean)
        transport = self.formula.assignment
        if not isinstance(transport, Transport) or transport.threshold is None:
            return mean_low - z, mean_high - z
        ends = [bound.clamp(-1, 1) for bound in each]
        width = (ends[1] - ends[0]).clamp_min(1e-6)
        shares = [((mean - ends[0]) / width).clamp(0, 1) for mean in (mean_low, mean_high)]
        low = shares[0] * (ends[1] - z).clamp_max(0) + (1 - shares[0]) * (ends[0] - z).clamp_max(0)
        high = shares[1] * (ends[1] - z).clamp_min(0) + (1 - shares[1]) * (ends[0] - z).clamp_min(0)
        if z == transport.threshold:
            low = low.clamp_min(-2 * transport.solver.epsilon / math.e)
        return low, high


def _radius(rows: Tensor, mask: Bool[Tensor, "n L"], centre: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
    if not rows.shape[1]:
        return centre.new_zeros(len(centre), 1)
    distance = (rows - centre.unsqueeze(1)).norm(dim=-1).masked_fill(~mask, 0)
    return distance.amax(1, keepdim=True) * (1 + 1e-9)


def _length(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
    return vectors.norm(dim=1, keepdim=True) * (1 + 1e-9)
