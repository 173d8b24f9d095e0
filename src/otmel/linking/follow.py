"""A linker follows its graph: what did not change is neither encoded nor copied.

The segments of the index stay as they are; entries whose entity is gone or says something else are masked out, and what
is new is encoded into a segment of its own. The last changes' states are kept, so that a thousand small changes make
one segment and not a thousand. The result answers as a linker that encodes the whole graph does, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.moves import Moves
from otmel.index.encode import Encoding, alike
from otmel.index.index import SEGMENT
from otmel.index.layout import INDEX
from otmel.index.packing import packed
from otmel.index.places import Places
from otmel.index.segment import Segment
from otmel.inputs import InputProcessor
from otmel.kernels import Precision
from otmel.models.base import State
from otmel.models.name_rows import NameRows, NameTable
from otmel.models.names import names_of
from otmel.progress import progress
from otmel.remote import Place, local
from otmel.types import Batch, concatenate

if TYPE_CHECKING:
    from otmel.linking.linker import Linker

RECENT: Final = 1_024
"""Entities of the last changes whose states are kept."""
READ: Final = 64
"""Entities read at once."""


@dataclass(frozen=True)
class Recent:
    """The entities that changed last.

    Attributes:
        rows: their graph rows ``[n]``.
        state: their states, without names.
        names: their names and aliases.
        processor: reads entities; it keeps no image, since one may have changed under its path.
    """

    rows: np.ndarray
    state: State | None
    names: Sequence[list[str]]
    processor: InputProcessor

    def __len__(self) -> int:
        return len(self.rows)


def followed(linker: Linker, graph: KnowledgeGraph) -> Linker:
    """The same linker over a later (or any other) snapshot; ``linker`` goes on as it is.

    May run beside a thread that links. Entities are encoded in memory, whether the index is on disk or not.
    """
    moves = Moves.between(linker.graph, graph)
    old = linker.recent or Recent(np.zeros(0, dtype=np.int64), None, (), linker.processor.uncached())
    segments = [_moved(segment, moves) for segment in linker.index.segments]
    if len(old):
        segments.pop()  # made anew below
    segments, anew = _without_ruins(segments)
    recent = _with(linker, graph, _kept(old, moves), np.union1d(moves.fresh, anew))
    segments += _packed(linker, recent)
    sealed = Recent(recent.rows[:0], None, (), recent.processor)
    other = copy(linker)
    other.graph, other.findings = graph, Findings()
    other.index = linker.index.over(segments)
    other.recent = recent if 0 < len(recent) <= RECENT else sealed
    other.__dict__.pop("_entities", None)
    return other


def indexed_graph(index: Place) -> str:
    """The snapshot of the graph that an index was made of. Raises ``CheckpointError``."""
    return Places(local(index, INDEX)).read().graph


def _moved(segment: Segment, moves: Moves) -> Segment:
    return replace(segment, rows=torch.from_numpy(moves.new_rows(segment.rows.numpy())))


def _without_ruins(segments: list[Segment]) -> tuple[list[Segment], np.ndarray]:
    """The segments of which at least half is alive, and the rows in the others."""
    ruins = [segment for segment in segments if 2 * int(segment.alive.sum()) < len(segment)]
    rows = [segment.rows[segment.alive].numpy() for segment in ruins]
    kept = [segment for segment in segments if not any(segment is one for one in ruins)]
    return kept, np.concatenate([np.zeros(0, dtype=np.int64), *rows])


def _kept(recent: Recent, moves: Moves) -> Recent:
    rows = moves.new_rows(recent.rows)
    alive = np.flatnonzero(rows >= 0)
    state = recent.state[torch.from_numpy(alive)] if recent.state is not None and len(alive) else None
    return replace(recent, rows=rows[alive], state=state, names=[recent.names[place] for place in alive.tolist()])


def _with(linker: Linker, graph: KnowledgeGraph, recent: Recent, rows: np.ndarray) -> Recent:
    """``recent`` and the entities in ``rows``, which are encoded."""
    if not len(rows):
        return recent
    names: list[list[str]] = []

    def read() -> Iterator[tuple[Tensor, Batch]]:
        for numbers in torch.arange(len(rows)).split(READ):
            entities = graph.take(rows[numbers.numpy()].tolist())
            names.extend(list(names_of(entity)) for entity in entities)
            yield numbers, recent.processor.entities(entities)

    with progress("encoding changed entities", len(rows)) as advance:
        pieces = list(alike(Encoding.entities(linker.bundle.model), read(), advance))
    recent.processor.findings = type(recent.processor.findings)()
    order = torch.argsort(torch.cat([numbers for numbers, _ in pieces]))
    state = concatenate([state for _, state in pieces])[order]
    states = [state] if recent.state is None else [recent.state, state]
    return replace(
        recent, rows=np.concatenate([recent.rows, rows]), state=concatenate(states), names=[*recent.names, *names]
    )


def _packed(linker: Linker, recent: Recent) -> list[Segment]:
    """The entities as segments, in the precision of the index."""
    if recent.state is None:
        return []
    composition, state = linker.index.composition, recent.state
    if composition.name_weight is not None:
        names = NameRows(torch.arange(len(recent)), NameTable.of(linker.bundle.vectorizer, recent.names))
        state = State(state.dense, state.late, state.has_image, names)
    precision: Precision = linker.index.precision  # pyright: ignore[reportAssignmentType]
    rows = torch.from_numpy(recent.rows)
    parts = torch.arange(len(recent)).split(SEGMENT)
    return [packed(state[part], rows[part], composition, precision) for part in parts]
