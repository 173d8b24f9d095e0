"""Unimodal matching: the tokens of a mention are sent to the tokens of an entity (Eq. 19–24)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from otmel.kernels.formula import Affine, Formula
from otmel.models.base import LateState
from otmel.models.settings import ModelSettings
from otmel.ot import Assignment, Correlation, LearnedPool, Plan, Sides
from otmel.ot.learned import Adjustment
from otmel.ot.means import Means
from otmel.ot.pool import WeightedPool, is_weighted

PAIR_ELEMENTS = 12_000_000
"""Plan entries worked on at once in training; larger tiles are cut by mention and recomputed in the backward pass."""


Scored = tuple[Float[Tensor, "M E"], Means | None]


def by_tile(tile: Callable[[LateState, LateState], Scored], mentions: LateState, entities: LateState) -> Scored:
    """``tile`` of all pairs, some mentions at a time where their plans are too large."""
    per_mention = len(entities) * entities.mask.shape[1] * mentions.mask.shape[1]
    step = max(1, PAIR_ELEMENTS // max(per_mention, 1))
    if step >= len(mentions):
        return tile(mentions, entities)
    late, auxiliary = [], []
    for start in range(0, len(mentions), step):
        chunk = mentions[start : start + step]
        if torch.is_grad_enabled():
            scores, loss = checkpoint(tile, chunk, entities, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
        else:
            scores, loss = tile(chunk, entities)
        late.append(scores)
        auxiliary.append(loss)
    return torch.cat(late), Means.added(auxiliary)


class Matching(nn.Module):
    """One modality's late term ``ψ(ḡ_m, t_e)`` of Eq. 24: entity tokens receive, mention tokens send."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        assert settings.matching is not None
        self.settings = settings
        self.correlation = Correlation(settings.matching, settings.hidden, settings.shape)
        self.pool = settings.pool.build(settings.hidden)
        self.direct = is_weighted(self.pool) and not settings.shape.layer_norm

    @property
    def assignment(self) -> Assignment:
        """Who receives how much from whom."""
        return self.correlation.assignment

    @property
    def adjustment(self) -> Adjustment | None:
        """What the assignment has learned beside projections."""
        return self.correlation.adjustment

    def entity(self, tokens: Tensor, mask: Bool[Tensor, "E L"], cls: Float[Tensor, "E d"]) -> LateState:
        """``Q = T_e W_q`` and ``t_e``: all that an entity brings."""
        return LateState(tokens=self.correlation.query(tokens), mask=mask, target=cls)

    def mention(self, tokens: Tensor, mask: Bool[Tensor, "M L"]) -> LateState:
        """``K = T_m W_k`` and ``H = T_m W_v``: all that a mention brings."""
        return LateState(tokens=self.correlation.key(tokens), mask=mask, values=self.correlation.value(tokens))

    def forward(self, mentions: LateState, entities: LateState) -> Scored:
        """``ψ(ḡ_m, t_e)`` for every pair (Eq. 19–23), and the auxiliary loss averaged over the pairs."""
        return by_tile(self._tile, mentions, entities)

    def _tile(self, mentions: LateState, entities: LateState) -> Scored:
        assert mentions.values is not None
        assert entities.target is not None
        if self.direct:
            return self._direct(mentions, entities)
        assigned = self.correlation(self.sides(mentions, entities), mentions.values)
        # ḡ_m is empty where either side has no tokens: no message was sent, so the late term is zero.
        filled = entities.mask.unsqueeze(0) & mentions.mask.any(-1)[:, None, None]
        pooled = self.pool(assigned.tokens, filled)
        return torch.einsum("med,ed->me", pooled, entities.target), assigned.auxiliary

    def _direct(self, mentions: LateState, entities: LateState) -> Scored:
        """The same number without the transported tokens, which are 96 wide: for pools that are weighted sums.

        With ``g_i = Σ_j A_ij h_j (+ q_i)``, ``(Σ_i w_i g_i) · t_e`` is ``Σ_j (Σ_i w_i A_ij) (h_j · t_e)`` (plus
        ``Σ_i w_i q_i · t_e``), and the weights need ``g_i · a = Σ_j A_ij (h_j · a) (+ q_i · a)`` alone.
        """
        values, target = mentions.values, entities.target
        assert values is not None
        assert target is not None
        pool: WeightedPool = self.pool  # pyright: ignore[reportAssignmentType]
        plan, auxiliary = self.correlation.weights(self.sides(mentions, entities))
        filled = entities.mask.unsqueeze(0) & mentions.mask.any(-1)[:, None, None]
        along = None
        if pool.direction is not None:
            along = (plan @ (values @ pool.direction)[:, None, :, None]).squeeze(-1)
            if self.correlation.shape.residual:
                along = along + entities.tokens @ pool.direction
        weights = pool.weights(along, filled, plan.dtype)
        meets = torch.einsum("mjd,ed->mej", values, target)
        late = ((weights.unsqueeze(-2) @ plan).squeeze(-2) * meets).sum(-1)
        if self.correlation.shape.residual:
            late = late + (weights * (entities.tokens @ target.unsqueeze(-1)).squeeze(-1)).sum(-1)
        return late, auxiliary

    def formula(self) -> Formula:
        """This late term as a value, for kernels: the student's where the model distils."""
        pool = self.settings.pool
        return Formula(
            assignment=self.correlation.settled,
            pool=pool,
            residual=self.correlation.shape.residual,
            norm=_affine(self.correlation.norm),
            direction=self.pool.direction.detach().float().cpu() if isinstance(pool, LearnedPool) else None,  # pyright: ignore[reportAttributeAccessIssue,reportCallIssue]
            pool_norm=_affine(getattr(self.pool, "norm", None)),
            marginals=self.correlation.settled_marginals,
        )

    def plan(self, mention: LateState, entity: LateState) -> Plan:
        """The plans of every pair ``[M, E, L_e, L_m]``, for display."""
        return self.correlation.plan(self.sides(mention, entity))

    def sides(self, mentions: LateState, entities: LateState) -> Sides:
        """The tokens of every pair: an entity's receive, a mention's send."""
        return self.correlation.sides(entities.tokens, entities.mask, mentions.tokens, mentions.mask, "crossed")


def _affine(norm: nn.Module | None) -> Affine | None:
    if not isinstance(norm, nn.LayerNorm):
        return None
    return Affine(norm.weight.detach().float().cpu(), norm.bias.detach().float().cpu(), norm.eps)
