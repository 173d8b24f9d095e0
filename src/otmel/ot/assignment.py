"""Correlation assignment: who receives how much from whom. Eq. 6–12 and 19–22 are this one module.

An assignment is a value (``Attention``, ``Transport`` or ``Distilled``); ``Correlation`` owns the projections
``W_q, W_k, W_h`` and applies it. The last half-step of the transport is on the rows, the receivers, so rescaling rows
is exact.

``Transport`` is one family, of which the paper's OT and an attention are points: with ``relax`` ``(λr, λc)``

    (1, 1) balanced      (1, 0) softmax over cosines      (0, 1) the same the other way round
    (l, 0) one-sided     both below 1: unbalanced         (1, 0) or (0, 1) with a threshold z: a null key

where the null key is one more column (or row) of cosine ``z`` that takes what matches nothing better:
``P_ij = a_i K_ij b_j / (Σ_j K_ij b_j + exp((z − 1)/2ε))``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from otmel.ot.attention import attention_scores, pair_masks, softmax_plan
from otmel.ot.cost import Sides, cosine_cost
from otmel.ot.divergence import Divergence, SymmetricKL
from otmel.ot.learned import AS_SET, Learned
from otmel.ot.means import Means
from otmel.ot.numerics import promoted
from otmel.ot.transport import Plan, Problem, Sinkhorn, solve
from otmel.settings import Settings

RowNorm = Literal["none", "marginal", "sum", "l2"]


class Attention(Settings):
    """Softmax over ``QKᵀ/√d``, Eq. 6–8: the paper's ATT."""

    kind: Literal["attention"] = "attention"

    def plan(self, sides: Sides) -> Plan:
        """The attention map as a plan (Eq. 7)."""
        weights = softmax_plan(attention_scores(sides), sides)
        steps = torch.zeros(weights.shape[:-2], dtype=torch.long, device=weights.device)
        return Plan(weights, steps, weights.sum(-1), weights.sum(-2))

    def weights(self, sides: Sides) -> tuple[Tensor, Means | None]:
        """The map ``A`` of Eq. 7, and no auxiliary loss."""
        return softmax_plan(attention_scores(sides), sides), None


class Transport(Settings):
    """Optimal transport between the tokens, Eq. 9–12.

    Attributes:
        solver: how the plan is computed.
        row_norm: what is done to the plan's rows before ``G = A H``: nothing (they sum to 1/L), divided by what was
            asked of them (a row then lacks what stays unmatched), sum to one, or length one (the released code).
        gradient: ``unrolled`` differentiates through the iterations; ``detached`` takes the plan as a constant.
        threshold: the cosine ``z`` of a null key, so that tokens may stay unmatched; ``None``: there is none. Goes with
            ``relax`` (1, 0), where it is an offer to the rows, and (0, 1), to the columns.
        marginals: every token weighs the same, or as a learned direction on each side says.
        learn: what is learned from where it is set: ``epsilon`` within a factor of four, ``threshold`` within (−1, 1).
    """

    kind: Literal["transport"] = "transport"
    solver: Sinkhorn = Sinkhorn()
    row_norm: RowNorm = "sum"
    gradient: Literal["unrolled", "detached"] = "unrolled"
    threshold: float | None = Field(default=None, le=1)
    marginals: Literal["uniform", "learned"] = "uniform"
    learn: tuple[Literal["epsilon", "threshold"], ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Transport:
        if self.threshold is not None and sorted(self.solver.relax) != [0, 1]:
            raise ValueError("a threshold goes with solver.relax (1, 0) or (0, 1), where the plan has a closed form")
        if self.threshold is not None and self.solver.relax[0] and self.row_norm in ("sum", "l2"):
            raise ValueError(f"row_norm {self.row_norm} undoes the rows' threshold: take none or marginal")
        if "threshold" in self.learn and self.threshold is None:
            raise ValueError("learn: there is no threshold to begin from")
        if self.gradient == "detached" and self.learns:
            raise ValueError("a detached plan teaches neither ε nor a threshold nor marginals")
        return self

    @property
    def learns(self) -> bool:
        """Whether anything but the tokens' projections is learned."""
        return bool(self.learn) or self.marginals == "learned"

    def plan(self, sides: Sides, learned: Learned = AS_SET) -> Plan:
        """``Π* = Sinkhorn-Knopp(C, μ, ν)`` of Eq. 11 = 21."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient == "unrolled"):
            return solve(*self._problem(sides, learned))

    def weights(self, sides: Sides, learned: Learned = AS_SET) -> tuple[Tensor, Means | None]:
        """The plan with its rows scaled, and no auxiliary loss."""
        plan = self.plan(sides, learned)
        if self.row_norm == "marginal":
            return plan.matrix / _or_one(plan.row_weights).unsqueeze(-1), None
        return normalised_rows(plan.matrix, self.row_norm), None

    def settled(self, learned: Learned) -> Transport:
        """The transport with what was learned for its own, nothing left to learn but the marginals."""
        solver, threshold = self.solver, self.threshold
        if learned.epsilon is not None:
            solver = solver.model_copy(update={"epsilon": float(learned.epsilon.detach())})
        if learned.threshold is not None:
            threshold = float(learned.threshold.detach())
        return self.model_copy(update={"solver": solver, "threshold": threshold, "learn": ()})

    def _problem(self, sides: Sides, learned: Learned) -> tuple[Problem, Sinkhorn]:
        cost, solver = cosine_cost(sides), self.solver
        threshold = self.threshold if learned.threshold is None else learned.threshold
        unmatched = None if threshold is None else (1 - threshold) / 2
        if learned.epsilon is not None:
            # C/ε is what counts: the solver is told a plain number, and the gradient passes through the cost.
            solver = self.settled(learned).solver
            factor = solver.epsilon / learned.epsilon
            cost = cost * factor.to(cost.dtype)
            unmatched = None if unmatched is None else unmatched * factor
        return Problem(cost, sides.row_weights, sides.column_weights, unmatched), solver


class Distilled(Settings):
    """§3.4: attention that learns a transport plan. Teacher in training, student in evaluation.

    Attributes:
        teacher: the transport whose plan is imitated; detached.
        student: the attention that is used.
        divergence: Eq. 28 or one of its ablations K1, K2.
    """

    kind: Literal["distilled"] = "distilled"
    teacher: Transport = Transport(gradient="detached")
    student: Attention = Attention()
    divergence: Divergence = SymmetricKL()

    def plan(self, sides: Sides) -> Plan:
        """The student's map: what the model uses once it is trained."""
        return self.student.plan(sides)

    def weights(self, sides: Sides) -> tuple[Tensor, Means | None]:
        """The student's map and, while gradients are on, its divergence from the teacher's plan (Eq. 28)."""
        scores = attention_scores(sides)
        weights = softmax_plan(scores, sides)
        if not torch.is_grad_enabled():
            return weights, None
        with torch.no_grad():
            teacher = self.teacher.plan(sides).matrix
        rows, columns = pair_masks(sides)
        return weights, self.divergence(teacher, scores, (rows & columns).expand_as(scores))


Assignment = Annotated[Attention | Transport | Distilled, Field(discriminator="kind")]


def counterpart(assignment: Assignment) -> Attention | Transport:
    """What the paper compares an assignment with: attention beside transport, the teacher (or ``Transport()``) beside
    attention.
    """
    if isinstance(assignment, Transport):
        return Attention()
    return assignment.teacher if isinstance(assignment, Distilled) else Transport()


def normalised_rows(plan: Float[Tensor, "... n m"], norm: RowNorm) -> Float[Tensor, "... n m"]:
    """Rows as they are, summing to one, or of Euclidean length one; zero rows stay zero."""
    if norm == "none":
        return plan
    wide = promoted(plan)
    if norm == "sum":
        return (wide / _or_one(wide.sum(-1, keepdim=True))).to(plan.dtype)
    return (wide * _or_one(wide.square().sum(-1, keepdim=True)).rsqrt()).to(plan.dtype)


def _or_one(sums: Tensor) -> Tensor:
    # Not a clamp: dividing an empty row by next to nothing would give it a gradient beyond every range.
    return torch.where(sums > 1e-30, sums, 1.0)
