"""What the kernel ``lanes`` works on: sixteen-lane blocks put side by side, channels first, and one mention."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.kernels.alike import WIDE, product, total
from otmel.kernels.formula import Formula
from otmel.kernels.layout import LANES, LaneBlocks, Senders
from otmel.ot import Attention
from otmel.ot.cost import unit

LOG2E = math.log2(math.e)
SMALL = 40.0
"""``exp`` of less than this, summed over tokens and times such a value, stays in float32's range."""


@dataclass(frozen=True)
class Tile:
    """``W`` entities side by side; ``L`` is the length of the longest.

    Attributes:
        tokens: the tokens as they are, zero on padding.
        compared: what meets the keys: the tokens, scaled to length one where the formula is a transport.
        share: ``1/L_e`` on content, 0 on padding.
        marginal: what a transport asks of the tokens: their share, or what learned marginals say.
        live: what is content.
        target: ``t_e``.
        padded: whether there is any padding.
    """

    tokens: Float[Tensor, "d L W"]
    compared: Float[Tensor, "d c"]
    share: Float[Tensor, "L W"]
    marginal: Float[Tensor, "L W"]
    live: Bool[Tensor, "L W"]
    target: Float[Tensor, "d W"]
    padded: bool

    @staticmethod
    def of(formula: Formula, tokens: Float[Tensor, "d L W"], lengths: Int[Tensor, " W"], target: Tensor) -> Tile:
        """A tile from gathered tokens, changed in place; where there is no content they may hold any number."""
        live = torch.arange(tokens.shape[1])[:, None] < lengths
        padded = not bool(live.all())
        if padded:
            tokens.mul_(live)
        share = live / lengths.clamp_min(1)
        compared = tokens if isinstance(formula.assignment, Attention) else unit_channels(tokens)
        marginal = share
        if formula.marginals is not None:
            along = product(formula.marginals.rows[None].float(), tokens.flatten(1), "along").view(share.shape)
            marginal = softmax(along, live)
        return Tile(tokens, compared.flatten(1), share, marginal, live, target.contiguous(), padded)

    @property
    def present(self) -> Bool[Tensor, " W"]:
        """Lanes that hold an entity with tokens."""
        return self.live[0]


@dataclass(frozen=True)
class Sent:
    """One mention's tokens, at its own length ``n``.

    Attributes:
        keys: ``K``, scaled by all that multiplies an inner product: ``log2(e)/(2ε)`` over its length, or ``1/√d``.
        values: ``Hᵀ``.
        small: whether ``exp`` of every value is well within float32, so that softmax needs no shift.
        marginal: what a transport asks of each token.
    """

    keys: Float[Tensor, "n d"]
    values: Float[Tensor, "d n"]
    small: bool
    marginal: Float[Tensor, "n 1"]

    @staticmethod
    def of(formula: Formula, mentions: Senders, row: int) -> Sent | None:
        """The mention in that row; ``None`` if it has no tokens."""
        length = int(mentions.lengths[row])
        if not length:
            return None
        keys, values = mentions.keys[row, :length].float(), mentions.values[row, :length].float()
        marginal = keys.new_full((length, 1), 1 / length)
        if formula.marginals is not None:
            marginal = (keys @ formula.marginals.columns.float()).softmax(0).unsqueeze(1)
        if isinstance(formula.assignment, Attention):
            keys = keys * (LOG2E / math.sqrt(keys.shape[1]))
        else:
            keys = unit(keys) * (LOG2E / (2 * formula.assignment.solver.epsilon))
        return Sent(keys.contiguous(), values.T.contiguous(), float(values.abs().max()) < SMALL, marginal)

    def products(self, tile: Tile) -> Float[Tensor, "n L W"]:
        """The keys' scaled inner products with every token of the tile."""
        return product(self.keys, tile.compared, "plan").view(-1, *tile.share.shape)

    def cosines(self, formula: Formula, tile: Tile) -> Float[Tensor, "n L W"]:
        """Cosines of the keys with every token of the tile, 0 on padding."""
        if isinstance(formula.assignment, Attention):
            keys, tokens = unit(self.keys / (LOG2E / math.sqrt(self.keys.shape[1]))), unit_channels(tile.tokens)
        else:
            keys, tokens = self.keys / (LOG2E / (2 * formula.assignment.solver.epsilon)), tile.compared
        return product(keys, tokens.flatten(1), "cosines").view(-1, *tile.share.shape).clamp_(-1, 1)


def block_tile(formula: Formula, entities: LaneBlocks, first: int) -> Tile:
    """As many blocks as a tile has room for, from ``first`` on as a tile; lanes beyond the last block are empty."""
    count = min(WIDE // LANES, len(entities) - first)
    blocks = [entities.block(first + n) for n in range(count)]
    tokens = torch.zeros(entities.width, max(len(block) for block in blocks), WIDE)
    for n, block in enumerate(blocks):
        tokens[:, : len(block), n * LANES : (n + 1) * LANES] = block.movedim(1, 0)
    return _filled_up(
        formula, tokens, entities.lengths[first : first + count], entities.target[first : first + count].movedim(0, 1)
    )


def slot_tile(formula: Formula, entities: LaneBlocks, slots: Int[Tensor, " p"]) -> Tile:
    """At most ``WIDE`` slots as a tile."""
    block, lane = slots // LANES, slots % LANES
    lengths, first = entities.lengths[block, lane].long(), entities.start[block]
    longest, width = max(int(lengths.max()), 1), entities.width
    # Slot by slot, so that memory is read in one direction; a token beyond a slot's last is its last once more.
    token = torch.arange(longest).minimum((lengths - 1).clamp_min(0)[:, None]) * LANES
    at = first[:, None, None] + token[..., None] * width + torch.arange(width) * LANES + lane[:, None, None]
    tokens = torch.zeros(width, longest, WIDE)
    gathered = entities.tokens[at.flatten()].view(len(slots), longest, width)
    tokens[..., : len(slots)] = gathered.permute(2, 1, 0)
    if entities.scales is not None:
        tokens[..., : len(slots)] *= entities.scales[first[:, None] // width + token + lane[:, None]].T
    return _filled_up(formula, tokens, lengths, entities.target[block, :, lane].T)


def _filled_up(formula: Formula, tokens: Tensor, lengths: Tensor, target: Tensor) -> Tile:
    lengths, target = lengths.flatten().long(), target.flatten(1)
    missing = WIDE - len(lengths)
    lengths = torch.cat([lengths, lengths.new_zeros(missing)])
    return Tile.of(formula, tokens, lengths, torch.cat([target, target.new_zeros(len(target), missing)], 1))


def softmax(along: Float[Tensor, "L W"], live: Bool[Tensor, "L W"]) -> Float[Tensor, "L W"]:
    """Over an entity's tokens; 0 on padding, NaN in lanes without tokens."""
    along = along.masked_fill(~live, -torch.inf)
    shares = (along - along.amax(0).nan_to_num(neginf=0)).mul_(LOG2E).exp2_()
    return shares / total(shares, 0)


def unit_channels(tokens: Float[Tensor, "d L W"]) -> Float[Tensor, "d L W"]:
    """``otmel.ot.cost.unit`` where channels come first."""
    squares = total(tokens.square(), 0)
    return tokens * torch.where(squares > 1e-12, squares, 1.0).rsqrt_()
