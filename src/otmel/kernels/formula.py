"""The formula of a late term as a value: what happens between the tokens of a pair and its score.

    late(m, e) = pool_i( norm( Σ_j A_ij h_j (+ q_i) ) ) · t_e

``q_i`` are the entity's tokens (they receive), ``k_j`` and ``h_j`` the mention's keys and values, ``t_e`` the entity's
target of Eq. 24. ``A`` is a softmax (Eq. 7) or the plan of a transport (Eq. 21) with its rows as ``row_norm`` says.
A kernel computes this for many pairs; nothing here knows what an entity or a mention is.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from otmel.ot import Attention, LearnedPool, MaxPool, MeanPool, Pool, SoftPool, Transport
from otmel.ot.cost import unit


@dataclass(frozen=True, eq=False)
class Affine:
    """A LayerNorm over ``d`` channels: its scale, its shift and the number added to the variance."""

    scale: Float[Tensor, " d"]
    shift: Float[Tensor, " d"]
    eps: float


@dataclass(frozen=True, eq=False)
class Formula:
    """One late term (Eq. 19–24 and the forms around it).

    Attributes:
        assignment: who receives how much from whom; ``Distilled`` is its student here.
        pool: how the entity's tokens become one vector.
        residual: ``q_i`` added to the transported token.
        norm: LayerNorm of the transported tokens, after the residual.
        direction: the learned pool's weight vector; ``None`` for every other pool.
        pool_norm: the learned pool's LayerNorm.
    """

    assignment: Attention | Transport
    pool: Pool
    residual: bool = False
    norm: Affine | None = None
    direction: Float[Tensor, " d"] | None = None
    pool_norm: Affine | None = None

    def __post_init__(self) -> None:
        if isinstance(self.pool, LearnedPool) != (self.direction is not None):
            raise ValueError("the learned pool, and no other, has a direction")
        if self.pool_norm is not None and not isinstance(self.pool, LearnedPool):
            raise ValueError("only the learned pool has a LayerNorm")

    @property
    def keeps_lengths(self) -> bool:
        """Whether the lengths of the tokens matter; without, unit rows are all that need be stored or sent."""
        return isinstance(self.assignment, Attention) or self.residual

    @property
    def direct(self) -> bool:
        """Whether the score follows without the transported tokens (see ``otmel.models.matching``)."""
        weighted = isinstance(self.pool, (LearnedPool, MeanPool))
        return weighted and self.norm is None and self.pool_norm is None

    def queries(self, tokens: Float[Tensor, "E L d"]) -> Float[Tensor, "E L d"]:
        """The entity's tokens in the form in which kernels take them."""
        return tokens if self.keeps_lengths else unit(tokens)

    @property
    def title(self) -> str:
        """One line that names every choice."""
        if isinstance(self.assignment, Attention):
            first = "attention"
        else:
            solver = self.assignment.solver
            until = f" to {solver.tolerance:g}" if solver.tolerance else ""
            first = f"transport ε={solver.epsilon:g}, {solver.iterations} it.{until}, rows {self.assignment.row_norm}"
        pools = {SoftPool: "softpool", MaxPool: "max pool", MeanPool: "mean pool", LearnedPool: "learned pool"}
        extras = [
            name
            for name, there in (
                ("residual", self.residual),
                ("LayerNorm", self.norm is not None),
                ("pool LayerNorm", self.pool_norm is not None),
            )
            if there
        ]
        return ", ".join([first, pools[type(self.pool)], *extras])
