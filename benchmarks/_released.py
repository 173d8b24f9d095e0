"""The baseline: a late term computed in the style of the code released with the paper, without its disk reads.

Written by us from a description of that code. It knows no masks, so every item has all its tokens. Each tensor holds
every pair: queries are laid out anew for each mention, ``[M, E, L, d]``, cosines come from a product of tensors with
four axes divided by a product of norms, and each Sinkhorn half-step is a division of the whole plan by its sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from otmel.kernels.formula import Affine, Formula
from otmel.ot import Attention, LearnedPool

SHAPES: Final = ((1, 64), (1, 256), (2, 64), (4, 16), (4, 64), (8, 32), (8, 128))
"""Mentions × entities worked on at once; a benchmark takes the quickest. Its tensors then lie in the cache, which they
do not in batches of the size that one makes for a GPU: there it is several times slower."""


@dataclass(frozen=True, eq=False)
class Released:
    """A late term in the released style.

    Attributes:
        formula: what is computed; transport to a fixed number of iterations, of any row norm and pool.
        shape: mentions × entities at once.
    """

    formula: Formula
    shape: tuple[int, int] = (4, 64)

    @torch.no_grad()
    def scores(
        self,
        mentions: tuple[Float[Tensor, "M L d"], Float[Tensor, "M L d"]],
        entities: tuple[Float[Tensor, "E L d"], Float[Tensor, "E d"]],
    ) -> Float[Tensor, "M E"]:
        """All mentions (keys, values) against all entities (queries, targets)."""
        at_once, chunk = self.shape
        rows = [
            torch.cat([self._chunk(mention, entity) for entity in _split(entities, chunk)], 1)
            for mention in _split(mentions, at_once)
        ]
        return torch.cat(rows)

    def _chunk(self, mention: Sequence[Tensor], entity: Sequence[Tensor]) -> Float[Tensor, "M E"]:
        (keys, values), (queries, target) = mention, entity
        query = queries.unsqueeze(0).repeat(len(keys), 1, 1, 1)
        key = keys.unsqueeze(1).repeat(1, len(queries), 1, 1)
        tokens = torch.einsum("meij,mjd->meid", self._plan(query, key), values)
        if self.formula.residual:
            tokens = tokens + query
        tokens = _normed(tokens, self.formula.norm)
        return torch.einsum("med,ed->me", self._pooled(tokens), target)

    def _plan(self, query: Float[Tensor, "M E L d"], key: Float[Tensor, "M E J d"]) -> Float[Tensor, "M E L J"]:
        assignment = self.formula.assignment
        assert not isinstance(assignment, Attention)
        lengths = query.norm(dim=-1, keepdim=True) * key.norm(dim=-1).unsqueeze(-2)
        similarity = (torch.matmul(query, key.transpose(-1, -2)) / lengths + 1) / 2
        plan = torch.exp(similarity / assignment.solver.epsilon)
        for _ in range(assignment.solver.iterations):
            plan = plan / plan.sum(dim=-2, keepdim=True)
            plan = plan / plan.sum(dim=-1, keepdim=True)
        if assignment.row_norm == "l2":
            return plan / plan.norm(dim=-1, keepdim=True)
        return plan if assignment.row_norm == "sum" else plan / query.shape[-2]

    def _pooled(self, tokens: Float[Tensor, "M E L d"]) -> Float[Tensor, "M E d"]:
        if not isinstance(self.formula.pool, LearnedPool):
            return (torch.softmax(tokens, dim=2) * tokens).sum(dim=2)
        assert self.formula.direction is not None
        weights = torch.softmax(torch.matmul(tokens, self.formula.direction.unsqueeze(-1)), dim=2)
        return _normed((weights * tokens).sum(dim=2), self.formula.pool_norm)


def _split(tensors: Sequence[Tensor], size: int) -> list[tuple[Tensor, ...]]:
    return list(zip(*(tensor.split(size) for tensor in tensors), strict=True))


def _normed(tokens: Tensor, norm: Affine | None) -> Tensor:
    if norm is None:
        return tokens
    return torch.nn.functional.layer_norm(tokens, (tokens.shape[-1],), norm.scale, norm.shift, norm.eps)
