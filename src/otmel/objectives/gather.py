"""In-batch negatives across processes: entity states gathered with their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from otmel.models.base import State
from otmel.types import TensorRecord

T = TypeVar("T")
BUCKET = 2**24
"""Numbers in one message, about."""


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the first process."""
    return processes() == 1 or dist.get_rank() == 0


def agreed(value: T) -> T:
    """The first process's value, in all of them."""
    if processes() == 1:
        return value
    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def from_all(here: T) -> list[T]:
    """The value of each process, in process order."""
    if processes() == 1:
        return [here]
    told: list[Any] = [None] * processes()
    dist.all_gather_object(told, here)
    return told


def anywhere(here: bool) -> bool:
    """Whether something is so in any of the processes."""
    return any(from_all(here))


def mean_over_processes(count: Tensor) -> Tensor:
    """Counts, at least one in all, averaged over the processes, as floats: what sums of so many terms are divided by.

    The mean over the processes of what is then left is the mean over the terms of all of them.
    """
    whole = count.to(torch.float32)
    if processes() > 1:
        dist.all_reduce(whole)
    return whole.clamp_min(1) / processes()


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


def used_anywhere(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """``gradients``, with zeros where only other processes have one: a collective needs all of them."""
    if processes() == 1 or not tensors:
        return list(gradients)
    used = torch.tensor([gradient is not None for gradient in gradients], dtype=torch.int32, device=tensors[0].device)
    dist.all_reduce(used, dist.ReduceOp.MAX)
    return [
        torch.zeros_like(tensor) if gradient is None and anywhere else gradient
        for tensor, gradient, anywhere in zip(tensors, gradients, used.tolist(), strict=True)
    ]


def average_gradients(model: nn.Module) -> None:
    """The mean over the processes of every weight's gradient, as ``DistributedDataParallel`` leaves it.

    Those of weights in shards are means already: they are averaged wherever they are sharded.
    """
    if processes() == 1:
        return
    weights = [weight for weight in model.parameters() if weight.requires_grad and not isinstance(weight, DTensor)]
    found = used_anywhere(weights, [weight.grad for weight in weights])
    for weight, gradient in zip(weights, found, strict=True):
        weight.grad = gradient
    for bucket in _buckets([gradient for gradient in found if gradient is not None]):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        dist.all_reduce(flat)
        flat /= processes()
        for gradient, mean in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one kind, up to some size: many small messages are slow, and one large one takes memory."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        full = sum(map(Tensor.numel, bucket)) + gradient.numel() > BUCKET
        if bucket and (full or (gradient.dtype, gradient.device) != (bucket[0].dtype, bucket[0].device)):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


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
