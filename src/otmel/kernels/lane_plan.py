"""The assignment of Eq. 7 or Eq. 21 in lane layout ``[n, L, W]``: mention tokens, entity tokens, entities.

Sums over mention tokens and over entity tokens are then sums over leading axes, and a whole tile is one number wide.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.kernels.alike import room, total
from otmel.kernels.formula import Formula
from otmel.kernels.lane_tile import LOG2E, Sent, Tile
from otmel.ot import Attention, Transport

_FAR = -1e30


def weights(formula: Formula, mention: Sent, tile: Tile) -> Float[Tensor, "n L W"]:
    """``A`` of ``g_i = Σ_j A_ij h_j``, with its rows as the formula has them; unspecified on padding, but finite."""
    products = mention.products(tile)
    if isinstance(formula.assignment, Attention):
        products.sub_(products.amax(0)).exp2_()
        return products.mul_(total(products, 0).reciprocal_())
    return _transported(formula.assignment, products, mention, tile)


def _transported(
    transport: Transport, products: Float[Tensor, "n L W"], mention: Sent, tile: Tile
) -> Float[Tensor, "n L W"]:
    solver = transport.solver
    domain = (_LogDomain if solver.in_log_domain else _ExpDomain)(products, mention, tile, transport)
    v = domain.columns(None)
    for _ in range(solver.rounds - 1):
        v_next = domain.columns(domain.rows(v))
        if solver.tolerance is not None:
            moving = domain.drift(v, v_next).amax(0) > solver.tolerance
            if not bool(moving.any()):
                break
            v_next = torch.where(moving, v_next, v)
        v = v_next
    plan, mass = domain.plan(v)
    if transport.row_norm == "none":
        return plan.mul_(domain.scaling(mass))
    if transport.row_norm == "marginal":
        return plan.mul_(domain.power(mass))
    plan.mul_(_positive(mass).reciprocal_())
    if transport.row_norm == "sum":
        return plan
    return plan.div_(_positive(total(torch.mul(plan, plan, out=room("work", *plan.shape)), 0)).sqrt_())


class _Domain(Protocol):
    """The steps of ``otmel.ot.transport`` in lane layout."""

    def columns(self, u: Tensor | None) -> Float[Tensor, "n W"]: ...
    def rows(self, v: Tensor) -> Float[Tensor, "L W"]: ...
    def drift(self, v: Tensor, v_next: Tensor) -> Float[Tensor, "n W"]: ...
    def plan(self, v: Tensor) -> tuple[Tensor, Tensor]: ...
    def power(self, mass: Tensor) -> Float[Tensor, "L W"]: ...
    def scaling(self, mass: Tensor) -> Float[Tensor, "L W"]: ...


class _ExpDomain:
    """On ``K = exp(−C/ε)`` itself, in float32.

    A constant factor of ``K`` leaves a balanced plan as it is, so ``exp(cos/2ε)`` does as well there. ``u`` carries
    ``a`` and ``v`` carries ``b``.
    """

    def __init__(self, products: Tensor, mention: Sent, tile: Tile, transport: Transport) -> None:
        solver = transport.solver
        if solver.relax != (1, 1):
            products.sub_(LOG2E / (2 * solver.epsilon))
        self.kernel = products.exp2_()
        self.work = room("work", *self.kernel.shape)
        self.share, self.each = tile.marginal, mention.marginal
        self.row_power, self.column_power = solver.relax
        self.null = math.exp(null_key(transport))

    def columns(self, u: Tensor | None) -> Tensor:
        scaled = self.share if u is None else u
        sums = total(torch.mul(self.kernel, scaled, out=self.work), 1)
        return _inverse_power(sums.add_(self.null), self.column_power).mul_(self.each)

    def rows(self, v: Tensor) -> Tensor:
        return self.scaling(total(torch.mul(self.kernel, v[:, None], out=self.work), 0))

    def drift(self, v: Tensor, v_next: Tensor) -> Tensor:
        return (v / v_next).sub_(1).abs_()

    def plan(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """``K b v``, in the place of ``K``, and its sums over the mention's tokens."""
        plan = self.kernel.mul_(v[:, None])
        return plan, total(plan, 0)

    def power(self, mass: Tensor) -> Tensor:
        """``u``, from the sums of the rows of ``K b v``."""
        return _inverse_power(mass.add_(self.null), self.row_power)

    def scaling(self, mass: Tensor) -> Tensor:
        """``a u``, with which the rows of ``K b v`` become those of the plan."""
        return self.power(mass).mul_(self.share)


class _LogDomain:
    """On logarithms in float64, for small ε."""

    def __init__(self, products: Tensor, mention: Sent, tile: Tile, transport: Transport) -> None:
        solver = transport.solver
        # Products are scaled for exp2; the cost stays within [0, 1] as in ``cosine_cost``.
        cosine = products.double() * (2 * solver.epsilon / LOG2E)
        self.kernel = (1 - cosine).mul_(0.5).clamp_(0, 1) * (-1 / solver.epsilon)
        some = tile.live & (tile.marginal > 0)
        self.log_share = torch.where(some, tile.marginal.double(), 1.0).log().masked_fill(~some, _FAR)
        self.log_each = mention.marginal.double().clamp_min(1e-38).log()
        self.row_power, self.column_power = solver.relax
        self.null = null_key(transport)

    def columns(self, u: Tensor | None) -> Tensor:
        scaled = self.log_share if u is None else self.log_share + u
        return self._scaled(_log_sum(self.kernel + scaled, 1), self.column_power)

    def rows(self, v: Tensor) -> Tensor:
        return self._scaled(_log_sum(self.kernel + (v + self.log_each)[:, None], 0), self.row_power)

    def _scaled(self, logs: Tensor, power: float) -> Tensor:
        if self.null > -math.inf:
            logs = torch.logaddexp(logs, logs.new_tensor(self.null))
        return logs.mul_(-power)

    def drift(self, v: Tensor, v_next: Tensor) -> Tensor:
        return torch.expm1(v - v_next).abs_()

    def plan(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """As the other domain, but every row divided by its largest entry, which ``scaling`` gives back."""
        logs = self.kernel + (v + self.log_each)[:, None]
        self.largest = logs.amax(0)
        plan = logs.sub_(self.largest).exp_()
        return plan.float(), total(plan, 0).float()

    def power(self, mass: Tensor) -> Tensor:
        """``u``, times what the rows were divided by."""
        return self._power(mass).exp_().float()

    def scaling(self, mass: Tensor) -> Tensor:
        """``a u``, times what the rows were divided by."""
        return self._power(mass).add_(self.log_share).exp_().float()

    def _power(self, mass: Tensor) -> Tensor:
        return self._scaled(mass.double().log_().add_(self.largest), self.row_power).add_(self.largest)


def null_key(transport: Transport) -> float:
    """The logarithm of the null key's weight, ``(z − 1)/2ε``; −∞ where there is none."""
    if transport.threshold is None:
        return -math.inf
    return (transport.threshold - 1) / (2 * transport.solver.epsilon)


def _log_sum(terms: Tensor, axis: int) -> Tensor:
    largest = terms.amax(axis, keepdim=True)
    return total(terms.sub_(largest).exp_(), axis).log_().add_(largest.squeeze(axis))


def _inverse_power(sums: Tensor, power: float) -> Tensor:
    safe = _positive(sums)
    return safe.reciprocal_() if power == 1 else safe.pow_(-power)


def _positive(sums: Tensor) -> Tensor:
    # A sum is 0 only in a lane without tokens, whose score nobody reads; it only has to stay finite.
    return sums.clamp_min_(1e-30)
