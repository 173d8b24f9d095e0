"""Correlation assignment: who receives how much from whom. Eq. 6–12 and 19–22 are this one module.

An assignment is a value (``Attention``, ``Transport`` or ``Distilled``); ``Correlation`` owns the projections
``W_q, W_k, W_h`` and applies it. The last half-step of the transport is on the rows, the receivers, so rescaling rows
is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from otmel.ot.attention import attention_scores, pair_masks, softmax_plan
from otmel.ot.cost import Layout, Sides, cosine_cost
from otmel.ot.divergence import Divergence, SymmetricKL
from otmel.ot.numerics import promoted
from otmel.ot.transport import Plan, Problem, Sinkhorn, solve
from otmel.settings import Settings

RowNorm = Literal["none", "sum", "l2"]


class Attention(Settings):
    """Softmax over ``QKᵀ/√d``, Eq. 6–8: the paper's ATT."""

    kind: Literal["attention"] = "attention"

    def plan(self, sides: Sides) -> Plan:
        """The attention map as a plan (Eq. 7)."""
        weights = softmax_plan(attention_scores(sides), sides)
        steps = torch.zeros(weights.shape[:-2], dtype=torch.long, device=weights.device)
        return Plan(weights, steps, weights.sum(-1), weights.sum(-2))

    def weights(self, sides: Sides) -> tuple[Tensor, Tensor | None]:
        """The map ``A`` of Eq. 7, and no auxiliary loss."""
        return softmax_plan(attention_scores(sides), sides), None


class Transport(Settings):
    """Optimal transport between the tokens, Eq. 9–12.

    Attributes:
        solver: how the plan is computed.
        row_norm: what is done to the plan's rows before ``G = A H``: nothing (they sum to 1/L), sum to one, or
            length one (the released code).
        gradient: ``unrolled`` differentiates through the iterations; ``detached`` takes the plan as a constant.
    """

    kind: Literal["transport"] = "transport"
    solver: Sinkhorn = Sinkhorn()
    row_norm: RowNorm = "sum"
    gradient: Literal["unrolled", "detached"] = "unrolled"

    def plan(self, sides: Sides) -> Plan:
        """``Π* = Sinkhorn-Knopp(C, μ, ν)`` of Eq. 11 = 21."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient == "unrolled"):
            return solve(Problem(cosine_cost(sides), sides.row_weights, sides.column_weights), self.solver)

    def weights(self, sides: Sides) -> tuple[Tensor, Tensor | None]:
        """The plan with its rows scaled, and no auxiliary loss."""
        return normalised_rows(self.plan(sides).matrix, self.row_norm), None


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

    def weights(self, sides: Sides) -> tuple[Tensor, Tensor | None]:
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


class Shape(Settings):
    """What surrounds an assignment; the paper has none of it, the released code all.

    Attributes:
        bias: biases in ``W_q, W_k, W_h``.
        residual: ``Q`` added to ``G``.
        layer_norm: LayerNorm after the (residual) sum.
        dropout: dropout on the plan, in training.
    """

    bias: bool = False
    residual: bool = False
    layer_norm: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)


@dataclass(frozen=True)
class Assigned:
    """What a correlation assignment gives: the transported tokens ``G`` and the auxiliary loss, if there is one."""

    tokens: Float[Tensor, "... n d"]
    auxiliary: Float[Tensor, ""] | None


class Correlation(nn.Module):
    """``G = A H`` with ``A`` from an assignment over ``Q = X W_q``, ``K = Y W_k``, ``H = Y W_h``.

    Eq. 6–8 (attention) and Eq. 9–12 (transport) for fusion, Eq. 19–22 for matching.
    """

    def __init__(self, assignment: Assignment, dim: int, shape: Shape) -> None:
        super().__init__()
        self.assignment, self.shape = assignment, shape
        self.query = nn.Linear(dim, dim, bias=shape.bias)
        self.key = nn.Linear(dim, dim, bias=shape.bias)
        self.value = nn.Linear(dim, dim, bias=shape.bias)
        self.norm = nn.LayerNorm(dim) if shape.layer_norm else nn.Identity()

    def forward(self, sides: Sides, values: Float[Tensor, "M m d"]) -> Assigned:
        """``G`` for sides whose rows are queries and whose columns are keys."""
        weights, auxiliary = self.weights(sides)
        tokens = sides.transported(weights, values)
        if self.shape.residual:
            tokens = tokens + sides.rows
        return Assigned(self.norm(tokens), auxiliary)

    def weights(self, sides: Sides) -> tuple[Float[Tensor, "... n m"], Float[Tensor, ""] | None]:
        """``A`` as ``G = A H`` uses it, with dropout in training, and the auxiliary loss."""
        weights, auxiliary = self.assignment.weights(sides)
        if self.shape.dropout:
            weights = nn.functional.dropout(weights, self.shape.dropout, self.training)
        return weights, auxiliary

    def between(self, rows: Tensor, row_mask: Tensor, columns: Tensor, column_mask: Tensor) -> Assigned:
        """Project both token sets of the same items and assign, for fusion (``aligned``)."""
        sides = self.sides(self.query(rows), row_mask, self.key(columns), column_mask, "aligned")
        return self(sides, self.value(columns))

    @staticmethod
    def sides(rows: Tensor, row_mask: Tensor, columns: Tensor, column_mask: Tensor, layout: Layout) -> Sides:
        """The two sides of an assignment from projected tokens."""
        return Sides(rows, columns, row_mask, column_mask, layout)
