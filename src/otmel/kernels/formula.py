"""The formula of a late term as a value: what happens between the tokens of a pair and its score.

    late(m, e) = pool_i( norm( Σ_j A_ij h_j (+ q_i) ) ) · t_e

``q_i`` are the entity's tokens (they receive), ``k_j`` and ``h_j`` the mention's keys and values, ``t_e`` the entity's
target of Eq. 24. ``A`` is a softmax (Eq. 7) or the plan of a transport (Eq. 21) with its rows as ``row_norm`` says.
A late interaction transports nothing; it reads the plan ``P`` itself:

    late(m, e) = Σ_ij P_ij (cos(q_i, k_j) − z)

A kernel computes this for many pairs; nothing here knows what an entity or a mention is.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from otmel.ot import Attention, LearnedPool, Marginals, MaxPool, MeanPool, Pool, SoftPool, Transport
from otmel.ot.cost import unit


@dataclass(frozen=True, eq=False)
class Affine:
    """A LayerNorm over ``d`` channels: its scale, its shift and the number added to the variance."""

    scale: Float[Tensor, " d"]
    shift: Float[Tensor, " d"]
    eps: float


@dataclass(frozen=True)
class Matched:
    """The readout of a late interaction, ``Σ_ij P_ij (cos_ij − z)``, in the place of a pool.

    The rows of an attention, which sum to one, are given the mass 1/L of a transport's.

    Attributes:
        threshold: ``z``, what a match must be worth to count for the entity.
    """

    threshold: float = 0.0


@dataclass(frozen=True, eq=False)
class Formula:
    """One late term (Eq. 19–24 and the forms around it).

    Attributes:
        assignment: who receives how much from whom; ``Distilled`` is its student here.
        pool: how the entity's tokens become one vector, or that none is needed.
        residual: ``q_i`` added to the transported token.
        norm: LayerNorm of the transported tokens, after the residual.
        direction: the learned pool's weight vector; ``None`` for every other pool.
        pool_norm: the learned pool's LayerNorm.
        marginals: directions of a transport's learned marginals; ``None``: uniform ones.
    """

    assignment: Attention | Transport
    pool: Pool | Matched
    residual: bool = False
    norm: Affine | None = None
    direction: Float[Tensor, " d"] | None = None
    pool_norm: Affine | None = None
    marginals: Marginals | None = None

    def __post_init__(self) -> None:
        if isinstance(self.pool, LearnedPool) != (self.direction is not None):
            raise ValueError("the learned pool, and no other, has a direction")
        if self.pool_norm is not None and not isinstance(self.pool, LearnedPool):
            raise ValueError("only the learned pool has a LayerNorm")
        transport = self.assignment if isinstance(self.assignment, Transport) else None
        if (self.marginals is not None) != (transport is not None and transport.marginals == "learned"):
            raise ValueError("a transport with learned marginals, and no other assignment, has directions of them")
        if isinstance(self.pool, Matched) and (self.residual or self.norm is not None):
            raise ValueError("a late interaction transports no tokens that a residual or a LayerNorm could change")
        if isinstance(self.pool, Matched) and transport is not None and transport.row_norm != "none":
            raise ValueError(f"a late interaction reads the plan as it is, not with row_norm {transport.row_norm}")

    @property
    def keeps_lengths(self) -> bool:
        """Whether the lengths of the tokens matter; without, unit rows are all that need be stored or sent."""
        return isinstance(self.assignment, Attention) or self.residual or self.marginals is not None

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
        first = "attention" if isinstance(self.assignment, Attention) else _transport_title(self.assignment)
        pools = {SoftPool: "softpool", MaxPool: "max pool", MeanPool: "mean pool", LearnedPool: "learned pool"}
        pool = f"matched over {self.pool.threshold:g}" if isinstance(self.pool, Matched) else pools[type(self.pool)]
        extras = [
            name
            for name, there in (
                ("residual", self.residual),
                ("LayerNorm", self.norm is not None),
                ("pool LayerNorm", self.pool_norm is not None),
            )
            if there
        ]
        return ", ".join([first, pool, *extras])


def _transport_title(transport: Transport) -> str:
    solver = transport.solver
    until = f" to {solver.tolerance:g}" if solver.tolerance else ""
    extras = [
        text
        for text, there in (
            ("relaxed ({:g}, {:g})".format(*solver.relax), solver.relax != (1, 1)),
            (f"null key {transport.threshold or 0:g}", transport.threshold is not None),
            ("learned marginals", transport.marginals == "learned"),
        )
        if there
    ]
    first = f"transport ε={solver.epsilon:g}, {solver.iterations} it.{until}, rows {transport.row_norm}"
    return ", ".join([first, *extras])
