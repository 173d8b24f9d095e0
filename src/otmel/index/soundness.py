"""What must hold of the numbers in a segment before anything follows them: offsets, lengths, places, rows.

A checksum proves that a file is as it was written; this proves that what was written cannot lead a search astray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor

from otmel.errors import CheckpointError
from otmel.index.segment import LateEntries, Segment
from otmel.kernels.layout import LANES

MOST_NAMES: Final = 2**31 - 1


def check_names(arrays: Mapping[str, Tensor], where: str) -> None:
    """Raises ``CheckpointError`` naming what cannot be among the arrays of the part N, if they are there."""
    if "names.first" in arrays:
        for problem in _name_problems(arrays):
            raise CheckpointError(f"names: {problem}", where=where)


def check_segment(segment: Segment, where: str) -> None:
    """Raises ``CheckpointError`` naming what cannot be in a segment."""
    for problem in _problems(segment):
        raise CheckpointError(problem, where=where)


def check_rows(rows: Int[Tensor, " N"], entities: int, where: str) -> None:
    """Every entity once: raises ``CheckpointError`` when rows are missing, doubled or out of the graph."""
    alive = rows[rows >= 0]
    if int(rows.min() if len(rows) else 0) < -1 or len(alive) != entities:
        raise CheckpointError(f"the index holds {len(alive):,} of {entities:,} entities", where=where)
    if entities and (int(alive.max()) >= entities or int(torch.bincount(alive).max()) > 1):
        raise CheckpointError("two entries claim one row of the graph, or one that it does not have", where=where)


def _problems(segment: Segment) -> Iterator[str]:
    if len(segment) and int(segment.has_image.view(torch.uint8).max()) > 1:
        yield "has_image holds something other than yes and no"
    for part, late in segment.late.items():
        yield from (f"late.{part}: {problem}" for problem in _late_problems(late))


def _late_problems(late: LateEntries) -> Iterator[str]:
    blocks, slot = late.blocks, late.slot
    steps, unit = blocks.start.diff(), blocks.width * LANES
    if not _covers(blocks.start, len(blocks.tokens)) or (len(steps) and int(steps.min()) < 1):
        yield "the blocks do not follow one another to the end of the tokens"
        return
    if len(steps) and int((steps % max(unit, 1)).max()):
        yield "a block is no whole number of tokens"
        return
    if blocks.scales is not None and len(blocks.scales) * blocks.width != len(blocks.tokens):
        yield "there is not one scale for every token"
    if len(steps) and (int(blocks.lengths.min()) < 0 or bool((blocks.lengths.amax(1) > blocks.longest).any())):
        yield "an entity is longer than its block"
    used = slot[slot >= 0]
    if not len(used):
        return
    if int(slot.min()) < -1 or int(used.max()) >= blocks.lengths.numel():
        yield "an entry lies in a slot that there is none of"
    elif int(torch.bincount(used).max()) > 1 or int(blocks.lengths.flatten()[used.long()].min()) < 1:
        yield "an entry lies in an empty slot, or in that of another"


def _name_problems(arrays: Mapping[str, Tensor]) -> Iterator[str]:
    first, starts, places, buckets = (arrays[f"names.{name}"] for name in ("first", "starts", "places", "buckets"))
    if not _covers(first, int(first[-1])) or int(first[-1]) > MOST_NAMES or int(first.diff().min()) < 1:
        yield "an entity has no name"
    elif len(places) and (int(places.min()) < 0 or int(places.max()) >= int(first[-1])):
        yield "a posting names a name that there is none of"
    if not _covers(starts, len(places)):
        yield "the postings do not follow one another to their end"
    if len(buckets) > 1 and int(buckets.diff().min()) < 1:
        yield "the n-grams are out of order"


def _covers(start: Int[Tensor, " n+1"], length: int) -> bool:
    """Whether ``start`` goes from 0 to ``length`` and never back."""
    return int(start[0]) == 0 and int(start[-1]) == length and (len(start) < 2 or int(start.diff().min()) >= 0)
