"""In-batch negatives across processes: entity states gathered with their gradients."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

from otmel.models.base import State
from otmel.types import TensorRecord


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_processes(count: Tensor) -> Tensor:
    """A count averaged over the processes, as a float."""
    mean = count.to(torch.float32)
    if processes() > 1:
        dist.all_reduce(mean)
        mean = mean / processes()
    return mean


def gathered_rows(rows: Tensor) -> Tensor:
    """The entity rows of all processes, padded with −1 to the longest share."""
    if processes() == 1:
        return rows
    length = _longest(len(rows), rows.device)
    padded = torch.cat([rows, rows.new_full((length - len(rows),), -1)])
    return _joined(padded)


def gathered_state(state: State) -> State:
    """The entity states of all processes, in process order; gradients flow back to where each was made.

    Shares of different size are padded (``gathered_rows`` says −1 there), token axes to the longest anywhere.
    """
    if processes() == 1:
        return state
    return _gather(state)


def _gather(record: State) -> State:
    def one(tensor: Tensor) -> Tensor:
        padded = _padded(tensor)
        return cast(Tensor, _Joined.apply(padded)) if padded.is_floating_point() else _joined(padded)

    gathered: TensorRecord = record._map(one)
    assert isinstance(gathered, State)
    return gathered


def _joined(rows: Tensor) -> Tensor:
    parts = [torch.empty_like(rows) for _ in range(processes())]
    dist.all_gather(parts, rows)
    return torch.cat(parts)


class _Joined(torch.autograd.Function):
    """``_joined``, with gradients: what every process asks of these rows goes back to the one that made them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.length = len(rows)
        return _joined(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[dist.get_rank() * ctx.length :][: ctx.length]


def _padded(tensor: Tensor) -> Tensor:
    tensor = tensor.contiguous()
    for axis in range(min(tensor.dim(), 2)):
        missing = _longest(tensor.shape[axis], tensor.device) - tensor.shape[axis]
        if missing:
            shape = list(tensor.shape)
            shape[axis] = missing
            tensor = torch.cat([tensor, tensor.new_zeros(shape)], axis)
    return tensor.contiguous()


def _longest(length: int, device: torch.device) -> int:
    longest = torch.tensor(length, device=device)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    return int(longest)
