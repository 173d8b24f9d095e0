"""``Correlation``: the projections of both token sets, and an assignment between them (Eq. 6–12 and 19–22)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from otmel.ot.assignment import Assignment, Attention, Distilled, Transport
from otmel.ot.cost import Layout, Marginals, Sides
from otmel.ot.learned import Adjustment
from otmel.ot.means import Means
from otmel.ot.transport import Plan
from otmel.settings import Settings


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
    auxiliary: Means | None


def planned(assignment: Assignment, sides: Sides, adjustment: Adjustment | None) -> Plan:
    """The plan of an assignment with what it has learned."""
    if adjustment is not None and isinstance(assignment, Transport):
        return assignment.plan(sides, adjustment.numbers)
    return assignment.plan(sides)


def assigned(assignment: Assignment, sides: Sides, adjustment: Adjustment | None) -> tuple[Tensor, Means | None]:
    """The weights of an assignment with what it has learned, and its auxiliary loss."""
    if adjustment is not None and isinstance(assignment, Transport):
        return assignment.weights(sides, adjustment.numbers)
    return assignment.weights(sides)


def adjustment_of(assignment: Assignment, dim: int) -> Adjustment | None:
    """What an assignment learns beside projections, over tokens of ``dim`` channels; ``None`` if nothing."""
    return Adjustment(assignment, dim) if isinstance(assignment, Transport) and assignment.learns else None


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
        self.adjustment = adjustment_of(assignment, dim)

    def forward(self, sides: Sides, values: Float[Tensor, "M m d"]) -> Assigned:
        """``G`` for sides whose rows are queries and whose columns are keys."""
        weights, auxiliary = self.weights(sides)
        tokens = sides.transported(weights, values)
        if self.shape.residual:
            tokens = tokens + sides.rows
        return Assigned(self.norm(tokens), auxiliary)

    def weights(self, sides: Sides) -> tuple[Float[Tensor, "... n m"], Means | None]:
        """``A`` as ``G = A H`` uses it, with dropout in training, and the auxiliary loss."""
        weights, auxiliary = assigned(self.assignment, sides, self.adjustment)
        if self.shape.dropout:
            weights = nn.functional.dropout(weights, self.shape.dropout, self.training)
        return weights, auxiliary

    def between(self, rows: Tensor, row_mask: Tensor, columns: Tensor, column_mask: Tensor) -> Assigned:
        """Project both token sets of the same items and assign, for fusion (``aligned``)."""
        sides = self.sides(self.query(rows), row_mask, self.key(columns), column_mask, "aligned")
        return self(sides, self.value(columns))

    def plan(self, sides: Sides) -> Plan:
        """The plan, or the attention map as one, for display."""
        return planned(self.assignment, sides, self.adjustment)

    def sides(self, rows: Tensor, row_mask: Tensor, columns: Tensor, column_mask: Tensor, layout: Layout) -> Sides:
        """The two sides of an assignment from projected tokens, with their marginals where these are learned."""
        marginals = None if self.adjustment is None else self.adjustment.marginals
        return Sides(rows, columns, row_mask, column_mask, layout, marginals)

    @property
    def settled(self) -> Attention | Transport:
        """The assignment as kernels take it: the student where it distils, with numbers in the place of parameters."""
        if isinstance(self.assignment, Distilled):
            return self.assignment.student
        if self.adjustment is None or isinstance(self.assignment, Attention):
            return self.assignment
        return self.assignment.settled(self.adjustment.numbers)

    @property
    def settled_marginals(self) -> Marginals | None:
        """The directions of learned marginals as kernels take them; ``None`` where they are uniform."""
        return None if self.adjustment is None else self.adjustment.settled_marginals
