"""Rigorous bounds on late scores without a plan: per mention once, then two matrix products over the entities' targets.

    late(m, e) = Σ_k pooled_k(m, e) t_ek,    pooled_k ∈ [A_k, B_k]  for every entity of a radius

Three facts carry them, for a plan whose rows were updated last:

1. *Rows.* Before it is rescaled, row ``i`` is ``∝ K_ij v_j b_j`` with ``1/v_j = Σ_i' a_i' u_i' K_i'j``. So
   ``P_ij / P_ij' = 1 / avg_i' exp(s (q_i' − q_i)·(k_j − k_j'))`` for some average, ``s = 1/(2ε)``, and the weights of a
   row have a log-ratio of at most ``ℓ = s D_e D_m``, the product of the diameters of both sides' unit tokens; with
   ``relax`` ``(λ_r, λ_c)``, ``s (λ_c D_e + (1 − λ_c)) D_m``. For attention it is ``max ‖q_i‖ D_m / √d``.
2. *Mean.* The mean of all rows is ``Σ_j c_j h_j`` with the columns' masses ``c_j``, near ``1/L_m`` (see ``drift``).
3. *Pool.* A pool weighs the rows; the log-ratio of its weights is ``max g − min g`` (softpool), that of ``g·a``
   (learned), 0 (mean) or ∞ (maximum), and numbers with known ends and mean have a two-point law (see ``tilted``).

Where a pool weighs whole tokens, ``late = Σ_j x_j (h_j·t_e)`` with one ``x`` for all channels, which is bounded by
the least, the mean and the greatest ``h_j·t_e``: L times the work, and far tighter than channel by channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.kernels.bounds_channels import Channels, interval
from otmel.kernels.bounds_entities import Kind, described, kinds, own_part, runs
from otmel.kernels.bounds_matched import MatchedBounds, refusal_of_matched
from otmel.kernels.bounds_mentions import Prepared, prepared
from otmel.kernels.bounds_part import Part
from otmel.kernels.bounds_rows import lift, mean_is_known, mean_is_near, mixture_ratio, pooled, row_norm, rows
from otmel.kernels.formula import Formula, Matched
from otmel.kernels.layout import Senders
from otmel.ot import Attention, LearnedPool, MeanPool
from otmel.ot.transport import SMALLEST_EXP_EPSILON

Interval = tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]


def refusal(formula: Formula) -> str | None:
    """Why nothing is proven of a formula; ``None`` if something is."""
    if isinstance(formula.pool, Matched):
        return refusal_of_matched(formula)
    transport = formula.assignment
    if isinstance(transport, Attention) or formula.norm is not None or formula.pool_norm is not None:
        return None
    if formula.marginals is not None:
        return "learned marginals leave the mean of the rows unknown"
    if transport.row_norm in ("none", "marginal") and transport.solver.relax[0] != 1:
        return "the rows of a transport with relaxed rows have no known mass"
    if not transport.solver.in_log_domain and transport.solver.epsilon < SMALLEST_EXP_EPSILON:
        return f"K itself may underflow at ε={transport.solver.epsilon:g}; the log domain would not"
    return None


def bounds(formula: Formula) -> Bounds | None:
    """Bounds for a formula, or ``None`` where nothing is proven (``refusal`` says why)."""
    if refusal(formula):
        return None
    return MatchedBounds(formula) if isinstance(formula.pool, Matched) else LateBounds(formula)


@dataclass(frozen=True, eq=False)
class LateBounds:
    """Bounds of one formula's scores."""

    formula: Formula

    @property
    def title(self) -> str:
        """Which argument is used, and how tight it is."""
        if self.normed:
            return "sphere: the LayerNorm alone, nothing of the mention; loose"
        mean = "mean within the columns' error" if mean_is_known(self.formula) else "hull"
        if self.by_token:
            return f"tokens: least, mean and greatest h_j·t_e, {mean}"
        return f"channels: {mean}, rows within the ratio of their weights"

    @property
    def normed(self) -> bool:
        """Whether a LayerNorm comes after the plan."""
        return self.formula.norm is not None or self.formula.pool_norm is not None

    @property
    def by_token(self) -> bool:
        """Whether ``h_j·t_e`` bound the score better than channels do: where the pool weighs whole tokens."""
        if self.normed or not isinstance(self.formula.pool, (LearnedPool, MeanPool)):
            return False
        return isinstance(self.formula.pool, LearnedPool) or not mean_is_near(self.formula)

    def describe(self, tokens: Tensor, mask: Tensor, target: Tensor) -> Float[Tensor, "E c"]:
        """What is to be kept of entities, float32; see ``bounds_entities.described``."""
        return described(self.formula, tokens, mask, target)

    def part(self, target: Float[Tensor, "n d"], lengths: Int[Tensor, " n"], described: Float[Tensor, "n c"]) -> Part:
        """Entities ready to be bounded, any number of times; tightest if neighbours are alike in length and radius."""
        return Part(target, lengths, described, kinds(self.formula, lengths, described[:, 0]))

    def prepare(self, mentions: Senders) -> Prepared:
        """What depends on the mentions alone."""
        return prepared(self.formula, mentions)

    def channels(self, mentions: Prepared, length: int, radius: float) -> Channels:
        """Intervals of the pooled channels (without a residual's part) for entities of this length and radius."""
        return self._per_mass(mentions, Kind(length, radius)).times(1 / length if self._shares_mass else 1.0)

    def interval(self, mentions: Prepared, part: Part, tolerance: float = 0.0) -> Interval:
        """Bounds of every pair's score, rounded outwards; 0 where either side has no tokens.

        Args:
            mentions: what ``prepare`` made.
            part: the entities.
            tolerance: of the kernel whose scores shall lie within, see ``Kernel.tolerance``.
        """
        low = torch.zeros(len(mentions), len(part))
        high = torch.zeros(len(mentions), len(part))
        for run, kind in runs(part.tiles):
            low[:, run], high[:, run] = self._run(mentions, kind, part[run], tolerance)
        there = (mentions.lengths > 0).unsqueeze(1) & (part.lengths > 0)
        return low.masked_fill_(~there, 0.0), high.masked_fill_(~there, 0.0)

    @property
    def _shares_mass(self) -> bool:
        return row_norm(self.formula) == "none"

    def _run(self, mentions: Prepared, kind: Kind, part: Part, tolerance: float) -> Interval:
        low = high = torch.zeros(len(mentions), len(part))
        if self.by_token:
            low, high = self._tokens(mentions, kind, part.target, tolerance)
        elif not self.normed:
            channels = mentions.once(lambda: self._per_mass(mentions, kind), "channels", kind)
            low, high = interval(channels, part.target, tolerance)
        if self._shares_mass:
            mass = part.lengths.clamp_min(1).float().reciprocal()
            low, high = low * mass, high * mass
        if part.described.shape[1] > 1:
            level = mentions.once(lambda: self._pool_ratio(mentions, kind), "level", kind)
            own_low, own_high = own_part(part.described, level, tolerance)
            low, high = low + own_low, high + own_high
        return low, high

    def _pool_ratio(self, mentions: Prepared, kind: Kind) -> Float[Tensor, " M"]:
        """Log-ratio of what the transported tokens do to a pool's weights; 0 where the pool does not look at them."""
        if mentions.along is None or self.normed:
            return torch.zeros(len(mentions), dtype=torch.float64)
        found = rows(self.formula, mentions.along, mentions.spread, kind.radius, kind.mass(self._shares_mass))
        return found.width.squeeze(1)

    def _per_mass(self, mentions: Prepared, kind: Kind) -> Channels:
        """Channels in units of the rows' mass ``1/L_e``, where rows are as the plan has them."""
        mass = kind.mass(self._shares_mass)
        found = rows(self.formula, mentions.values, mentions.spread, kind.radius, mass)
        low, high = pooled(self.formula, found, self._pool_ratio(mentions, kind).unsqueeze(1))
        return Channels.between(low, high, torch.maximum(found.high, -found.low)).times(1 / mass)

    def _tokens(self, mentions: Prepared, kind: Kind, targets: Tensor, tolerance: float) -> Interval:
        def found() -> tuple[Tensor, tuple[Tensor, Tensor]]:
            pool_ratio = self._pool_ratio(mentions, kind)
            ratio = mixture_ratio(self.formula, mentions.spread, kind.radius, pool_ratio)
            return ratio, lift(self.formula, mentions.values, mentions.spread, kind.radius)

        return mentions.tokens.between(*mentions.once(found, "tokens", kind), targets, tolerance)


Bounds = LateBounds | MatchedBounds
"""What bounds a formula; ``prepare`` of the one says nothing to the other."""
