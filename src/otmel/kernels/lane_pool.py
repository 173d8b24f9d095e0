"""From an assignment in lane layout to scores (Eq. 22–24): tokens, their norm and pool, or the short way."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.kernels.alike import product, total
from otmel.kernels.formula import Affine, Formula
from otmel.kernels.lane_tile import LOG2E, Sent, Tile
from otmel.ot import MaxPool, MeanPool, SoftPool


def scores(formula: Formula, weights: Float[Tensor, "n L W"], mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    """Late scores of one mention against a tile, 0 in lanes without an entity."""
    late = (_direct if formula.direct else _pooled)(formula, weights, mention, tile)
    return torch.where(tile.present, late, 0.0)


def _direct(formula: Formula, weights: Tensor, mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    """``Σ_i w_i (Σ_j A_ij (h_j · t_e) + q_i · t_e)``: see ``otmel.models.matching``."""
    flat, shape = weights.flatten(1), tile.share.shape
    share = tile.share
    if formula.direction is not None:
        along = product(formula.direction[None].float() @ mention.values, flat).view(shape)
        if formula.residual:
            along = along + product(formula.direction[None].float(), tile.tokens.flatten(1)).view(shape)
        share = _softmax(along, tile)
    meets = product(mention.values.T.contiguous(), tile.target)
    sent = total(weights.mul_(meets[:, None]), 0)
    if formula.residual:
        sent = sent + total(tile.tokens * tile.target[:, None], 0)
    return total(share * sent, 0)


def _pooled(formula: Formula, weights: Tensor, mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    tokens = product(mention.values, weights.flatten(1)).view(-1, *tile.share.shape)
    if formula.residual:
        tokens.add_(tile.tokens)
    pooled = _pool(formula, _normed(tokens, formula.norm), tile)
    return total(_normed(pooled, formula.pool_norm).mul(tile.target), 0)


def _pool(formula: Formula, tokens: Float[Tensor, "d L W"], tile: Tile) -> Float[Tensor, "d W"]:
    if isinstance(formula.pool, SoftPool):
        return _soft(tokens, tile)
    if isinstance(formula.pool, MaxPool):
        return tokens.masked_fill_(~tile.live, -torch.inf).amax(1)
    if isinstance(formula.pool, MeanPool):
        return total(tokens.mul_(tile.share), 1)
    assert formula.direction is not None
    along = product(formula.direction[None].float(), tokens.flatten(1)).view(tile.share.shape)
    return total(tokens.mul_(_softmax(along, tile)), 1)


def _soft(tokens: Float[Tensor, "d L W"], tile: Tile) -> Float[Tensor, "d W"]:
    """``Σ_i g_i exp(g_i) / Σ_i exp(g_i)`` in every channel."""
    largest = (tokens.masked_fill(~tile.live, -torch.inf) if tile.padded else tokens).amax(1, keepdim=True)
    shares = (tokens - largest).mul_(LOG2E).exp2_()
    if tile.padded:
        shares.masked_fill_(~tile.live, 0)
    above = total(tokens.mul_(shares), 1)
    return above.div_(total(shares, 1))


def _softmax(along: Float[Tensor, "L W"], tile: Tile) -> Float[Tensor, "L W"]:
    along = along.masked_fill(~tile.live, -torch.inf)
    shares = (along - along.amax(0).nan_to_num(neginf=0)).mul_(LOG2E).exp2_()
    return shares / total(shares.clone(), 0)


def _normed(tokens: Float[Tensor, "d ..."], norm: Affine | None) -> Float[Tensor, "d ..."]:
    """LayerNorm over the channels, which come first here."""
    if norm is None:
        return tokens
    width, shape = len(tokens), (-1,) + (1,) * (tokens.dim() - 1)
    tokens.sub_(total(tokens.clone(), 0) / width)
    variance = total(tokens.square(), 0) / width
    tokens.div_((variance + norm.eps).sqrt_())
    return tokens.mul_(norm.scale.float().view(shape)).add_(norm.shift.float().view(shape))
