"""Rows that wait for their places in batches of fixed shapes (see ``otmel.index.encode``)."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.types import Batch

STEP: Final = 8
"""Text lengths are rounded up to a multiple of this."""
ROUNDS: Final = 64
"""Batches' worth of rows that wait for their places at most: a quarter of this leaves twice as many places empty."""
WAITING_BYTES: Final = 2**27
SHARED: Final = 32
"""Rows that share a place because they say the same."""

Shape: TypeAlias = tuple[int, bool]
"""Token columns of a batch, and whether its rows have images: all of them or none."""


@dataclass(frozen=True)
class Row:
    """A row that waits for its place: token ids without padding, and pixels where it has an image."""

    ids: Int[Tensor, " L"]
    pixels: Float[Tensor, "3 H W"] | None
    numbers: list[int]

    def says(self, ids: Tensor, pixels: Tensor | None) -> bool:
        """Whether this row holds the same, and room for one more number."""
        if len(self.numbers) >= SHARED or not torch.equal(self.ids, ids):
            return False
        return pixels is None or (self.pixels is not None and torch.equal(self.pixels, pixels))


class Waiting:
    """Rows that wait until enough of the other places of their batch are taken.

    Args:
        batch: rows of a batch; in the last one's place stands a text that is always shorter than the batch.
        positions: the most token columns of a batch.
    """

    def __init__(self, batch: int, positions: int) -> None:
        self.batch, self.positions = batch, positions
        self.places = max(batch - 1, 1)
        self._queues: dict[Shape, list[deque[Row]]] = {}
        self._count: dict[Shape, int] = {}
        self._bytes = 0
        self._blank = torch.zeros(0)

    def __len__(self) -> int:
        return sum(self._count.values())

    @property
    def full(self) -> bool:
        """Whether a batch should be taken before more rows are put in."""
        return len(self) > (self.batch - 1) * ROUNDS or self._bytes >= WAITING_BYTES

    def put(self, number: int, one: Batch) -> None:
        """A row, given as a batch of one."""
        ids = one.input_ids[0, : int(one.attention_mask[0].sum())]
        pixels = one.pixels[0] if bool(one.has_image[0]) else None
        shape = self._length(len(ids)), pixels is not None
        queues = self._queues.setdefault(shape, [deque() for _ in range(self.places)])
        queue = queues[zlib.crc32(ids.numpy().tobytes()) % self.places]
        for row in queue:
            if row.says(ids, pixels):
                row.numbers.append(number)
                return
        queue.append(Row(ids.clone(), None if pixels is None else pixels.clone(), [number]))
        self._count[shape] = self._count.get(shape, 0) + 1
        self._bytes += 0 if pixels is None else pixels.nbytes
        self._blank = one.pixels.new_zeros(1).expand(one.pixels.shape[1:])

    def take(self) -> tuple[Batch, list[list[int]]]:
        """A batch of the shape that most rows wait for, and the numbers of the rows in each place."""
        shape = max(self._count, key=lambda shape: (self._count[shape], shape))
        rows = [queue.popleft() if queue else None for queue in self._queues[shape]]
        taken = [row for row in rows if row is not None]
        self._count[shape] -= len(taken)
        self._bytes -= sum(row.pixels.nbytes for row in taken if row.pixels is not None)
        filled = [row or taken[0] for row in rows] + taken[:1] * (self.batch - self.places)
        return self._batch(shape, filled), [[] if row is None else row.numbers for row in rows]

    def _length(self, tokens: int) -> int:
        """Token columns of the batch that a text of so many tokens goes to."""
        return tokens if self.batch == 1 else min(-(-max(tokens, 1) // STEP) * STEP, self.positions)

    def _batch(self, shape: Shape, rows: list[Row]) -> Batch:
        length, has_image = shape
        ids = torch.zeros(self.batch, length, dtype=torch.long)
        mask = torch.zeros(self.batch, length, dtype=torch.bool)
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = row.ids
            mask[place, : len(row.ids)] = True
        if (
            self.batch > 1
        ):  # a mask without any padding would be dropped by some text towers, which then round otherwise
            mask[-1, -1] = False
        pixels = torch.stack([self._blank if row.pixels is None else row.pixels for row in rows])
        return Batch(ids, mask, pixels, torch.full((self.batch,), has_image))
