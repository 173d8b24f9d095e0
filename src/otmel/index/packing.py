"""From a model's state of some entities to a segment."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.index.names import NamePostings
from otmel.index.segment import LateEntries, Segment, Vectors
from otmel.kernels import Formula, LaneBlocks, Precision, pack
from otmel.kernels.bounds import Bounds, bounds
from otmel.models.base import LateState, State
from otmel.models.composition import Composition

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}

DESCRIBED = 1024
"""Entities described at once."""


def packed(
    state: State, rows: Int[Tensor, " n"], composition: Composition, precision: Precision = "float32"
) -> Segment:
    """A segment of the entities in ``state``.

    Args:
        state: the states of ``n`` entities.
        rows: their rows in the graph.
        composition: what the model's score is made of.
        precision: in which the vectors and tokens are kept.
    """
    dense = {part.name: vectors(state.dense[part.name], precision) for part in composition.parts if part.dense}
    late = {}
    for part in composition.late:
        assert part.formula is not None
        late[part.name] = _late(state.late[part.name], part.formula, precision)
    names = None if composition.name_weight is None or state.names is None else NamePostings.of(state.names)
    return Segment(rows.long(), state.has_image.cpu(), dense, late, names)


def vectors(matrix: Float[Tensor, "n d"], precision: Precision) -> Vectors:
    """A matrix in a precision, with its rows' lengths rounded upwards."""
    matrix = matrix.detach().float().cpu()
    scales = None
    numbers = matrix.to(_DTYPES[precision]) if precision != "int8" else matrix
    if precision == "int8":
        scales = matrix.abs().amax(1) / 127
        numbers = (matrix / torch.where(scales > 0, scales, 1.0).unsqueeze(1)).round().to(torch.int8)
    stored = Vectors(numbers.contiguous(), scales, torch.zeros(len(matrix)))
    norms = stored.rows().double().norm(dim=1).float()
    return Vectors(stored.numbers, scales, torch.nextafter(norms, torch.tensor(torch.inf)))


def _late(state: LateState, formula: Formula, precision: Precision) -> LateEntries:
    assert state.target is not None
    tokens, mask = formula.queries(state.tokens.detach().float().cpu()), state.mask.cpu()
    target, bound = state.target.detach().float().cpu(), bounds(formula)
    # Neighbours that are alike have tight bounds; what bounds may rely on is said of the tokens as they are stored.
    order = torch.argsort(_spread(tokens, mask), stable=True)
    made = pack(tokens[order], mask[order], target[order], precision)
    slot = torch.full((len(state),), -1, dtype=torch.int32)
    slot[order] = made.slot_of_row(len(state)).int()
    rows = made.blocks.target.permute(0, 2, 1).reshape(-1, made.blocks.width).contiguous()
    return LateEntries(made.blocks, slot, rows, _described(bound, made.blocks))


def _spread(tokens: Float[Tensor, "E L d"], mask: Bool[Tensor, "E L"]) -> Float[Tensor, " E"]:
    """How far apart an entity's tokens lie, roughly: the square of their distances from their mean."""
    count = mask.sum(1, keepdim=True).clamp_min(1)
    mean = torch.einsum("eld,el->ed", tokens, mask.float()) / count
    return (tokens.square().sum(2) * mask).sum(1) / count.squeeze(1) - mean.square().sum(1)


def _described(bound: Bounds | None, blocks: LaneBlocks) -> Float[Tensor, "S c"]:
    slots = torch.arange(blocks.lengths.numel())
    if bound is None:
        return torch.zeros(len(slots), 1)
    # An entity that is nobody tells the number of columns, where a segment has no tokens at all.
    nobody = torch.zeros(1, 1, blocks.width), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, blocks.width)
    columns = [bound.describe(*blocks.unpacked(some)) for some in slots.split(DESCRIBED) if len(some)]
    return torch.cat([bound.describe(*nobody)[:0], *columns])
