"""The overall loss, Eq. 29, for one process or many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from otmel.models.base import Scores, Side
from otmel.objectives.contrastive import contrastive_losses
from otmel.objectives.gather import gathered_rows, gathered_state, mean_over_processes
from otmel.ot.means import Means
from otmel.types import TensorRecord


@dataclass(frozen=True)
class TrainingBatch(TensorRecord):
    """Mentions, the entities they are scored against, and which is true.

    Attributes:
        mentions: ``M`` mentions.
        entities: ``E`` entities: the true ones and any others drawn for this batch.
        gold: row of each mention's true entity.
        entity_rows: row of each entity in ``entities``.
    """

    mentions: Side
    entities: Side
    gold: Int[Tensor, " M"]
    entity_rows: Int[Tensor, " E"]


@dataclass(frozen=True)
class Losses:
    """``J = L + L_KD`` (Eq. 29) and its terms: ``O``, ``F``, ``T``, ``V`` (Eq. 26–27) and ``KD`` (Eq. 28).

    A system with a second stage adds ``R``: with several processes, over the entities of each mention's own one.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Tensor]


def total_loss(model: nn.Module, batch: TrainingBatch) -> Losses:
    """Eq. 29 on a batch; with several processes every mention meets the entities of all of them."""
    gold = batch.gold.unsqueeze(1) == batch.entity_rows.unsqueeze(0)
    scores, others = model(batch.mentions, batch.entities, gathered_state, gold)
    return losses_of(scores, batch, others)


def losses_of(scores: Scores, batch: TrainingBatch, others: Mapping[str, Tensor | Means]) -> Losses:
    """Eq. 26–29 from the scores with the entities of all processes, and what else is in the loss."""
    terms = contrastive_losses(scores, batch.gold, gathered_rows(batch.entity_rows))
    for name, loss in others.items():
        terms[name] = loss.value(mean_over_processes) if isinstance(loss, Means) else loss
    return Losses(torch.stack(list(terms.values())).sum(), terms)
