"""The kernel ``definition``: Eq. 19–24 as they are written, in float64. Slow: the oracle of every other kernel."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otmel.kernels.formula import Affine, Formula, Matched
from otmel.kernels.layout import LaneBlocks, Senders
from otmel.kernels.registry import Arithmetic, Kernel
from otmel.ot import Attention, Sides, cosine_cost
from otmel.ot.attention import pair_masks
from otmel.ot.pool import LearnedPool

AT_ONCE = 64
"""Entities worked on at once."""


def late_scores(
    formula: Formula,
    mentions: tuple[Float[Tensor, "M L d"], Float[Tensor, "M L d"], Bool[Tensor, "M L"]],
    entities: tuple[Float[Tensor, "E L d"], Bool[Tensor, "E L"], Float[Tensor, "E d"]],
) -> Float[Tensor, "M E"]:
    """``ψ(ḡ_m, t_e)`` of Eq. 24, or a late interaction, for every pair, in the dtype of the tokens.

    Args:
        formula: the form of Eq. 19–23.
        mentions: keys, values and mask.
        entities: queries, mask and target.
    """
    keys, values, mention_mask = mentions
    queries, entity_mask, target = entities
    sides = Sides(queries, keys, entity_mask, mention_mask, "crossed", formula.marginals)
    weights, _ = formula.assignment.weights(sides)
    if isinstance(formula.pool, Matched):
        return matched(formula, weights, sides)
    tokens = sides.transported(weights, values)
    if formula.residual:
        tokens = tokens + queries
    rows, _ = pair_masks(sides)
    filled = rows.squeeze(-1) & mention_mask.any(-1)[:, None, None]
    pooled = _pooled(formula, _normed(tokens, formula.norm), filled)
    return torch.einsum("med,ed->me", pooled, target)


def matched(formula: Formula, weights: Float[Tensor, "M E n m"], sides: Sides) -> Float[Tensor, "M E"]:
    """``Σ_ij P_ij (cos_ij − z)``; an attention's rows are given the mass of a transport's."""
    assert isinstance(formula.pool, Matched)
    if isinstance(formula.assignment, Attention):
        weights = weights * sides.row_weights.unsqueeze(-1)
    return (weights * (1 - 2 * cosine_cost(sides) - formula.pool.threshold)).sum((-1, -2))


def _pooled(formula: Formula, tokens: Float[Tensor, "M E L d"], mask: Bool[Tensor, "M E L"]) -> Float[Tensor, "M E d"]:
    assert not isinstance(formula.pool, Matched)
    if not isinstance(formula.pool, LearnedPool):
        return formula.pool.build(tokens.shape[-1])(tokens, mask)
    assert formula.direction is not None
    along = (tokens @ formula.direction.to(tokens)).masked_fill(~mask, -torch.inf)
    weights = torch.where(mask, along.softmax(-1), 0.0)
    pooled = _normed((weights.unsqueeze(-1) * tokens).sum(-2), formula.pool_norm)
    return torch.where(mask.any(-1, keepdim=True), pooled, 0.0)


def _normed(tokens: Tensor, norm: Affine | None) -> Tensor:
    if norm is None:
        return tokens
    shape = (tokens.shape[-1],)
    return torch.nn.functional.layer_norm(tokens, shape, norm.scale.to(tokens), norm.shift.to(tokens), norm.eps)


class _Definition:
    def __init__(self, formula: Formula) -> None:
        self.formula = formula

    def tile(self, mentions: Senders, entities: LaneBlocks) -> Float[Tensor, "M S"]:
        """See ``Scoring``; in float64."""
        slots = torch.arange(entities.lengths.numel())
        return torch.cat(
            [self._scores(mentions, entities, part) for part in slots.split(AT_ONCE)] or [slots[None, :0]], 1
        )

    def pairs(
        self, mentions: Senders, entities: LaneBlocks, mention: Int[Tensor, " P"], slot: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """See ``Scoring``; in float64."""
        scores = [self._scores(mentions[m : m + 1], entities, s[None])[0] for m, s in zip(mention, slot, strict=True)]
        return torch.cat(scores) if scores else torch.zeros(0)

    @torch.no_grad()
    def _scores(self, mentions: Senders, entities: LaneBlocks, slots: Tensor) -> Float[Tensor, "M S"]:
        tokens, mask, target = entities.unpacked(slots)
        sent = torch.arange(mentions.keys.shape[1]) < mentions.lengths.unsqueeze(1)
        # One mention at a time, at its own length: a score does not depend on the rest of its batch.
        rows = [
            late_scores(
                self.formula,
                (mentions.keys[m : m + 1, :n].double(), mentions.values[m : m + 1, :n].double(), sent[m : m + 1, :n]),
                (tokens.double(), mask, target.double()),
            )
            for m, n in enumerate(mentions.lengths.clamp_min(1).tolist())
        ]
        return torch.cat(rows).float()


def _refusal(formula: Formula, arithmetic: Arithmetic) -> str | None:
    return None if arithmetic == "float32" else f"it computes in float64, not in {arithmetic}"


KERNEL = Kernel(
    "definition",
    "the formula in float64, as it is written",
    1e-7,
    _refusal,
    lambda formula, threads, arithmetic: _Definition(formula),
)
