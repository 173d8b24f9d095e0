"""Late interactions LT and LV, beyond the paper: how well tokens match, without sending any.

    L(m, e) = γ Σ_ij P_ij (cos(q_i, k_j) − z)

``P`` is any assignment between the tokens of an entity and of a mention, projected by one matrix for both; ``γ`` is
learned, and ``z`` is the threshold of the null key (see ``Interaction``). The part is added to the mean of Eq. 25, not
averaged with the others: a part more in the mean would change what all others count. Kernels compute it as one more
late term, whose target is the entity's centroid, for bounds.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otmel.kernels.formula import Formula, Matched
from otmel.models.base import LateState
from otmel.models.matching import by_tile
from otmel.models.settings import Interaction, Plannable
from otmel.ot import Attention, Plan, Sides, Transport, cosine_cost
from otmel.ot.correlation import adjustment_of, assigned, planned
from otmel.ot.cost import uniform, unit
from otmel.ot.means import Means


class LateInteraction(nn.Module):
    """One modality's late interaction, over tokens of ``dim`` channels."""

    def __init__(self, assignment: Plannable, settings: Interaction, dim: int) -> None:
        super().__init__()
        self.assignment, self.start = assignment, settings.weight
        self.projection = nn.Linear(dim, dim, bias=False)
        nn.init.orthogonal_(self.projection.weight)  # cosines begin as they come
        self.adjustment = adjustment_of(assignment, dim)
        self.log_weight = nn.Parameter(torch.zeros(()))

    @property
    def weight(self) -> Float[Tensor, ""]:
        """``γ``, positive."""
        return self.start * self.log_weight.exp()

    @property
    def threshold(self) -> Tensor | float:
        """``z``."""
        learned = None if self.adjustment is None else self.adjustment.numbers.threshold
        own = self.assignment.threshold if isinstance(self.assignment, Transport) else None
        return learned if learned is not None else own or 0.0

    def entity(self, tokens: Tensor, mask: Bool[Tensor, "E L"]) -> LateState:
        """All that an entity brings."""
        rows = self.projection(tokens)
        centroid = (unit(rows) * uniform(mask, rows.dtype).unsqueeze(-1)).sum(1)
        return LateState(tokens=rows, mask=mask, target=centroid)

    def mention(self, tokens: Tensor, mask: Bool[Tensor, "M L"]) -> LateState:
        """All that a mention brings; its values are there for the form's sake."""
        columns = self.projection(tokens)
        return LateState(tokens=columns, mask=mask, values=columns)

    def forward(self, mentions: LateState, entities: LateState) -> tuple[Float[Tensor, "M E"], Means | None]:
        """``L`` of every pair; 0 where either side has no tokens."""
        return by_tile(self._tile, mentions, entities)

    def _tile(self, mentions: LateState, entities: LateState) -> tuple[Tensor, Means | None]:
        sides = self.sides(mentions, entities)
        weights, _ = assigned(self.assignment, sides, self.adjustment)
        if isinstance(self.assignment, Attention):
            weights = weights * sides.row_weights.unsqueeze(-1)
        worth = 1 - 2 * cosine_cost(sides) - self.threshold
        return self.weight * (weights * worth).sum((-1, -2)), None

    def formula(self) -> Formula:
        """``L/γ`` as a value, for kernels."""
        if self.adjustment is None or isinstance(self.assignment, Attention):
            return Formula(self.assignment, Matched(float(self.threshold)))
        settled = self.assignment.settled(self.adjustment.numbers)
        return Formula(settled, Matched(settled.threshold or 0.0), marginals=self.adjustment.settled_marginals)

    def plan(self, mention: LateState, entity: LateState) -> Plan:
        """The plans of every pair ``[M, E, L_e, L_m]``, for display."""
        return planned(self.assignment, self.sides(mention, entity), self.adjustment)

    def sides(self, mentions: LateState, entities: LateState) -> Sides:
        """The tokens of every pair: an entity's receive, a mention's send."""
        marginals = None if self.adjustment is None else self.adjustment.marginals
        return Sides(entities.tokens, mentions.tokens, entities.mask, mentions.mask, "crossed", marginals)
