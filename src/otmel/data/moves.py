"""Where entities went between two snapshots of a graph: told by their digests; what is equal need not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from otmel.data.graph import KnowledgeGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Moves:
    """What became of the rows of a graph in a later (or earlier) one.

    Attributes:
        to: of every old row, its entity's new row ``[old]``; −1 where the entity was deleted, or says something else.
        fresh: the new rows whose entity is new, or says something else, in order.
    """

    to: NDArray[np.int64]
    fresh: NDArray[np.int64]

    @classmethod
    def between(cls, before: KnowledgeGraph, after: KnowledgeGraph) -> Moves:
        """From one graph to another."""
        old, new = before.digests, after.digests
        to, taken = np.full(len(old), -1, dtype=np.int64), np.zeros(len(new), dtype=bool)
        shared = min(len(old), len(new))
        stayed = np.flatnonzero((old[:shared] == new[:shared]).all(1))  # most did
        to[stayed], taken[stayed] = stayed, True
        left, free = np.flatnonzero(to < 0), np.flatnonzero(~taken)
        if len(left) and len(free):
            order = free[np.argsort(new[free, 0], kind="stable")]
            place = np.searchsorted(new[order, 0], old[left, 0]).clip(max=len(order) - 1)
            equal = (new[order[place]] == old[left]).all(1)
            to[left[equal]], taken[order[place[equal]]] = order[place[equal]], True
        return cls(to, np.flatnonzero(~taken))

    def new_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The new rows of old ones; −1 stays −1."""
        return np.where(rows >= 0, self.to[rows], -1) if len(self.to) else np.full_like(rows, -1)
