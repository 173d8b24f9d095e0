"""From an assignment in lane layout to scores (Eq. 22–24): tokens, their norm and pool, or the short way."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.kernels.alike import product, room, total
from otmel.kernels.formula import Affine, Formula, Matched
from otmel.kernels.lane_tile import LOG2E, Sent, Tile, softmax
from otmel.ot import Attention, MaxPool, MeanPool, SoftPool, Transport


def scores(formula: Formula, weights: Float[Tensor, "n L W"], mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    """Late scores of one mention against a tile, 0 in lanes without an entity."""
    way = _matched if isinstance(formula.pool, Matched) else _direct if formula.direct else _pooled
    return torch.where(tile.present, way(formula, weights, mention, tile), 0.0)


def _matched(formula: Formula, weights: Tensor, mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    """``Σ_ij P_ij (cos_ij − z)``."""
    assert isinstance(formula.pool, Matched)
    worth = mention.cosines(formula, tile).sub_(formula.pool.threshold)
    rows = total(worth.mul_(weights), 0)
    return total(rows.mul_(tile.share) if isinstance(formula.assignment, Attention) else rows, 0)


def _direct(formula: Formula, weights: Tensor, mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    """``Σ_i w_i (Σ_j A_ij (h_j · t_e) + q_i · t_e)``: see ``otmel.models.matching``."""
    flat, shape = weights.flatten(1), tile.share.shape
    share = tile.share
    if formula.direction is not None:
        along = product(formula.direction[None].float() @ mention.values, flat, "along").view(shape)
        if formula.residual:
            along = along + product(formula.direction[None].float(), tile.tokens.flatten(1), "own").view(shape)
        share = softmax(along, tile.live)
    meets = product(mention.values.T.contiguous(), tile.target, "meets")
    sent = total(weights.mul_(meets[:, None]), 0)
    if formula.residual:
        sent = sent + total(torch.mul(tile.tokens, tile.target[:, None], out=room("tokens", *tile.tokens.shape)), 0)
    return total(share * sent, 0)


def _pooled(formula: Formula, weights: Tensor, mention: Sent, tile: Tile) -> Float[Tensor, " W"]:
    tokens = product(mention.values, weights.flatten(1), "tokens").view(-1, *tile.share.shape)
    if formula.residual:
        tokens.add_(tile.tokens)
    pooled = _pool(formula, _normed(tokens, formula.norm), tile, mention.small and _within_hull(formula))
    return total(_normed(pooled, formula.pool_norm).mul(tile.target), 0)


def _pool(formula: Formula, tokens: Float[Tensor, "d L W"], tile: Tile, small: bool) -> Float[Tensor, "d W"]:
    if isinstance(formula.pool, SoftPool):
        return _soft(tokens, tile, small)
    if isinstance(formula.pool, MaxPool):
        return tokens.masked_fill_(~tile.live, -torch.inf).amax(1)
    if isinstance(formula.pool, MeanPool):
        return total(tokens.mul_(tile.share), 1)
    assert formula.direction is not None
    along = product(formula.direction[None].float(), tokens.flatten(1), "along").view(tile.share.shape)
    return total(tokens.mul_(softmax(along, tile.live)), 1)


def _within_hull(formula: Formula) -> bool:
    """Whether tokens are sums of values whose weights are at most one: none is then larger than the largest value."""
    if formula.residual or formula.norm is not None:
        return False
    transport = formula.assignment
    if not isinstance(transport, Transport) or transport.row_norm == "sum":
        return True
    return transport.row_norm in ("none", "marginal") and transport.solver.relax[0] == 1


def _soft(tokens: Float[Tensor, "d L W"], tile: Tile, small: bool) -> Float[Tensor, "d W"]:
    """``Σ_i g_i exp(g_i) / Σ_i exp(g_i)`` in every channel; shifted by the largest unless all are small."""
    shares = room("work", *tokens.shape)
    if small:
        torch.mul(tokens, LOG2E, out=shares).exp2_()
        shares = shares.mul_(tile.live) if tile.padded else shares
    else:
        largest = (tokens.masked_fill(~tile.live, -torch.inf) if tile.padded else tokens).amax(1, keepdim=True)
        torch.sub(tokens, largest, out=shares).mul_(LOG2E).exp2_()
        shares = shares.masked_fill_(~tile.live, 0) if tile.padded else shares  # padding may be infinite here
    above = total(tokens.mul_(shares), 1)
    return above.div_(total(shares, 1))


def _normed(tokens: Float[Tensor, "d ..."], norm: Affine | None) -> Float[Tensor, "d ..."]:
    """LayerNorm over the channels, which come first here."""
    if norm is None:
        return tokens
    width, shape = len(tokens), (-1,) + (1,) * (tokens.dim() - 1)
    tokens.sub_(total(tokens, 0) / width)
    variance = total(torch.mul(tokens, tokens, out=room("work", *tokens.shape)), 0) / width
    tokens.div_((variance + norm.eps).sqrt_())
    return tokens.mul_(norm.scale.float().view(shape)).add_(norm.shift.float().view(shape))
