"""Encoding as a function of the entity alone, bit for bit.

A matrix product rounds a row's last bits by the row's *place* in the batch and by the batch's *shape*, not by what the
other rows hold. So every batch has one of a few fixed shapes, and every row a fixed place in it: the shape follows from
the row's own number of tokens and from whether it has an image, the place from its token ids. Then an entity gets the
same state alone, among any neighbours, in a first build or a later update; and entities that say the same tie exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from otmel.index.waiting import Waiting
from otmel.models.base import LateState, Side, State
from otmel.models.model import LinkerModel
from otmel.models.tables import Advance, Live, Table
from otmel.types import Batch, concatenate

ENCODING: Final = 1
"""Version of what this file does to an entity's bits."""
ENTITIES_AT_ONCE: Final = 16
MENTIONS_AT_ONCE: Final = 1
"""A single mention should not wait for fifteen rows that fill its batch."""
READ: Final = 16
"""Rows that are read at once."""
PLAIN: Final = 128
"""Rows of a batch of ready features."""
Pieces: TypeAlias = Iterator[tuple[Int[Tensor, " n"], State]]


def silent(done: int) -> None:
    """An ``advance`` that shows nothing."""


@dataclass(frozen=True)
class Encoding:
    """How one side becomes states.

    Attributes:
        encode: ``encode_entities`` or ``encode_mentions`` of a model.
        device: where it computes.
        positions: the most tokens that its text tower can read.
        batch: rows of a batch; 1: every row by itself.
    """

    encode: Callable[[Side], State]
    device: torch.device
    positions: int
    batch: int

    @classmethod
    def entities(cls, model: LinkerModel) -> Encoding:
        """Entities, by a model."""
        return cls(model.encode_entities, model.device, positions(model), ENTITIES_AT_ONCE)

    @classmethod
    def mentions(cls, model: LinkerModel) -> Encoding:
        """Mentions, by a model."""
        return cls(model.encode_mentions, model.device, positions(model), MENTIONS_AT_ONCE)

    @torch.no_grad()
    def state(self, side: Side) -> State:
        """The states of one batch, in main memory."""
        return self.encode(side.to(self.device)).to("cpu")


def positions(model: LinkerModel) -> int:
    """The most tokens that a model's text tower can read."""
    config = None if model.encoder is None else model.encoder.text_tower.config
    return int(getattr(config, "max_position_embeddings", 2**20))


def encoded_alike(encoding: Encoding, table: Table, rows: Tensor | None = None, advance: Advance = silent) -> State:
    """The states of rows of a table (all by default), in their order; each depends on its own row alone.

    Tables of ready features are encoded in plain batches: their last bits may depend on the batch.
    """
    rows = torch.arange(len(table)) if rows is None else rows
    content = table.content
    if not isinstance(content, Live):
        sides = (table.side(part) for part in rows.split(PLAIN))
        return concatenate([_plain(encoding, side, advance) for side in sides])
    order, states = [], []
    places = torch.arange(len(rows)).split(READ)
    read = ((part, content[rows[part]]) for part in places)
    for numbers, state in alike(encoding, read, advance):
        order.append(numbers)
        states.append(state)
    state = concatenate(states)[torch.argsort(torch.cat(order))]
    return State(state.dense, state.late, state.has_image, None if table.names is None else table.names[rows])


def alike(encoding: Encoding, read: Iterable[tuple[Int[Tensor, " n"], Batch]], advance: Advance = silent) -> Pieces:
    """The states of what is read, some rows at a time and in another order; each depends on its own row alone.

    Args:
        encoding: how.
        read: rows by number, and their content.
        advance: told how many rows are done.
    """
    waiting = Waiting(encoding.batch, encoding.positions)
    for numbers, batch in read:
        for place, number in enumerate(numbers.tolist()):
            waiting.put(number, batch[place : place + 1])
        while waiting.full:
            yield _encoded(encoding, waiting.take(), advance)
    while len(waiting):
        yield _encoded(encoding, waiting.take(), advance)


def cut(state: State) -> State:
    """A state without token columns that are padding in all its rows."""

    def shorter(late: LateState) -> LateState:
        used = late.mask.any(0).nonzero()
        length = int(used[-1]) + 1 if len(used) else 1
        values = None if late.values is None else late.values[:, :length].clone()
        return LateState(late.tokens[:, :length].clone(), late.mask[:, :length].clone(), values, late.target)

    return State(state.dense, {part: shorter(late) for part, late in state.late.items()}, state.has_image, state.names)


def _encoded(
    encoding: Encoding, taken: tuple[Batch, list[list[int]]], advance: Advance
) -> tuple[Int[Tensor, " n"], State]:
    batch, numbers = taken
    places = torch.tensor([place for place, of_one in enumerate(numbers) for _ in of_one])
    state = cut(encoding.state(Side(batch))[places])
    advance(len(places))
    return torch.tensor([number for of_one in numbers for number in of_one]), state


def _plain(encoding: Encoding, side: Side, advance: Advance) -> State:
    state = encoding.state(side)
    advance(len(state))
    return state
