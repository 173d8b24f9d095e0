"""The program of the kernel ``triton``: one mention against some entities, each pair in registers up to its score.

The bits of a score depend on nothing but the formula and the pair: its tile is as long as its own lengths ask, whatever
its batch, and tiles and scattered pairs are scored by one compiled program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

from otmel.kernels import triton_operands as operands
from otmel.kernels.triton_operands import Given, Pair, Receivers, Work
from otmel.kernels.triton_plan import plan
from otmel.kernels.triton_tiles import LOG2E, UNIT, along, content, filled, lengths, tile, vector, zeros

if TYPE_CHECKING:
    from otmel.kernels.triton_operands import Form as constexpr  # noqa: N813
else:
    constexpr = tl.constexpr

SHARE = tl.constexpr(operands.SHARE)


@triton.jit
def score(given: Given, work: Work, out: tl.tensor, form: constexpr) -> None:
    """Late scores of one mention and some entities, see ``Work``."""
    mentions, slots, count = tl.load(work.plan), tl.load(work.plan + 1), tl.load(work.plan + 2)
    nth = tl.program_id(0) % mentions
    first = tl.program_id(0) // mentions * count + nth * tl.load(work.plan + 3)
    mention = tl.load(work.mention + nth).to(tl.int64)
    for n in range(first, tl.minimum(first + count, slots)):
        slot = tl.load(work.slot + n).to(tl.int64)
        pair = Pair(given, mention, slot, given.target + slot * form.width)
        late = _direct(pair, form) if form.direct else _through_tokens(pair, form)
        place = mention * tl.load(work.plan + 4) + slot * tl.load(work.plan + 5) + n * tl.load(work.plan + 6)
        tl.store(out + place, late)


@triton.jit
def _direct(pair: Pair, form: constexpr) -> tl.tensor:
    # Without the transported tokens g_i: Σ_i w_i (g_i · t), for pools that are weighted sums. All that reads tokens
    # comes before the plan, or they would be kept in registers through it.
    sent, own = _towards_both(pair, pair.target, form)  # pyright: ignore[reportGeneralTypeIssues]
    sent_along, own_along = sent, own
    if form.pool == "learned":
        sent_along, own_along = _towards_both(pair, pair.given.parameters.direction, form)  # pyright: ignore
    shares, factor = plan(pair, form)
    late = tl.sum(shares * sent[None, :], 1) * factor + own
    along_direction = tl.sum(shares * sent_along[None, :], 1) * factor + own_along
    return tl.sum(_weights(pair, along_direction, form) * late, 0)


@triton.jit
def _towards_both(pair: Pair, direction: tl.tensor, form: constexpr) -> tuple[tl.tensor, tl.tensor]:
    # What the mention's values and the entity's tokens have along a vector.
    sent = along(pair.given.sent, pair.mention, direction, form, form.columns)
    own = filled(0.0, form.rows)
    if form.residual:
        own = along(pair.given.queries, pair.slot, direction, form, form.rows)
    return sent, own


@triton.jit
def _weights(pair: Pair, towards: tl.tensor, form: constexpr) -> tl.tensor:
    # The weights of the learned or the mean pool: zero on padding.
    rows = tl.load(pair.given.queries.counts + pair.slot)
    there = tl.arange(0, form.rows) < rows
    if form.pool == "learned":
        top = tl.max(tl.where(there, towards, -float("inf")), 0)
        weights = tl.where(there, tl.exp2((towards - top) * LOG2E), 0.0)
        return weights / tl.sum(weights, 0)
    return tl.where(there, 1.0 / rows, 0.0)


@triton.jit
def _through_tokens(pair: Pair, form: constexpr) -> tl.tensor:
    shares, factor = plan(pair, form)  # pyright: ignore[reportGeneralTypeIssues]
    receivers = _receivers(pair, shares, factor, form)
    weights = factor
    if form.pool == "learned":
        weights = _weights(pair, _towards(pair, receivers, form), form)
    if form.pool == "mean":
        weights = _weights(pair, factor, form)
    mean, deviation = tl.zeros([1], tl.float32), tl.full([1], 1.0, tl.float32)
    if form.pool_norm:
        squares = mean
        for chunk in tl.range(0, form.width, form.depth, loop_unroll_factor=form.steps):
            pooled = _pooled(pair, receivers, weights, chunk, form)
            mean, squares = _merged(mean, squares, pooled[None, :], chunk, form)
        deviation = tl.rsqrt(squares / form.width + pair.given.numbers.pool_eps)
    late = zeros(1, form.depth)
    for chunk in tl.range(0, form.width, form.depth, loop_unroll_factor=form.steps):
        pooled = _pooled(pair, receivers, weights, chunk, form)[None, :]
        if form.pool_norm:
            scale = vector(pair.given.parameters.pool_scale, chunk, form)[None, :]
            shift = vector(pair.given.parameters.pool_shift, chunk, form)[None, :]
            pooled = (pooled - mean) * deviation * scale + shift
        late += pooled * vector(pair.target, chunk, form)[None, :]
    return tl.sum(tl.sum(late, 1), 0)


@triton.jit
def _receivers(pair: Pair, shares: tl.tensor, factor: tl.tensor, form: constexpr) -> Receivers:
    sent = lengths(pair.given.sent, pair.mention, form, form.columns)
    longest = tl.max(sent, 0)
    longest = tl.where(longest > 0, longest, 1.0)
    shares = shares * (sent / longest * SHARE)[None, :]
    high = shares.to(tl.float16)
    low = high
    if form.split:
        low = (shares - high.to(tl.float32)).to(tl.float16)
    factor = factor * (longest / (SHARE * UNIT))
    mean, squares = filled(0.0, form.rows), filled(0.0, form.rows)
    if not form.norm:
        return Receivers(high, low, factor, mean, squares)
    receivers = Receivers(high, low, factor, mean, squares)
    for chunk in tl.range(0, form.width, form.depth, loop_unroll_factor=form.steps):
        tokens = _transported(pair, receivers, chunk, form)
        mean, squares = _merged(mean, squares, tokens, chunk, form)
    return Receivers(high, low, factor, mean, tl.rsqrt(squares / form.width + pair.given.numbers.eps))


@triton.jit
def _transported(pair: Pair, receivers: Receivers, chunk: int, form: constexpr) -> tl.tensor:
    # G = A H of Eq. 22 (+ Q), depth channels of it. The sum begins with Q, so that Q takes on the layout of products.
    tokens = zeros(form.rows, form.depth)
    if form.residual:
        tokens = content(pair.given.queries, pair.slot, chunk, form, form.rows) / receivers.factor[:, None]
    values = tile(pair.given.sent.high, pair.given.sent, pair.mention, chunk, form, form.columns)
    if form.split:
        low = tile(pair.given.sent.low, pair.given.sent, pair.mention, chunk, form, form.columns)
        tokens = tl.dot(receivers.high, low, tokens)
        tokens = tl.dot(receivers.low, values, tokens)
    return tl.dot(receivers.high, values, tokens) * receivers.factor[:, None]


@triton.jit
def _normed(pair: Pair, receivers: Receivers, chunk: int, form: constexpr) -> tl.tensor:
    tokens = _transported(pair, receivers, chunk, form)
    if form.norm:
        tokens = (tokens - receivers.mean[:, None]) * receivers.deviation[:, None]
        tokens = tokens * vector(pair.given.parameters.scale, chunk, form)[None, :]
        tokens += vector(pair.given.parameters.shift, chunk, form)[None, :]
    return tokens


@triton.jit
def _towards(pair: Pair, receivers: Receivers, form: constexpr) -> tl.tensor:
    towards = zeros(form.rows, form.depth)
    for chunk in tl.range(0, form.width, form.depth, loop_unroll_factor=form.steps):
        tokens = _normed(pair, receivers, chunk, form)
        towards += tokens * vector(pair.given.parameters.direction, chunk, form)[None, :]
    return tl.sum(towards, 1)


@triton.jit
def _pooled(pair: Pair, receivers: Receivers, weights: tl.tensor, chunk: int, form: constexpr) -> tl.tensor:
    # Eq. 13–14 or an ablation of it, depth channels.
    there = (tl.arange(0, form.rows) < tl.load(pair.given.queries.counts + pair.slot))[:, None]
    tokens = tl.where(there, _normed(pair, receivers, chunk, form), 0.0)
    if (form.pool == "learned") | (form.pool == "mean"):
        return tl.sum(tokens * weights[:, None], 0)
    top = tl.max(tl.where(there, tokens, -float("inf")), 0)
    if form.pool == "max":
        return top
    heavy = tl.where(there, tl.exp2((tokens - top[None, :]) * LOG2E), 0.0)
    return tl.sum(heavy * tokens, 0) / tl.sum(heavy, 0)


@triton.jit
def _merged(
    mean: tl.tensor, squares: tl.tensor, tokens: tl.tensor, chunk: int, form: constexpr
) -> tuple[tl.tensor, tl.tensor]:
    # Mean and sum of squared differences over channels, of those before this chunk and of the chunk together.
    fresh = tl.minimum(form.width - chunk, form.depth).to(tl.float32)
    there = (chunk + tl.arange(0, form.depth) < form.width)[None, :]
    middle = tl.sum(tokens, 1) / fresh
    away = tl.where(there, tokens - middle[:, None], 0.0)
    step = middle - mean
    squares = squares + tl.sum(away * away, 1) + step * step * (chunk * fresh / (chunk + fresh))
    return mean + step * (fresh / (chunk + fresh)), squares
