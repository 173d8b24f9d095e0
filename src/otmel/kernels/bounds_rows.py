"""Bounds on the rows ``g_i = Σ_j A_ij h_j`` of any entity of a given radius: their ends, their mean, their pool."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.kernels.bounds_ratio import ROUNDING, Sorted, drift, euclidean, extremes, tilted
from otmel.kernels.formula import Formula, Matched
from otmel.ot import Attention, LearnedPool, MaxPool, MeanPool, SoftPool, Transport
from otmel.types import TensorRecord


@dataclass(frozen=True)
class Rows(TensorRecord):
    """Channel by channel: every row lies in ``[low, high]``, the mean of all rows in ``[mean_low, mean_high]``."""

    low: Float[Tensor, "M d"]
    high: Float[Tensor, "M d"]
    mean_low: Float[Tensor, "M d"]
    mean_high: Float[Tensor, "M d"]

    @property
    def width(self) -> Float[Tensor, "M d"]:
        """By how much two rows can differ."""
        return self.high - self.low


def rows(formula: Formula, values: Sorted, spread: Float[Tensor, " M"], radius: float, mass: float) -> Rows:
    """The rows of entities of at most this radius.

    Args:
        formula: what makes the rows.
        values: of the mentions.
        spread: of the mentions, as ``row_ratio`` has it.
        radius: of the entities, as ``radii`` has it.
        mass: what a row sums to where it is neither rescaled nor a softmax: at most this.
    """
    ratio = row_ratio(formula, spread, radius)
    low, high = extremes(values, ratio)
    if row_norm(formula) == "l2":
        low, high = _lifted(values, low, high, ratio)
    if may_vanish(formula):
        low, high = low.clamp_max(0), high.clamp_min(0)
    mean_low, mean_high = low, high
    if mean_is_known(formula):
        found = extremes(values, mean_ratio(formula, spread, radius))
        mean_low, mean_high = torch.maximum(low, found[0]), torch.minimum(high, found[1])
    return Rows(*(bound * mass for bound in (low, high, mean_low, mean_high)))


def pooled(formula: Formula, found: Rows, pool_ratio: Float[Tensor, "M 1"]) -> tuple[Tensor, Tensor]:
    """Bounds of each pooled channel, without a residual's part; ``pool_ratio`` is the learned pool's."""
    if formula.residual and not isinstance(formula.pool, MeanPool):  # the weights are not the rows' own
        return found.low, found.high
    match formula.pool:
        case MeanPool():
            return found.mean_low, found.mean_high
        case SoftPool():
            return found.mean_low, tilted(found.low, found.high, found.mean_high, found.width)
        case MaxPool():
            return found.mean_low, found.high
        case LearnedPool():
            greatest = tilted(found.low, found.high, found.mean_high, pool_ratio)
            return -tilted(-found.high, -found.low, -found.mean_low, pool_ratio), greatest
        case Matched():
            raise TypeError("a late interaction has no pool; bounds_matched bounds it")


def row_norm(formula: Formula) -> str:
    """What is done to the rows: for attention nothing, they sum to one."""
    return "sum" if isinstance(formula.assignment, Attention) else formula.assignment.row_norm


def may_vanish(formula: Formula) -> bool:
    """Whether rows may end up smaller than asked: a null key takes of them, relaxed ones of nothing are not rescaled.

    Such a row is a convex combination times less than one.
    """
    transport = formula.assignment
    return isinstance(transport, Transport) and (transport.solver.relax[0] != 1 or transport.threshold is not None)


def row_ratio(formula: Formula, spread: Float[Tensor, " M"], radius: float) -> Float[Tensor, " M"]:
    """Log-ratio of the weights within a row; ``spread`` is the keys' diameter, for attention over ``√d``."""
    if isinstance(formula.assignment, Attention):
        return spread * radius
    solver = formula.assignment.solver
    balance = solver.relax[1]
    return spread * ((balance * 2 * radius + (1 - balance)) / (2 * solver.epsilon))


def mean_is_known(formula: Formula) -> bool:
    """Whether the columns' masses, and with them the mean of the rows, are near what was asked."""
    transport = formula.assignment
    balanced = not isinstance(transport, Attention) and transport.solver.relax == (1.0, 1.0)
    return balanced and row_norm(formula) != "l2"


def mean_ratio(formula: Formula, spread: Float[Tensor, " M"], radius: float) -> Float[Tensor, " M"]:
    """Log-ratio of the columns' masses, where ``mean_is_known``; never more than that of a row."""
    assert not isinstance(formula.assignment, Attention)
    solver = formula.assignment.solver
    hilbert = row_ratio(formula, spread, radius)
    return torch.minimum(drift(solver, hilbert, 2 * radius / (2 * solver.epsilon)), hilbert)


def mean_is_near(formula: Formula) -> bool:
    """Whether the mean of the rows is all but the same for every entity: whatever the tokens, within 5 %."""
    widest = torch.tensor([2.0], dtype=torch.float64)
    return mean_is_known(formula) and mean_ratio(formula, widest, 1.0).item() < 0.05


def mixture_ratio(formula: Formula, spread: Tensor, radius: float, pool_ratio: Float[Tensor, " M"]) -> Tensor:
    """Log-ratio of ``x_j = Σ_i w_i A_ij`` over ``j``: that of a row, or what the pool adds to that of the mean.

    ``x_j / c_j`` is an average of the ``L_e w_i``. With a residual the learned pool's weights are not the rows' alone.
    """
    ratio = row_ratio(formula, spread, radius)
    if not mean_is_known(formula) or (formula.residual and not isinstance(formula.pool, MeanPool)):
        return ratio
    return torch.minimum(ratio, pool_ratio + mean_ratio(formula, spread, radius))


def lift(formula: Formula, values: Sorted, spread: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Least and greatest sum of a row in units of the rows' mass, each ``[M]``."""
    least = most = torch.ones_like(spread)
    if row_norm(formula) == "l2":
        least, most = euclidean(values.lengths, row_ratio(formula, spread, radius), values.sums.shape[1])
    return (torch.zeros_like(least) if may_vanish(formula) else least), most


def _lifted(values: Sorted, low: Tensor, high: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of Euclidean length one: convex combinations times ``1/‖w‖₂``, and ``w·h ≤ ‖w‖₂ ‖h⁺‖₂``."""
    least, most = (bound.unsqueeze(1) for bound in euclidean(values.lengths, ratio, values.sums.shape[1]))
    greatest = torch.where(high > 0, torch.minimum(most * high, values.positive), least * high)
    smallest = torch.where(low < 0, torch.maximum(most * low, -values.negative), least * low)
    slack = ROUNDING * most * values.largest
    return smallest - slack, greatest + slack
