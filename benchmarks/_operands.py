"""Formulas and both sides of their late terms, as the plain ways and the kernels take them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks._features import WIDTH, World
from otmel.encoders import Widths
from otmel.kernels import Formula, LaneBlocks, Precision, Senders, pack
from otmel.models.base import LateState
from otmel.models.composition import Composition
from otmel.models.registry import new_model
from otmel.ot import Sinkhorn, Transport
from otmel.training.settings import preset

PARTS = ("T", "V")
"""Text and image: a pair is one late term of each."""


@cache
def composition(name: str, width: int = WIDTH) -> Composition:
    """What the score of a preset's model is made of, with the weights that it starts training with.

    Generated features have no names, so the name match is left out.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        settings = preset(name).model.model_copy(update={"hidden": width, "name_match": False})
        return new_model(settings, widths=Widths(width, width, width, width)).eval().composition()


def formula(name: str, iterations: int | None = None, width: int = WIDTH) -> Formula:
    """The late term of a preset; with ``iterations``, to that number of them and with rows that sum to one.

    Only the paper's rows are changed: the other presets scale theirs already.
    """
    found = composition(name, width).late[0].formula
    assert found is not None
    if iterations is None:
        return found
    assert isinstance(found.assignment, Transport)
    solver = Sinkhorn(epsilon=found.assignment.solver.epsilon, iterations=iterations)
    rows = "sum" if found.assignment.row_norm == "none" else found.assignment.row_norm
    return replace(found, assignment=found.assignment.model_copy(update={"solver": solver, "row_norm": rows}))


@dataclass(frozen=True)
class Operands:
    """One late term's two sides, drawn from a world.

    Attributes:
        mention: ``M`` mentions.
        entity: ``E`` entities.
    """

    mention: LateState
    entity: LateState

    @staticmethod
    def of(world: World, mentions: int, entities: int) -> dict[str, Operands]:
        """Text and image."""
        senders, receivers = world.mentions(mentions), world.entities(0, entities)
        return {part: Operands(senders.late[part], receivers.late[part]) for part in PARTS}

    @property
    def pairs(self) -> int:
        """Mentions × entities."""
        return len(self.mention) * len(self.entity)

    def part(self, mentions: int, entities: int) -> Operands:
        """The first of both."""
        return Operands(self.mention[:mentions], self.entity[:entities])

    def senders(self) -> Senders:
        """The mentions as kernels take them."""
        return Senders.of(*self.sent())

    def blocks(self, form: Formula, precision: Precision = "float32") -> LaneBlocks:
        """The entities as kernels take them."""
        queries, mask, target = self.received()
        return pack(form.queries(queries), mask, target, precision).blocks

    def sent(self) -> tuple[Float[Tensor, "M L d"], Float[Tensor, "M L d"], Bool[Tensor, "M L"]]:
        """Keys, values, mask."""
        assert self.mention.values is not None
        return self.mention.tokens, self.mention.values, self.mention.mask

    def received(self) -> tuple[Float[Tensor, "E L d"], Bool[Tensor, "E L"], Float[Tensor, "E d"]]:
        """Queries, mask, targets."""
        assert self.entity.target is not None
        return self.entity.tokens, self.entity.mask, self.entity.target
