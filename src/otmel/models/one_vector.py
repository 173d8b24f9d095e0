"""Systems that make one vector of each side: one inner product per pair."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from otmel.models.base import Encoded, Side
from otmel.models.composition import Part
from otmel.models.model import LinkerModel
from otmel.ot.means import Means
from otmel.types import Views


class OneVector(LinkerModel):
    """Base of such systems: a subclass makes its layers and implements ``vector``."""

    part: ClassVar[str] = "F"

    @property
    def parts(self) -> tuple[Part, ...]:
        """One inner product."""
        return (Part(self.part, dense=1.0),)

    @abstractmethod
    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B D"]:
        """The vector of one side."""

    def auxiliary(self, views: Views) -> Float[Tensor, ""] | None:
        """What one side adds to the loss in training."""
        return None

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """The state of one side."""
        views = self.views(side)
        state = self.state(side, views, {self.part: self.vector(views, receives=receives)})
        loss = self.auxiliary(views) if self.training else None
        return Encoded(state, None if loss is None else Means.one(loss))

    @property
    def by_rows(self) -> bool:
        """As for every system, but where a side adds something to the loss: that is of its whole batch."""
        return type(self).auxiliary is OneVector.auxiliary
