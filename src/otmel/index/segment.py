"""A segment: the state of some thousand entities in the form in which they are searched, in memory or memory-mapped.

An *entry* is an entity's place in its segment. Nothing here changes once it is made: a deleted entity's entry is
masked out, a changed one's is masked out and made anew in another segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.index.names import NamePostings
from otmel.kernels.layout import LaneBlocks

CACHED = 4096
"""Rows converted to float32 at once."""


@dataclass(frozen=True)
class Vectors:
    """A matrix in the precision in which it is stored.

    Attributes:
        numbers: float32, float16 or int8.
        scales: int8 only: what each row is multiplied with.
        norms: an upper bound of each row's length.
    """

    numbers: Tensor
    scales: Float[Tensor, " n"] | None
    norms: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def width(self) -> int:
        """Columns."""
        return self.numbers.shape[1]

    def rows(self, entries: Int[Tensor, " P"] | slice = slice(None)) -> Float[Tensor, "P d"]:
        """Rows in float32."""
        numbers = self.numbers[entries].float()
        return numbers if self.scales is None else numbers * self.scales[entries].unsqueeze(1)

    def products(self, own: Float[Tensor, "M d"]) -> Float[Tensor, "M n"]:
        """Inner products with every row, in float32: to within a rounding of ``own @ rows().T``."""
        if self.numbers.dtype == torch.float32:
            return own @ self.numbers.T
        found = own.new_empty(len(own), len(self))
        for first in range(0, len(self), CACHED):  # what is converted is multiplied before it leaves the cache
            here = slice(first, first + CACHED)
            torch.mm(own, self.numbers[here].float().T, out=found[:, here])
        return found if self.scales is None else found.mul_(self.scales)


@dataclass(frozen=True, eq=False)
class LateEntries:
    """The entities' side of one late term.

    Attributes:
        blocks: the tokens, in lane blocks sorted by length, and within a length by what ``described`` says.
        slot: the slot of each entry; −1 for one without tokens.
        target: ``t_e`` of Eq. 24 by slot, row after row; zero where a slot is empty.
        described: by slot, what bounds on the term need to know of an entity (``LateBounds.describe``).
    """

    blocks: LaneBlocks
    slot: Int[Tensor, " n"]
    target: Float[Tensor, "S d"]
    described: Float[Tensor, "S c"]


@dataclass(frozen=True)
class Segment:
    """Some thousand entities.

    Attributes:
        rows: each entry's row in the graph; −1 where the entity was deleted or replaced.
        has_image: which entries have an image.
        dense: part → the vectors of its inner product.
        late: part → the tokens of its late term.
        names: for the part N.
    """

    rows: Int[Tensor, " n"]
    has_image: Bool[Tensor, " n"]
    dense: Mapping[str, Vectors]
    late: Mapping[str, LateEntries]
    names: NamePostings | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def alive(self) -> Bool[Tensor, " n"]:
        """Which entries are entities of the graph."""
        return self.rows >= 0
