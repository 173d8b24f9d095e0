"""Operands of the kernel ``triton`` on the device: mentions for one call, entity blocks kept for the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.errors import ConfigurationError
from otmel.kernels.layout import LANES, LaneBlocks, Senders
from otmel.kernels.triton_operands import Form, Operand, Sets

BUCKETS: Final = (16, 32, 64, 128)
"""Lengths of a tile; a pair's own lengths choose, so its bits do not depend on its batch. The last is the limit."""
CHUNK_BYTES: Final = 256 * 2**20
"""Entity blocks are moved to the device in chunks of about this size."""
SHORTEST: Final = 1e-6
"""Rows shorter than this keep their length in a cosine, as in ``otmel.ot.cost.unit``."""


@dataclass(frozen=True)
class Moved:
    """Neighbouring entity blocks on the device.

    Attributes:
        tokens: the operand, one set a slot.
        target: ``t_e``, slot by slot.
        counts: tokens of each slot, on the CPU.
        bytes: what both take.
    """

    tokens: Operand
    target: Float[Tensor, "S d"]
    counts: Int[Tensor, " S"]
    bytes: int


class Cache:
    """The entity blocks moved last, as many as ``limit`` bytes hold, for calls that come with the same blocks again.

    Blocks are known by their memory, which the cache keeps from being used anew, and by the version of its contents.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[int, ...], tuple[LaneBlocks, Moved]] = OrderedDict()
        self._lock = threading.Lock()

    def moved(self, blocks: LaneBlocks, move: Callable[[LaneBlocks], Moved]) -> Moved:
        """The blocks on the device, moved there unless they are."""
        key = _identity(blocks)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = blocks, move(blocks)
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(moved.bytes for _, moved in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)
            return self._kept[key][1]

    def __contains__(self, blocks: LaneBlocks) -> bool:
        return _identity(blocks) in self._kept


def _identity(blocks: LaneBlocks) -> tuple[int, ...]:
    tensors = (blocks.tokens, blocks.lengths, blocks.target)
    return tuple(number for t in tensors for number in (t.data_ptr(), t.numel(), t._version))


def chunks(blocks: LaneBlocks) -> list[tuple[int, int]]:
    """First and last block of each chunk of about ``CHUNK_BYTES``."""
    size = CHUNK_BYTES // blocks.tokens.element_size()
    cuts = [0]
    while cuts[-1] < len(blocks):
        reach = int(torch.searchsorted(blocks.start, blocks.start[cuts[-1]] + size, right=True)) - 1
        cuts.append(min(max(reach, cuts[-1] + 1), len(blocks)))
    return list(pairwise(cuts))


def chosen(blocks: LaneBlocks, which: Int[Tensor, " C"]) -> LaneBlocks:
    """Some blocks, copied one behind the other."""
    first, last = blocks.start[which].tolist(), blocks.start[which + 1].tolist()
    d = blocks.width
    spans = list(zip(first, last, strict=True))
    sizes = blocks.start[which + 1] - blocks.start[which]
    return LaneBlocks(
        torch.cat([blocks.tokens[a:b] for a, b in spans]),
        None if blocks.scales is None else torch.cat([blocks.scales[a // d : b // d] for a, b in spans]),
        torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]),
        blocks.lengths[which],
        blocks.target[which],
    )


def move(blocks: LaneBlocks, form: Form, device: torch.device) -> Moved:
    """Entity blocks to the device, their lanes one behind the other and their rows of length one."""
    lane = torch.arange(LANES)
    start, longest = blocks.start[:-1, None], blocks.longest[:, None]
    base = (start // blocks.width + lane * longest).flatten()
    counts = blocks.lengths.flatten().int()
    sets = Sets(
        blocks.tokens.to(device),
        None if blocks.scales is None else blocks.scales.to(device),
        (start + lane).flatten().to(device),
        (start // blocks.width + lane).flatten().to(device),
        counts.to(device),
        blocks.width * LANES,
        LANES,
    )
    least = 0.0 if form.attention else SHORTEST**2
    tokens = _prepared(sets, base, least, form)
    target = blocks.target.to(device).transpose(1, 2).reshape(-1, blocks.width).float().contiguous()
    size = tokens.high.nbytes * (1 + form.split) + tokens.lengths.nbytes + target.nbytes
    return Moved(tokens, target, counts, size)


def move_mentions(mentions: Senders, form: Form, device: torch.device) -> tuple[Operand, Operand]:
    """Keys and values on the device."""
    least = 0.0 if form.attention else SHORTEST**2
    return (
        _senders(mentions.keys, mentions.lengths, least, form, device),
        _senders(mentions.values, mentions.lengths, 0.0, form, device),
    )


def _senders(tokens: Tensor, lengths: Tensor, least: float, form: Form, device: torch.device) -> Operand:
    base = torch.arange(len(tokens)) * tokens.shape[1]
    start = (base * tokens.shape[2]).to(device)
    counts = lengths.int().to(device)
    sets = Sets(tokens.to(device).contiguous(), None, start, start, counts, tokens.shape[2], 1)
    return _prepared(sets, base, least, form)


def _prepared(sets: Sets, base: Tensor, least: float, form: Form) -> Operand:
    from otmel.kernels.triton_tiles import prepare

    size, device = sets.tokens.numel(), sets.tokens.device
    high = torch.empty(size, dtype=torch.float16, device=device)
    low = torch.empty_like(high) if form.split else high
    lengths = torch.empty(max(size // form.width, 1), device=device)
    operand = Operand(high, low, lengths, base.to(device), sets.counts)
    if len(base):
        prepare[(len(base),)](sets, operand, least, form, num_warps=4)  # pyright: ignore[reportCallIssue]
    return operand


def bucketed(counts: Int[Tensor, " S"]) -> dict[int, Int[Tensor, " s"]]:
    """Which sets have which bucket's tile; those without tokens have none.

    Raises:
        ConfigurationError: a set has more tokens than the largest tile.
    """
    longest = int(counts.max()) if len(counts) else 0
    if longest > BUCKETS[-1]:
        raise ConfigurationError(
            f"{longest} tokens in a set are more than the kernel triton takes, {BUCKETS[-1]}",
            cure="use the kernel numba or lanes",
        )
    below = [0, *BUCKETS[:-1]]
    found = {
        bucket: torch.nonzero((counts > low) & (counts <= bucket)).flatten()
        for low, bucket in zip(below, BUCKETS, strict=True)
    }
    return {bucket: sets for bucket, sets in found.items() if len(sets)}
