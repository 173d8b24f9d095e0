"""What every model shares: one inner product and a few late terms.

    score(m, e) = dense(m) · dense(e) + Σ_t weight_t · late_t(tokens_t(m), tokens_t(e))

A ``Scorer`` encodes each side once into a ``State`` and scores any tile of mentions and entities from states alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float
from torch import Tensor

from otmel.kernels.formula import Formula
from otmel.models.composition import Composition
from otmel.models.name_rows import NameRows
from otmel.ot.means import Means
from otmel.types import Batch, TensorRecord, Views


@dataclass(frozen=True)
class Side(TensorRecord):
    """Mentions or entities as a model takes them: encoder input or ready features, and their names if N is on."""

    content: Batch | Views | None
    names: NameRows | None = None


@dataclass(frozen=True)
class LateState(TensorRecord):
    """One side of a late term.

    Attributes:
        tokens: entity: queries ``Q = T_e W_q``; mention: keys ``K = T_m W_k`` (Eq. 19).
        values: mention: ``H = T_m W_v``; ``None`` for an entity.
        mask: where there is content.
        target: entity: ``t_e`` of Eq. 24, which the pooled ``ḡ_m`` meets; ``None`` for a mention.
    """

    tokens: Float[Tensor, "B L d"]
    mask: Bool[Tensor, "B L"]
    values: Float[Tensor, "B L d"] | None = None
    target: Float[Tensor, "B d"] | None = None


@dataclass(frozen=True)
class State(TensorRecord):
    """All that scoring needs of mentions or of entities: computed once, stored, sliced and joined at will.

    Attributes:
        dense: part → vector; the inner product of both sides' vectors.
        late: part → the tokens of its late term.
        has_image: where the image side exists; parts that need it drop out of the mean elsewhere.
        names: for the part N.
    """

    dense: dict[str, Float[Tensor, "B D"]]
    late: dict[str, LateState]
    has_image: Bool[Tensor, " B"]
    names: NameRows | None = None


@dataclass(frozen=True)
class Scores:
    """A tile of scores.

    Attributes:
        total: the overall score (Eq. 25).
        parts: part → its own score S_X, before the mean.
        share: part → its weight in the total for each pair; ``Σ share · part`` is the total.
    """

    total: Float[Tensor, "M E"]
    parts: dict[str, Float[Tensor, "M E"]]
    share: dict[str, Float[Tensor, "M E"]]

    def contribution(self, part: str) -> Float[Tensor, "M E"]:
        """What a part adds to the total; contributions sum to it."""
        return self.parts[part] * self.share[part]


class Scorer(Protocol):
    """What training, index, evaluation and service need of any model."""

    def encode_entities(self, entities: Side) -> State:
        """All the work that needs no mention."""
        ...

    def encode_mentions(self, mentions: Side) -> State:
        """All the work that needs no entity."""
        ...

    def score(self, mentions: State, entities: State) -> Scores:
        """Every mention against every entity."""
        ...

    def composition(self) -> Composition:
        """What the score is made of: all that an index needs to know of the model."""
        ...


@dataclass(frozen=True)
class Encoded:
    """A state and the auxiliary loss that arose while it was made."""

    state: State
    auxiliary: Means | None = None


class LateTerm(Protocol):
    """What computes a part's late term in training, and says it as a value for the kernels."""

    def __call__(self, mentions: LateState, entities: LateState) -> tuple[Float[Tensor, "M E"], Means | None]:
        """The term of every pair, and an auxiliary loss."""
        ...

    def formula(self) -> Formula:
        """The term as a value."""
        ...
