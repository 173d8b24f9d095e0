"""States and scores cut loose from their graphs, and what comes back to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from otmel.models.base import Scores, State


def slices(length: int, size: int) -> list[slice]:
    """Rows in pieces of ``size``; the last one has what is left."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def leaf(state: State) -> State:
    """The same numbers as leaves of a new graph."""

    def cut(tensor: Tensor) -> Tensor:
        tensor = tensor.detach()
        return tensor.requires_grad_() if tensor.is_floating_point() else tensor

    return state._map(cut)


def floats(state: State) -> list[Tensor]:
    """All tensors of a state that gradients flow through, in an order that is the same for equal kinds of states."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point():
            found.append(tensor)
        return tensor

    state._map(note)
    return found


def gradients(chunks: Sequence[State]) -> list[Tensor | None]:
    """The gradients of the leaves of a state in pieces, joined; ``None`` for what nothing came back to in any piece."""
    return [_joined(pieces) for pieces in zip(*map(floats, chunks), strict=True)]


def pull(tensors: Sequence[Tensor], given: Sequence[Tensor | None]) -> None:
    """Backward from ``tensors`` with the gradients ``given``, where there are both a graph and a gradient."""
    pairs = [
        (tensor, gradient)
        for tensor, gradient in zip(tensors, given, strict=True)
        if gradient is not None and tensor.requires_grad
    ]
    if pairs:
        torch.autograd.backward([tensor for tensor, _ in pairs], [gradient for _, gradient in pairs])


def joined(blocks: Sequence[Scores], columns: int) -> Scores:
    """The scores of a batch from those of its tiles, row of tiles by row of tiles; total and parts are leaves."""

    def whole(tiles: list[Tensor]) -> Tensor:
        rows = [torch.cat(tiles[first : first + columns], 1) for first in range(0, len(tiles), columns)]
        return torch.cat(rows)

    names = blocks[0].parts
    return Scores(
        whole([one.total for one in blocks]).requires_grad_(),
        {name: whole([one.parts[name] for one in blocks]).requires_grad_() for name in names},
        {name: whole([one.share[name] for one in blocks]) for name in names},
    )


def block(tile: Scores, scores: Scores, place: tuple[slice, slice]) -> tuple[list[Tensor], list[Tensor | None]]:
    """Total and parts of a tile, and for each the gradient that came back to its place in the whole."""
    tensors = [tile.total, *tile.parts.values()]
    whole = [scores.total, *(scores.parts[name] for name in tile.parts)]
    return tensors, [None if one.grad is None else one.grad[place] for one in whole]


def _joined(pieces: Sequence[Tensor]) -> Tensor | None:
    if all(piece.grad is None for piece in pieces):
        return None  # not zeros: a weight that is not used is not to decay either
    return torch.cat([torch.zeros_like(piece) if piece.grad is None else piece.grad for piece in pieces])
