"""Transport cost between token sets, Eq. 10 = Eq. 20, for aligned rows and for every pair of two sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otmel.ot.numerics import far, promoted

Layout = Literal["aligned", "crossed"]
"""``aligned``: the b-th rows meet the b-th columns. ``crossed``: every row set meets every column set."""


@dataclass(frozen=True, eq=False)
class Marginals:
    """Directions of learned marginals: a token weighs ``exp(token · direction)``, and each set's weights sum to one."""

    rows: Float[Tensor, " d"]
    columns: Float[Tensor, " d"]


@dataclass(frozen=True)
class Sides:
    """The two token sets of a correlation assignment: rows receive, columns send.

    With ``layout="aligned"`` both hold ``B`` sets and every product is ``[B, n, m]``. With ``layout="crossed"`` rows
    hold ``E`` sets, columns hold ``M``, and every product is ``[M, E, n, m]``.

    ``marginals`` are learned directions; ``None``: every token weighs the same.
    """

    rows: Float[Tensor, "E n d"]
    columns: Float[Tensor, "M m d"]
    row_mask: Bool[Tensor, "E n"]
    column_mask: Bool[Tensor, "M m"]
    layout: Layout = "aligned"
    marginals: Marginals | None = None

    def products(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Inner products of all row tokens with all column tokens."""
        if self.layout == "aligned":
            return rows @ columns.transpose(-1, -2)
        entities, n, width = rows.shape
        mentions, m, _ = columns.shape
        flat = columns.reshape(1, mentions * m, width) @ rows.reshape(entities * n, width).T
        return flat.view(mentions, m, entities, n).permute(0, 2, 3, 1).contiguous()

    @property
    def row_weights(self) -> Float[Tensor, "... n"]:
        """Marginal of the rows, ``μ`` of Eq. 11 (= ``ν`` of Eq. 21), uniform in the paper: zero on padding."""
        weights = _weights(self.rows, self.row_mask, self.marginals and self.marginals.rows)
        return weights if self.layout == "aligned" else weights.unsqueeze(0)

    @property
    def column_weights(self) -> Float[Tensor, "... m"]:
        """Marginal of the columns: zero on padding."""
        weights = _weights(self.columns, self.column_mask, self.marginals and self.marginals.columns)
        return weights if self.layout == "aligned" else weights.unsqueeze(1)

    def transported(self, plan: Tensor, values: Float[Tensor, "M m d"]) -> Tensor:
        """``G = A H`` (Eq. 8 = 12 = 22), ``[B, n, d]`` or ``[M, E, n, d]``."""
        if self.layout == "aligned":
            return plan @ values
        mentions, entities, n, m = plan.shape
        return (plan.reshape(mentions, entities * n, m) @ values).view(mentions, entities, n, -1)


def _weights(tokens: Tensor, mask: Tensor, direction: Tensor | None) -> Float[Tensor, "... L"]:
    if direction is None:
        return uniform(mask, tokens.dtype)
    along = promoted(tokens) @ direction.to(promoted(tokens))
    return along.masked_fill(~mask, far(along.dtype)).softmax(-1).to(tokens.dtype) * mask


def uniform(mask: Bool[Tensor, "... L"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "... L"]:
    """``1/L`` on content, 0 on padding; all zeros where there is no content."""
    count = mask.sum(-1, keepdim=True).clamp_min(1).to(dtype)
    return mask.to(dtype) / count


def unit(tokens: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
    """Rows scaled to length one; a zero row (shorter than 1e-6) stays as it is, and its gradient finite."""
    wide = promoted(tokens)  # squares of float16 leave its range
    squares = wide.square().sum(-1, keepdim=True)
    return (wide * torch.where(squares > 1e-12, squares, 1.0).rsqrt()).to(tokens.dtype)


def cosine_cost(sides: Sides) -> Float[Tensor, "... n m"]:
    """``C_ij = ½ (1 − cos(Q_i, K_j))`` of Eq. 10 and Eq. 20, in ``[0, 1]``."""
    return (1 - sides.products(unit(sides.rows), unit(sides.columns))).mul(0.5).clamp(0.0, 1.0)
