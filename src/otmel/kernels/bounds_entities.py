"""What the bounds need to know of an entity: a few numbers, computed once and stored beside its target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.kernels.formula import Affine, Formula
from otmel.ot import Attention, LearnedPool, MeanPool
from otmel.ot.cost import uniform, unit

LEVELS: Final = (0.0, *(2.0 ** (power / 2) for power in range(-4, 7)), math.inf)
"""Log-ratios of what a mention does to the pool's weights, for which an entity's own part of the score is bounded."""

TILE: Final = 256
"""Neighbouring entities bounded alike: by the greatest radius and the shortest length among them."""

_AT_ONCE: Final = 64
_LONGEST_RUN: Final = 16


def described(
    formula: Formula, tokens: Float[Tensor, "E L d"], mask: Bool[Tensor, "E L"], target: Float[Tensor, "E d"]
) -> Float[Tensor, "E c"]:
    """Entities as the bounds see them, float32, rounded outwards; from their tokens as stored, content first.

    Columns: the radius; and where a part of the score is the entity's alone (residual, LayerNorm) also the length that
    its rounding is relative to, and lower and upper bounds of that part for each of ``LEVELS``.
    """
    if not tokens.shape[1]:
        tokens, mask = tokens.new_zeros(len(tokens), 1, tokens.shape[2]), mask.new_zeros(len(tokens), 1)
    parts = zip(*(whole.split(_AT_ONCE) for whole in (tokens, mask, target)), strict=True)
    return torch.cat([_described(formula, *part) for part in parts])


@dataclass(frozen=True)
class Kind:
    """Entities that share their bounds on the channels: at least this long, at most this radius."""

    shortest: int
    radius: float

    def mass(self, shared: bool) -> float:
        """What a row sums to, where the rows share a mass of one; else 1."""
        return 1 / self.shortest if shared else 1.0


def kinds(formula: Formula, lengths: Int[Tensor, " n"], radius: Float[Tensor, " n"]) -> list[Kind]:
    """The kind of each ``TILE`` neighbours; kinds are few, rounded to powers of two and to multiples of 1/16."""
    filled = lengths > 0
    shortest = -_highest(torch.where(filled, -lengths, -(2**20)), -(2**20))
    widest = _highest(torch.where(filled, radius, 0.0), 0.0)
    return [_kind(formula, *pair) for pair in zip(shortest.tolist(), widest.tolist(), strict=True)]


def runs(found: Sequence[Kind]) -> Iterator[tuple[slice, Kind]]:
    """Neighbours of one kind, from the kinds of the tiles; no run is too long for a core's cache."""
    first = 0
    for index, kind in enumerate(found):
        last = index + 1
        if last == len(found) or found[last] != kind or last - first == _LONGEST_RUN:
            yield slice(first * TILE, last * TILE), kind
            first = last


def _highest(numbers: Float[Tensor, " n"], otherwise: float) -> Tensor:
    whole = torch.nn.functional.pad(numbers.float(), (0, -len(numbers) % TILE), value=otherwise)
    return whole.view(-1, TILE).amax(1)


def _kind(formula: Formula, shortest: float, widest: float) -> Kind:
    if isinstance(formula.assignment, Attention):
        grown = 2.0 ** (math.ceil(4 * math.log2(widest)) / 4) * (1 + 1e-9) if widest > 0 else 0.0
        return Kind(1, grown)
    power = 2 ** (int(shortest).bit_length() - 1) if formula.assignment.row_norm == "none" else 1
    return Kind(power, math.ceil(widest * 16) / 16)


def own_part(
    columns: Float[Tensor, "n c"], pool_ratio: Float[Tensor, " M"], tolerance: float
) -> tuple[Float[Tensor, "M n"], Float[Tensor, "M n"]]:
    """Bounds of the entities' own part of the score, for what each mention does to the pool's weights."""
    count = len(LEVELS)
    level = torch.bucketize(pool_ratio, torch.tensor(LEVELS[:-1], dtype=torch.float64))
    slack = (tolerance + 2.0**-21) * columns[:, 1]
    low, high = columns[:, 2 : 2 + count] - slack.unsqueeze(1), columns[:, 2 + count :] + slack.unsqueeze(1)
    return low.T[level], high.T[level]


def radii(formula: Formula, tokens: Float[Tensor, "E L d"], mask: Bool[Tensor, "E L"]) -> Float[Tensor, " E"]:
    """How far an entity's tokens can pull a row's weights apart, rounded up.

    For a transport half the diameter ``max ‖q_i − q_i'‖`` of the unit rows, at most 1; for attention the longest row.
    """
    tokens = tokens.double()
    if isinstance(formula.assignment, Attention):
        return tokens.norm(dim=-1).masked_fill(~mask, 0).amax(-1) * (1 + 1e-9)
    found = diameters(unit(tokens), mask)
    if not formula.keeps_lengths:  # a kernel may take stored unit rows as they are: ‖ax − by‖ ≤ a ‖x − y‖ + |a − b|
        norms = tokens.norm(dim=-1)
        longest, shortest = norms.masked_fill(~mask, 0).amax(-1), norms.masked_fill(~mask, torch.inf).amin(-1)
        found = found * longest.clamp_min(1) + (longest - shortest).clamp_min(0)
    return found / 2


def diameters(tokens: Float[Tensor, "E L d"], mask: Bool[Tensor, "E L"]) -> Float[Tensor, " E"]:
    """Greatest distance between two tokens of a set, float64, rounded up; 0 for an empty set. Content comes first."""
    # Seen from the first token: no squared distance then loses more than some units of the greatest one.
    centred = (tokens - tokens[:, :1]) * mask.unsqueeze(-1)
    squares = centred.square().sum(-1)
    distance = squares.unsqueeze(1) + squares.unsqueeze(2) - 2 * centred @ centred.mT
    filled = mask.unsqueeze(1) & mask.unsqueeze(2)
    return distance.masked_fill(~filled, 0).flatten(1).amax(1).clamp_min(0).sqrt() * (1 + 1e-9)


def _described(formula: Formula, tokens: Tensor, mask: Tensor, target: Tensor) -> Float[Tensor, "E c"]:
    radius = up(radii(formula, tokens, mask)).unsqueeze(1)
    tokens, target = tokens.double() * mask.unsqueeze(-1), target.double()
    if formula.pool_norm is not None or formula.norm is not None:
        low, high, reach = _sphere(formula, mask, target)
    elif formula.residual:
        low, high, reach = _residual(formula, tokens, mask, target)
    else:
        return radius
    slack = 1e-10 * reach.unsqueeze(1)
    return torch.cat([radius, up(reach).unsqueeze(1), -up(slack - low), up(high + slack)], 1)


def _residual(formula: Formula, tokens: Tensor, mask: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds of ``Σ_ik w_ik q_ik t_ek`` for pool weights within each log-ratio of what they are without a mention.

    The learned pool's weights are ``exp(q_i·a)`` times what the mention adds; the mean's are known; those of softpool
    and of the maximum differ from channel to channel, so each channel is bounded by its extreme tokens.
    """
    reach = (tokens.abs().amax(1) * target.abs()).sum(1)
    if not isinstance(formula.pool, (LearnedPool, MeanPool)):
        least = tokens.masked_fill(~mask.unsqueeze(-1), torch.inf).amin(1)
        greatest = tokens.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)
        ends = torch.stack([least * target, greatest * target]).nan_to_num(0.0, 0.0, 0.0)
        low, high = ends.amin(0).sum(1, keepdim=True), ends.amax(0).sum(1, keepdim=True)
        return low.expand(-1, len(LEVELS)), high.expand(-1, len(LEVELS)), reach
    weights = uniform(mask, torch.float64)
    if formula.direction is not None:
        along = (tokens @ formula.direction.double()).masked_fill(~mask, -torch.inf)
        weights = along.softmax(-1).nan_to_num(0.0)
    meets = (tokens @ target.unsqueeze(-1)).squeeze(-1)
    ratios = (0.0,) * len(LEVELS) if formula.direction is None else LEVELS
    high = torch.stack([_greatest(meets, weights, mask, ratio) for ratio in ratios], 1)
    low = -torch.stack([_greatest(-meets, weights, mask, ratio) for ratio in ratios], 1)
    return low, high, reach


def _greatest(values: Tensor, weights: Tensor, mask: Tensor, log_ratio: float) -> Float[Tensor, " E"]:
    """Greatest weighted mean when each weight may be multiplied with anything in ``[e^{−ℓ}, 1]``."""
    order = values.masked_fill(~mask, -torch.inf).argsort(1, descending=True)
    values, weights = values.gather(1, order), weights.gather(1, order)
    least = math.exp(-log_ratio)
    if least == 0:
        return values[:, 0]
    mass, sums = weights.cumsum(1), (weights * values).cumsum(1)
    quotient = (sums + least * (sums[:, -1:] - sums)) / (mass + least * (mass[:, -1:] - mass)).clamp_min(1e-300)
    return quotient.amax(1).minimum(values[:, 0])


def _sphere(formula: Formula, mask: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds of the whole score where a LayerNorm comes last: ``z`` has a mean of 0 and a length of at most ``√d``.

    With ``y = t ⊙ scale``: ``|y·z| ≤ √d ‖y − ȳ‖``. A pool of normed tokens that weighs whole tokens stays within the
    sphere; one that picks channels apart has ``|z_k| ≤ √(d − 1)`` and lies within ``√L`` spheres. Loose: it says
    nothing of the mention.
    """
    weighs_tokens = isinstance(formula.pool, (LearnedPool, MeanPool))
    norm: Affine = formula.pool_norm or formula.norm  # pyright: ignore[reportAssignmentType]
    width = target.shape[1]
    stretched = target * norm.scale.double()
    half = (stretched - stretched.mean(1, keepdim=True)).norm(dim=1) * width**0.5
    reach = stretched.abs().sum(1) * max(width - 1, 1) ** 0.5
    if not weighs_tokens:
        half = reach.minimum(stretched.norm(dim=1) * (width * mask.sum(1)).sqrt())
    middle, filled = target @ norm.shift.double(), mask.any(1)
    reach = torch.where(filled, reach + (target * norm.shift.double()).abs().sum(1), 0.0)
    low, high = (torch.where(filled, bound, 0.0) for bound in (middle - half, middle + half))
    return low.unsqueeze(1).expand(-1, len(LEVELS)), high.unsqueeze(1).expand(-1, len(LEVELS)), reach


def up(numbers: Tensor) -> Tensor:
    """Float64 as float32, rounded up; zeros stay zeros."""
    single = numbers.float()
    above = torch.nextafter(single, torch.full_like(single, torch.inf))
    return torch.where(single.double() < numbers, above, single)
