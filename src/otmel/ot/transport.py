"""Entropic optimal transport by Sinkhorn iterations, masked and batched (Eq. 2–3, Eq. 11 = 21, Alg. 1, Eq. 30–33).

Eq. 2 = Eq. 32 is the discrete form of Kantorovich's problem, Eq. 31 (a relaxation of Monge's, Eq. 30). Its entropic
form is Eq. 3 = Eq. 33, which differ in what they call λ: a temperature in Eq. 3, its inverse in Eq. 33 and Alg. 1. Here
there is one name, ``epsilon``, a temperature: ``K = exp(−C/ε)``. The iteration solves the wider problem

    min_P  ⟨P, C⟩ + ε KL(P | a⊗b) + ρ_r KL(P 1 | a) + ρ_c KL(Pᵀ 1 | b)

by ``v = (Kᵀ(a u))^−λc``, ``u = (K(b v))^−λr``, ``P = a u K v b`` with ``λ = ρ/(ρ + ε)``. ``relax = (λr, λc) = (1, 1)``
is balanced transport, the paper's; ``(1, 0)`` is softmax attention over cosines, ``(0, 1)`` the same the other way
round; less than one lets mass stay unmoved. A null key of cost ``c₀`` adds ``exp(−c₀/ε)`` to the sums of the one side
that is held to its weights, whose tokens may then stay unmatched.
Padding is a zero in ``a`` or ``b``: it takes no part in any sum, and an empty side gives a plan of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, field_validator
from torch import Tensor

from otmel.ot.domains import ExpDomain, LogDomain
from otmel.settings import Settings

SMALLEST_EXP_EPSILON = 0.025
"""Below this temperature the log domain takes over: scalings reach ``exp(1/ε)``, and their squares, which the
gradient of a division needs, would leave the range of float32."""


class Sinkhorn(Settings):
    """How a transport problem is solved.

    Attributes:
        epsilon: temperature of the entropy term, in units of cost (cost lies in [0, 1]).
        iterations: most iterations; one updates the columns, then the rows, so rows are exact at the end.
        tolerance: a problem whose largest relative error of a column's mass is below this stops; the others go on.
        relax: exponents (λr, λc) of the row and column updates; (1, 1) is balanced transport.
        domain: ``exp`` works on K in the input's dtype, ``log`` on log K in float64; ``auto``: ``log`` for small ε.
    """

    epsilon: float = Field(default=0.05, gt=0)
    iterations: int = Field(default=20, ge=1)
    tolerance: float | None = Field(default=None, gt=0)
    relax: tuple[float, float] = (1.0, 1.0)
    domain: Literal["auto", "exp", "log"] = "auto"

    @field_validator("relax")
    @classmethod
    def _within(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= exponent <= 1 for exponent in value):
            raise ValueError("the exponents of relax lie between 0 and 1")
        return value

    @property
    def rounds(self) -> int:
        """Iterations that change anything: where a side is free (an exponent of 0) the first has the closed form."""
        return 1 if 0 in self.relax else self.iterations

    @property
    def in_log_domain(self) -> bool:
        """Whether this solver works on logarithms in float64."""
        return self.domain == "log" or (self.domain == "auto" and self.epsilon < SMALLEST_EXP_EPSILON)


@dataclass(frozen=True)
class Problem:
    """Transport problems over any batch shape.

    Attributes:
        cost: of every row with every column.
        row_weights: the marginal asked of the rows, zero on padding.
        column_weights: the marginal asked of the columns, zero on padding.
        unmatched: what it costs a token to stay unmatched, one number; ``None``: it may not. Asks for a solver that
            leaves one side free, and is an offer to the tokens of the other.
    """

    cost: Float[Tensor, "... n m"]
    row_weights: Float[Tensor, "... n"]
    column_weights: Float[Tensor, "... m"]
    unmatched: float | Float[Tensor, ""] | None = None


@dataclass(frozen=True)
class Plan:
    """The answer of a solver.

    Attributes:
        matrix: the plan ``P``, zero on padding.
        iterations: iterations each problem took.
        row_weights: the marginal asked of the rows.
        column_weights: the marginal asked of the columns.
    """

    matrix: Float[Tensor, "... n m"]
    iterations: Int[Tensor, "..."]
    row_weights: Float[Tensor, "... n"]
    column_weights: Float[Tensor, "... m"]

    @property
    def marginal_error(self) -> Float[Tensor, "..."]:
        """``‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁``: 0 when the plan transports everything exactly, at most 2 per side."""
        rows = (self.matrix.sum(-1) - self.row_weights).abs().sum(-1)
        columns = (self.matrix.sum(-2) - self.column_weights).abs().sum(-1)
        return rows + columns

    @property
    def entropy(self) -> Float[Tensor, "..."]:
        """``H(Π) = −Σ Π log Π`` in nats (Eq. 3), of the plan as it is."""
        return -torch.special.xlogy(self.matrix, self.matrix).sum((-1, -2))


def solve(problem: Problem, solver: Sinkhorn) -> Plan:
    """Sinkhorn–Knopp (Alg. 1) with ``K = exp(−C/ε)``; differentiable through every iteration.

    A problem's result does not depend on what else is in the batch: with a tolerance, each stops by itself.

    Raises:
        ValueError: tokens may stay unmatched, and the solver does not leave exactly one side free.
    """
    if problem.unmatched is not None and sorted(solver.relax) != [0, 1]:
        raise ValueError(f"a null key goes with relax (1, 0) or (0, 1), not with {solver.relax}")
    domain = (LogDomain if solver.in_log_domain else ExpDomain)(problem, solver)
    v = domain.columns(domain.start)
    u = domain.rows(v)
    steps = torch.ones(u.shape[:-1], dtype=torch.long, device=u.device)
    for _ in range(solver.rounds - 1):
        v_next = domain.columns(u)
        if solver.tolerance is None:
            v, u = v_next, domain.rows(v_next)
            steps += 1
            continue
        moving = domain.drift(v, v_next).masked_fill(problem.column_weights <= 0, 0).amax(-1) > solver.tolerance
        if not moving.any():
            break
        v = torch.where(moving.unsqueeze(-1), v_next, v)
        u = torch.where(moving.unsqueeze(-1), domain.rows(v), u)
        steps += moving
    return Plan(domain.plan(u, v).to(problem.cost.dtype), steps, problem.row_weights, problem.column_weights)
