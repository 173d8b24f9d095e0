"""The two domains of the Sinkhorn iteration of ``otmel.ot.transport``: on the kernel itself, and on its logarithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.ot.numerics import promoted

if TYPE_CHECKING:
    from otmel.ot.transport import Problem, Sinkhorn

_FAR = -1e30
"""The logarithm of no mass: finite, so that differences and gradients stay so, yet ``exp`` of it is 0."""


class ExpDomain:
    """The iteration on ``K`` itself: two matrix–vector products a step, accurate for ε ≥ 0.025 in float32.

    ``u`` and ``v`` scale rows and columns; a domain says how they start, follow from each other and make the plan.
    """

    def __init__(self, problem: Problem, solver: Sinkhorn) -> None:
        self.a, self.b = promoted(problem.row_weights), promoted(problem.column_weights)
        self.kernel = torch.exp(promoted(problem.cost) * (-1 / solver.epsilon))
        self.row_power, self.column_power = solver.relax
        self.null = None if problem.unmatched is None else _null(problem, solver, self.kernel).exp()

    @property
    def start(self) -> Tensor:
        """The scaling of the rows before the first step."""
        return self.kernel.new_ones(self.kernel.shape[:-1])

    def columns(self, u: Tensor) -> Tensor:
        """The scaling of the columns that follows from that of the rows."""
        return self._scaling(((self.a * u).unsqueeze(-2) @ self.kernel).squeeze(-2), self.column_power)

    def rows(self, v: Tensor) -> Tensor:
        """The scaling of the rows that follows from that of the columns."""
        return self._scaling((self.kernel @ (self.b * v).unsqueeze(-1)).squeeze(-1), self.row_power)

    def _scaling(self, sums: Tensor, power: float) -> Tensor:
        return _inverse_power(sums if self.null is None else sums + self.null, power)

    def drift(self, v: Tensor, v_next: Tensor) -> Tensor:
        """By how much one step changed a column scaling: the relative error of the column's mass."""
        return (v / v_next - 1).abs()

    def plan(self, u: Tensor, v: Tensor) -> Tensor:
        """The plan of both scalings."""
        return (self.a * u).unsqueeze(-1) * self.kernel * (self.b * v).unsqueeze(-2)


class LogDomain:
    """The same iteration on logarithms in float64: slower, and right at any temperature."""

    def __init__(self, problem: Problem, solver: Sinkhorn) -> None:
        self.log_a, self.log_b = _log(problem.row_weights), _log(problem.column_weights)
        self.filled = (problem.row_weights > 0).unsqueeze(-1) & (problem.column_weights > 0).unsqueeze(-2)
        self.log_kernel = problem.cost.double() * (-1 / solver.epsilon)
        self.row_power, self.column_power = solver.relax
        self.null = None if problem.unmatched is None else _null(problem, solver, self.log_kernel)

    @property
    def start(self) -> Tensor:
        """The scaling of the rows before the first step."""
        return self.log_kernel.new_zeros(self.log_kernel.shape[:-1])

    def columns(self, f: Tensor) -> Tensor:
        """The scaling of the columns that follows from that of the rows."""
        return self._scaling(torch.logsumexp(self.log_kernel + (self.log_a + f).unsqueeze(-1), -2), self.column_power)

    def rows(self, g: Tensor) -> Tensor:
        """The scaling of the rows that follows from that of the columns."""
        return self._scaling(torch.logsumexp(self.log_kernel + (self.log_b + g).unsqueeze(-2), -1), self.row_power)

    def _scaling(self, logs: Tensor, power: float) -> Tensor:
        return -power * (logs if self.null is None else torch.logaddexp(logs, self.null))

    def drift(self, g: Tensor, g_next: Tensor) -> Tensor:
        """By how much one step changed a column scaling: the relative error of the column's mass."""
        return torch.expm1(g - g_next).abs()

    def plan(self, f: Tensor, g: Tensor) -> Tensor:
        """The plan of both scalings."""
        log_plan = (self.log_a + f).unsqueeze(-1) + self.log_kernel + (self.log_b + g).unsqueeze(-2)
        return torch.where(self.filled, log_plan, _FAR).exp()


def _inverse_power(sums: Tensor, power: float) -> Tensor:
    # A sum is 0 only where the other side is empty; 1 keeps value and gradient finite there, and the plan is 0 anyway.
    safe = torch.where(sums > 0, sums, 1.0)
    if power == 1:
        return safe.reciprocal()
    return safe.pow(-power)


def _null(problem: Problem, solver: Sinkhorn, like: Tensor) -> Float[Tensor, ""]:
    """The logarithm of the null key's weight, ``−c₀/ε``."""
    return torch.as_tensor(problem.unmatched, dtype=like.dtype, device=like.device) * (-1 / solver.epsilon)


def _log(weights: Tensor) -> Tensor:
    weights = weights.double()
    return torch.where(weights > 0, torch.where(weights > 0, weights, 1.0).log(), _FAR)
