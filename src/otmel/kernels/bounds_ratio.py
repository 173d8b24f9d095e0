"""What weights of bounded ratio can do to a sum, and how bounded a transport's weights are.

*Log-ratio* ``ℓ`` of weights ``w_j > 0``: ``log(max_j w_j / min_j w_j)``. 0 is a plain mean, ∞ any convex combination.
Everything here is float64; results are widened by ``ROUNDING``, far above what its sums can lose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.ot import Sinkhorn
from otmel.types import TensorRecord

ROUNDING: Final = 1e-11
"""Relative to the largest number that takes part."""


@dataclass(frozen=True)
class Sorted(TensorRecord):
    """The values of ``M`` sets of tokens, each channel in falling order, and their cumulative sums.

    Attributes:
        sums: sum of the ``t+1`` largest values, ``[M, L, d]``; beyond a set's length the sum of all.
        lengths: tokens of each set, as float64.
        largest: the greatest absolute value of each channel.
        positive: Euclidean length of the values above zero.
        negative: Euclidean length of the values below zero.
    """

    sums: Float[Tensor, "M L d"]
    lengths: Float[Tensor, " M"]
    largest: Float[Tensor, "M d"]
    positive: Float[Tensor, "M d"]
    negative: Float[Tensor, "M d"]

    @staticmethod
    def of(values: Float[Tensor, "M L d"], lengths: Int[Tensor, " M"]) -> Sorted:
        """From values in float64; what lies beyond a length is ignored."""
        beyond = (torch.arange(values.shape[1]) >= lengths.unsqueeze(1)).unsqueeze(-1)
        falling = values.masked_fill(beyond, -torch.inf).sort(1, descending=True).values.masked_fill(beyond, 0.0)
        positive, negative = falling.clamp_min(0).norm(dim=1), falling.clamp_max(0).norm(dim=1)
        largest = falling.abs().amax(1)
        return Sorted(falling.cumsum(1), lengths.double(), largest, positive, negative)


def extremes(values: Sorted, log_ratio: Float[Tensor, " M"]) -> tuple[Tensor, Tensor]:
    """Least and greatest ``Σ_j w_j x_j / Σ_j w_j`` over weights of a log-ratio of at most ``ℓ``, both ``[M, d]``.

    The quotient is greatest where the ``t`` greatest values weigh 1 and the others ``e^{−ℓ}``, for the best ``t``
    (linear-fractional, so an extreme point of the box; exchanging two weights that are out of order raises it). The
    least one mirrors it: the ``m − t`` smallest weigh 1.
    """
    least = torch.exp(-log_ratio)[:, None, None]
    m = values.lengths[:, None, None]
    t = torch.arange(1, values.sums.shape[1] + 1, dtype=torch.float64)[None, :, None].minimum(m)
    top, total = values.sums, values.sums[:, -1:]
    greatest = (top + least * (total - top)) / (t + least * (m - t)).clamp_min(1)
    # t = 0 is t = m, the plain mean; at t = m the smallest weigh 1 nowhere, which is again the mean.
    all_top = t >= m
    weigh = torch.where(all_top, m, least * t + (m - t)).clamp_min(torch.finfo(torch.float64).tiny)
    smallest = torch.where(all_top, total, least * top + (total - top)) / weigh
    slack = ROUNDING * values.largest
    return smallest.amin(1) - slack, greatest.amax(1) + slack


def tilted(low: Tensor, high: Tensor, mean: Tensor, log_ratio: Tensor) -> Tensor:
    """Greatest weighted mean of numbers in ``[low, high]`` whose plain mean is at most ``mean``, weights within ``ℓ``.

    Two-point law: a share ``p`` lies at ``high`` and weighs ``e^ℓ``, the rest at ``low`` weighs 1; ``p`` keeps the
    mean. For fixed weights the sum is linear in the numbers, so all but one lie at an end, the high ones where weights
    are great; with a share ``τ`` of great weights, ``(p + (R−1)τ)/(1 + (R−1)τ)`` grows for ``τ ≤ p`` and
    ``Rp/(1 + (R−1)τ)`` falls for ``τ ≥ p``. Softpool is the case ``ℓ = high − low``, and sharp: of all numbers with
    that mean ``Σ(g − λ)e^g`` is greatest for those on ``{low, high}``, since ``(g − λ)e^g`` lies below its chord: it
    falls at first, where it is concave, and is convex from then on.
    """
    width = (high - low).clamp_min(0)
    tiny = torch.finfo(torch.float64).tiny
    share = torch.where(width > 0, (mean - low) / width.clamp_min(tiny), 1.0).clamp(tiny, 1.0)
    lifted = low + width * (share / (share + (1 - share) * torch.exp(-log_ratio)))
    return torch.minimum(lifted + ROUNDING * torch.maximum(low.abs(), high.abs()), high)


def euclidean(lengths: Float[Tensor, " M"], log_ratio: Float[Tensor, " M"], longest: int) -> tuple[Tensor, Tensor]:
    """Least and greatest ``Σ_j w_j / ‖w‖₂`` over weights of a log-ratio of at most ``ℓ``: how ``l2`` lifts a row.

    ``‖w‖₂`` is convex, so it is greatest at an extreme point: ``t`` weights 1, the others ``e^{−ℓ}``.
    """
    least, m = torch.exp(-log_ratio)[:, None], lengths[:, None]
    t = torch.arange(1, longest + 1, dtype=torch.float64)[None].minimum(m)
    ones = (t + least * (m - t)) / (t + least.square() * (m - t)).clamp_min(1).sqrt()
    return ones.amin(1) * (1 - ROUNDING), lengths.sqrt() * (1 + ROUNDING)


def drift(solver: Sinkhorn, spread: Float[Tensor, " M"], push: float) -> Float[Tensor, " M"]:
    """Log-ratio of ``c_j / b_j``, the columns' masses over what was asked, when the rows were updated last.

    ``c_j / b_j = v_j / v'_j``, one column step ahead. A half-step contracts Hilbert's metric by ``κ = tanh(Δ/4)``
    (Birkhoff), and ``d(v², v¹) ≤ min(Δ, κ · d(u¹, 1))``, so after ``T`` iterations it is at most
    ``κ^{2(T−1)} min(Δ, κ · push)``. A problem that the tolerance stopped has ``|c_j / b_j − 1| ≤ tolerance``.

    Args:
        solver: balanced, ``relax = (1, 1)``.
        spread: ``Δ``, the diameter of ``K`` in Hilbert's metric.
        push: bound of ``d(u¹, 1)``.
    """
    contraction = torch.tanh(spread / 4)
    first = torch.minimum(spread, contraction * push)
    last = contraction ** (2 * (solver.iterations - 1)) * first
    if solver.tolerance is None:
        return last
    stopped = math.inf if solver.tolerance >= 1 else 2 * math.atanh(solver.tolerance)
    return torch.maximum(last, first.clamp_max(stopped))
