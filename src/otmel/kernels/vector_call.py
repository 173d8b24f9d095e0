"""Tensors handed to jitted code: every record of addresses is made here, and keeps alive what it points to."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from otmel.kernels import vector_records as records
from otmel.kernels.formula import Affine, Formula, Matched
from otmel.kernels.lane_plan import null_key
from otmel.kernels.layout import LANES, LaneBlocks, Senders
from otmel.kernels.vector_compiled import entries
from otmel.kernels.vector_entities import made_room
from otmel.kernels.vector_types import Lanes
from otmel.ot import Attention, LearnedPool, MaxPool, MeanPool, SoftPool

_POOLS = {SoftPool: records.SOFT, MaxPool: records.MAX, MeanPool: records.MEAN, LearnedPool: records.LEARNED}
_POOLS[Matched] = records.MEAN  # none is ever looked at
_NORMS = {"none": records.NONE, "sum": records.SUM, "l2": records.L2, "marginal": records.MARGINAL}
_PRECISIONS = {torch.float32: records.FULL, torch.float16: records.HALF, torch.int8: records.BYTE}


def form_of(formula: Formula) -> tuple[records.Form, list[Tensor]]:
    """A formula as numbers, and the tensors it points to."""
    held: list[Tensor] = []

    def address(tensor: Tensor | None) -> int:
        if tensor is None:
            return 0
        held.append(tensor.detach().float().contiguous())
        return held[-1].data_ptr()

    norm, pool_norm = formula.norm, formula.pool_norm
    form = records.Form(
        *_assignment(formula),
        isinstance(formula.pool, Matched),
        formula.pool.threshold if isinstance(formula.pool, Matched) else 0.0,
        _POOLS[type(formula.pool)],
        formula.direct,
        _within_hull(formula),
        formula.residual,
        norm is not None,
        pool_norm is not None,
        0.0 if norm is None else float(norm.eps),
        0.0 if pool_norm is None else float(pool_norm.eps),
        address(formula.direction),
        *(address(part) for part in _parts(norm)),
        *(address(part) for part in _parts(pool_norm)),
    )
    return form, held


def _assignment(formula: Formula) -> tuple[bool, int, float, float, float, float, int, float]:
    if isinstance(formula.assignment, Attention):
        return True, 1, 0.0, 0.0, 1.0, 1.0, records.SUM, 0.0
    solver = formula.assignment.solver
    bias = math.log2(math.e) / (2 * solver.epsilon)
    powers = (float(solver.relax[0]), float(solver.relax[1]))
    norm, null = _NORMS[formula.assignment.row_norm], math.exp(null_key(formula.assignment))
    return False, solver.rounds, solver.tolerance or 0.0, bias, *powers, norm, null


def _parts(norm: Affine | None) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if norm is None else (norm.scale, norm.shift)


def _within_hull(formula: Formula) -> bool:
    """Whether transported tokens are sums of values whose weights are at most one."""
    if formula.residual or formula.norm is not None:
        return False
    transport = formula.assignment
    if isinstance(transport, Attention) or transport.row_norm == "sum":
        return True
    return transport.row_norm in ("none", "marginal") and transport.solver.relax[0] == 1


@dataclass(frozen=True)
class Pairs:
    """Pairs, and the order in which they are scored: mention by mention, slots ascending, so lengths are alike."""

    mention: Int[Tensor, " P"]
    slot: Int[Tensor, " P"]
    order: Int[Tensor, " P"]

    @staticmethod
    def of(mention: Tensor, slot: Tensor) -> Pairs:
        """Pairs in their order of scoring."""
        mention, slot = mention.long().contiguous(), slot.long().contiguous()
        order = torch.argsort(slot, stable=True)
        return Pairs(mention, slot, order[torch.argsort(mention[order], stable=True)].contiguous())


class _Rooms(threading.local):
    memory: Tensor | None = None

    def address(self, size: int) -> int:
        """The aligned address of so many bytes that are this thread's alone."""
        if self.memory is None or self.memory.numel() < size + 64:
            self.memory = torch.empty(size + 64, dtype=torch.uint8)
        return -(-self.memory.data_ptr() // 64) * 64


_rooms = _Rooms()


class Call:
    """Mentions packed for one call, and the entities' addresses."""

    def __init__(self, lanes: Lanes, form: records.Form, mentions: Senders, blocks: LaneBlocks) -> None:
        self.lanes, self.form, self.count = lanes, form, len(mentions)
        self.longest = int(blocks.longest.max()) if len(blocks) else 0
        self.entities, self.held = _entities(blocks)
        self.mentions = self._packed(mentions, blocks.width)
        self.size = made_room.py_func(4 * lanes.width, lanes.rows, 0, self.longest, self.mentions, blocks.width).end

    def tile(self, part: tuple[int, int], late: Tensor) -> None:
        """Scores of all mentions against some blocks into ``late``."""
        self._run((part[0] * LANES, part[1] * LANES), (0, 0, 0), late)

    def pairs(self, part: tuple[int, int], pairs: Pairs, late: Tensor) -> None:
        """Scores of some of the pairs into ``late``."""
        self._run(part, (pairs.order.data_ptr(), pairs.mention.data_ptr(), pairs.slot.data_ptr()), late)

    def _run(self, part: tuple[int, int], pairs: tuple[int, int, int], late: Tensor) -> None:
        room = _rooms.address(self.size)
        work = records.Work(*part, *pairs, late.data_ptr(), late.shape[-1], room, self.longest, self.count)
        entries(self.lanes)[1](self.lanes, self.form, self.entities, self.mentions, work)

    def _packed(self, mentions: Senders, width: int) -> records.Mentions:
        columns = self.lanes.columns
        keys, values = mentions.keys.float().contiguous(), mentions.values.float().contiguous()
        lengths = mentions.lengths.long().contiguous()
        longest, channels = -(-keys.shape[1] // columns) * columns, -(-width // columns) * columns
        made = [torch.zeros(self.count, longest * n) for n in (width, channels, 1)]
        small = torch.zeros(self.count, dtype=torch.long)
        self.held += [keys, values, lengths, *made, small]
        packed = records.Mentions._make([*_addresses([*made, lengths, small]), longest, channels])
        sent = records.Senders._make([*_addresses([keys, values, lengths]), self.count, keys.shape[1]])
        entries(self.lanes)[0](self.lanes, self.form, sent, packed, width)
        return packed


def _entities(blocks: LaneBlocks) -> tuple[records.Entities, list[Tensor]]:
    held = [
        blocks.tokens.contiguous(),
        torch.zeros(0) if blocks.scales is None else blocks.scales.float().contiguous(),
        blocks.start.long().contiguous(),
        blocks.lengths.int().contiguous(),
        blocks.target.float().contiguous(),
    ]
    precision = _PRECISIONS[blocks.tokens.dtype]
    return records.Entities._make([*_addresses(held), blocks.width, precision]), held


def _addresses(tensors: list[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]
