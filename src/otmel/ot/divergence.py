"""How far the student's attention is from the teacher's transport plan, Eq. 28 and its two ablations.

Read literally, Eq. 28 applies a softmax to the plan, whose entries are at most ``1/L``: its target is uniform to about
1e-6 nats and carries nothing. ``target="normalised"`` divides rows and columns of the plan by their sums instead;
``target="literal"`` is there to show the difference. The teacher never receives a gradient.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from otmel.ot.means import Means
from otmel.ot.numerics import far, promoted
from otmel.settings import Settings

Target = Literal["normalised", "literal"]


class SymmetricKL(Settings):
    """Eq. 28: half the row-wise plus half the column-wise divergence."""

    kind: Literal["symmetric_kl"] = "symmetric_kl"
    target: Target = "normalised"

    def __call__(self, plan: Tensor, scores: Tensor, content: Bool[Tensor, "... n m"]) -> Means:
        """Mean over the batch of Eq. 28, each direction averaged over its lines that have content."""
        rows = _line_divergence(plan, scores, content, self.target)
        columns = _line_divergence(plan.mT, scores.mT, content.mT, self.target)
        return Means(0.5 * torch.cat([rows.sums, columns.sums]), torch.cat([rows.counts, columns.counts]))


class RowKL(Settings):
    """Row K2 of Table 2: the row-wise half of Eq. 28 alone."""

    kind: Literal["row_kl"] = "row_kl"
    target: Target = "normalised"

    def __call__(self, plan: Tensor, scores: Tensor, content: Bool[Tensor, "... n m"]) -> Means:
        """Mean over rows of ``KL(plan row ‖ attention row)``."""
        return _line_divergence(plan, scores, content, self.target)


class MeanSquared(Settings):
    """Row K1 of Table 2: squared differences between the row-normalised plan and the attention map."""

    kind: Literal["mean_squared"] = "mean_squared"

    def __call__(self, plan: Tensor, scores: Tensor, content: Bool[Tensor, "... n m"]) -> Means:
        """Mean over rows of the sum of squared differences."""
        student = _log_softmax(scores, content).exp() * content
        teacher = _targets(plan.detach(), content, "normalised")
        return _over_lines((student - teacher).square().sum(-1), content)


Divergence = Annotated[SymmetricKL | RowKL | MeanSquared, Field(discriminator="kind")]


def _line_divergence(plan: Tensor, scores: Tensor, content: Tensor, target: Target) -> Means:
    teacher = _targets(plan.detach(), content, target)
    student = _log_softmax(scores, content)
    terms = torch.special.xlogy(teacher, teacher) - teacher * student
    return _over_lines(terms.masked_fill(~content, 0).sum(-1), content)


def _over_lines(terms: Float[Tensor, "... n"], content: Tensor) -> Means:
    lines = content.any(-1)
    return Means(terms.masked_select(lines).sum().unsqueeze(0), lines.sum().unsqueeze(0))


def _targets(plan: Tensor, content: Tensor, target: Target) -> Tensor:
    if target == "literal":
        return _log_softmax(plan, content).exp() * content
    wide = promoted(plan)
    return wide * content / wide.sum(-1, keepdim=True).clamp_min(1e-30)


def _log_softmax(scores: Tensor, content: Tensor) -> Tensor:
    # Finite rather than -inf: a line without content gives finite numbers, which its mask then removes.
    wide = promoted(scores)
    return wide.masked_fill(~content, far(wide.dtype)).log_softmax(-1)
