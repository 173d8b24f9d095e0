"""The two operands of a kernel: mentions as they are, entities in lane blocks.

A lane is an entity: ``LANES`` entities lie side by side, ``[L][d][LANES]``, so that every operation of a kernel is done
for sixteen of them at once without a horizontal sum. Entities are sorted by their number of tokens, so a block holds
little padding. A *slot* is ``block · LANES + lane``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.types import TensorRecord

LANES: Final = 16
Precision = Literal["float32", "float16", "int8"]
_DTYPES: Final = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}


@dataclass(frozen=True)
class Senders(TensorRecord):
    """The mentions' side: content first, padding behind it is zero.

    Attributes:
        keys: ``K`` (Eq. 19), as they are; a kernel scales them to length one where its formula says so.
        values: ``H``.
        lengths: tokens of each mention; 0 where it lacks the modality.
    """

    keys: Float[Tensor, "M L d"]
    values: Float[Tensor, "M L d"]
    lengths: Int[Tensor, " M"]

    @staticmethod
    def of(keys: Tensor, values: Tensor, mask: Bool[Tensor, "M L"]) -> Senders:
        """Senders from tokens under a mask, which may have holes."""
        compact, lengths = _content_first(mask)
        return Senders(_gathered(keys, compact, lengths), _gathered(values, compact, lengths), lengths)


@dataclass(frozen=True)
class LaneBlocks:
    """The entities' side, ``B`` blocks of ``LANES`` entities.

    Attributes:
        tokens: all blocks one after the other, flat; block ``b`` is ``[longest_b, d, LANES]`` from ``start[b]`` on.
        scales: int8 only: what a token's numbers are multiplied with, ``[longest_b, LANES]`` per block, flat, from
            ``start[b] / d`` on; else ``None``.
        start: where each block begins in ``tokens``, and where the last one ends.
        lengths: tokens of each entity; 0 for a lane that holds none.
        target: ``t_e`` of Eq. 24, lane by lane.
    """

    tokens: Tensor
    scales: Float[Tensor, " S"] | None
    start: Int[Tensor, " B+1"]
    lengths: Int[Tensor, "B 16"]
    target: Float[Tensor, "B d 16"]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def width(self) -> int:
        """Channels ``d``."""
        return self.target.shape[1]

    @property
    def longest(self) -> Int[Tensor, " B"]:
        """Token rows of each block."""
        return (self.start[1:] - self.start[:-1]) // (self.width * LANES)

    @property
    def precision(self) -> Precision:
        """The numbers' type on the disk and in memory."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.tokens.dtype)  # pyright: ignore[reportReturnType]

    def block(self, index: int) -> Float[Tensor, "L d 16"]:
        """The tokens of one block in float32."""
        first, last = int(self.start[index]), int(self.start[index + 1])
        tokens = self.tokens[first:last].view(-1, self.width, LANES).float()
        if self.scales is not None:
            tokens = tokens * self.scales[first // self.width : last // self.width].view(-1, 1, LANES)
        return tokens

    def part(self, first: int, last: int) -> LaneBlocks:
        """Some neighbouring blocks, without a copy."""
        begin, end = int(self.start[first]), int(self.start[last])
        scales = None if self.scales is None else self.scales[begin // self.width : end // self.width]
        return LaneBlocks(
            self.tokens[begin:end],
            scales,
            self.start[first : last + 1] - begin,
            self.lengths[first:last],
            self.target[first:last],
        )

    def unpacked(self, slots: Int[Tensor, " E"]) -> tuple[Float[Tensor, "E L d"], Bool[Tensor, "E L"], Tensor]:
        """The entities in the given slots as plain tensors: tokens (zero on padding), mask, target. Slow and simple."""
        slots = slots.long()
        longest = max(int(self.longest[slots // LANES].max()) if len(slots) else 0, 1)
        tokens = self.target.new_zeros(len(slots), longest, self.width)
        for index in torch.unique(slots // LANES).tolist():
            inside = torch.nonzero(slots // LANES == index).flatten()
            block = self.block(index).permute(2, 0, 1)
            tokens[inside, : block.shape[1]] = block[slots[inside] % LANES]
        lengths = self.lengths.flatten()[slots].long()
        mask = torch.arange(longest) < lengths.unsqueeze(-1)
        return tokens, mask, self.target.permute(0, 2, 1).reshape(-1, self.width)[slots]


@dataclass(frozen=True)
class Packed:
    """Entities in lane blocks, and which entity lies where.

    Attributes:
        blocks: the entities that have tokens at all.
        row_of_slot: the row of the entity in each slot; −1 where there is none.
    """

    blocks: LaneBlocks
    row_of_slot: Int[Tensor, " S"]

    def slot_of_row(self, rows: int) -> Int[Tensor, " E"]:
        """The slot of each of ``rows`` entities; −1 for one without tokens."""
        slots = torch.full((rows,), -1, dtype=torch.long)
        filled = self.row_of_slot >= 0
        slots[self.row_of_slot[filled]] = torch.nonzero(filled).flatten()
        return slots


def pack(
    tokens: Float[Tensor, "E L d"],
    mask: Bool[Tensor, "E L"],
    target: Float[Tensor, "E d"],
    precision: Precision = "float32",
) -> Packed:
    """Entities into lane blocks, sorted by length; those without tokens are left out."""
    compact, lengths = _content_first(mask)
    tokens = _gathered(tokens, compact, lengths).float()
    order = torch.argsort(lengths, stable=True)
    order = order[lengths[order] > 0]
    count = -(-len(order) // LANES)
    row_of_slot = torch.full((count * LANES,), -1, dtype=torch.long)
    row_of_slot[: len(order)] = order
    width = tokens.shape[-1]
    flat, scales, start = [], [], [0]
    for rows in row_of_slot.view(-1, LANES):
        filled = rows >= 0
        longest = int(lengths[rows[filled]].max())
        block = tokens.new_zeros(LANES, longest, width)
        block[filled] = tokens[rows[filled], :longest]
        numbers, scale = _quantised(block, precision)
        flat.append(numbers.permute(1, 2, 0).reshape(-1))
        if scale is not None:
            scales.append(scale.T.reshape(-1))
        start.append(start[-1] + longest * width * LANES)
    safe = row_of_slot.clamp_min(0)
    filled = row_of_slot >= 0
    blocks = LaneBlocks(
        torch.cat(flat) if flat else torch.zeros(0, dtype=_DTYPES[precision]),
        None if precision != "int8" else torch.cat(scales) if scales else torch.zeros(0),
        torch.tensor(start),
        (lengths[safe] * filled).view(-1, LANES).int(),
        (target.float()[safe] * filled.unsqueeze(-1)).view(count, LANES, width).permute(0, 2, 1).contiguous(),
    )
    return Packed(blocks, row_of_slot)


def _quantised(block: Float[Tensor, "n L d"], precision: Precision) -> tuple[Tensor, Float[Tensor, "n L"] | None]:
    if precision != "int8":
        return block.to(_DTYPES[precision]), None
    scale = block.abs().amax(-1) / 127
    return (block / torch.where(scale > 0, scale, 1.0).unsqueeze(-1)).round().to(torch.int8), scale


def _content_first(mask: Bool[Tensor, "B L"]) -> tuple[Int[Tensor, "B L"], Int[Tensor, " B"]]:
    """Positions with content first, in their order, and how many there are."""
    return torch.argsort((~mask).to(torch.int8), dim=1, stable=True), mask.sum(1)


def _gathered(tokens: Float[Tensor, "B L d"], compact: Tensor, lengths: Tensor) -> Tensor:
    longest = max(int(lengths.max()) if len(lengths) else 0, 1)
    moved = tokens.gather(1, compact[:, :longest].unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
    return moved.masked_fill(
        (torch.arange(moved.shape[1], device=moved.device) >= lengths.unsqueeze(1)).unsqueeze(-1), 0
    )
