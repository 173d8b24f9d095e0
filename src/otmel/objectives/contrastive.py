"""Contrastive objective, Eq. 26–27: it maximises Eq. 1, ``Σ log p(e | m)``, with the batch's entities as negatives."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from otmel.models.base import Scores
from otmel.objectives.gather import mean_over_processes


def gold_columns(gold: Int[Tensor, " M"], entities: Int[Tensor, " E"]) -> Int[Tensor, " M"]:
    """For each mention the first column that holds its true entity."""
    return (gold.unsqueeze(1) == entities.unsqueeze(0)).int().argmax(1)


def distinct_columns(entities: Int[Tensor, " E"]) -> Bool[Tensor, " E"]:
    """Columns that count: the first of each entity; repetitions and padding (row −1) do not.

    Thus the same entity twice in a batch is never a negative of itself, nor counted twice as another's.
    """
    same = entities.unsqueeze(0) == entities.unsqueeze(1)
    return ~same.tril(-1).any(1) & (entities >= 0)


def contrastive(
    scores: Float[Tensor, "M E"], columns: Int[Tensor, " M"], candidates: Bool[Tensor, "M E"]
) -> Float[Tensor, ""]:
    """Eq. 26: the mean of ``−log softmax`` of the true entity's score over the candidates of each mention.

    Mentions whose true entity is no candidate, or the only one, have nothing to say and drop out of the mean. With
    several processes the mean of the returned values is the mean over the mentions of all of them.
    """
    gold_is_candidate = candidates.gather(1, columns.unsqueeze(1)).squeeze(1)
    useful = gold_is_candidate & (candidates.sum(1) > 1)
    losses = functional.cross_entropy(scores.masked_fill(~candidates, -1e9), columns, reduction="none")
    return torch.where(useful, losses, 0.0).sum() / mean_over_processes(useful.sum())


def contrastive_losses(
    scores: Scores, gold: Int[Tensor, " M"], entities: Int[Tensor, " E"]
) -> dict[str, Float[Tensor, ""]]:
    """``L_O`` of Eq. 26 and ``L_X`` of Eq. 27 for each of F, T, V the model has; their sum is ``L``.

    V is asked only among pairs that have both images. N has no parameters but its weight, which ``L_O`` trains.
    """
    columns = gold_columns(gold, entities)
    distinct = distinct_columns(entities).unsqueeze(0).expand(len(gold), -1)
    losses = {"O": contrastive(scores.total, columns, distinct)}
    for part, values in scores.parts.items():
        if part != "N":
            losses[part] = contrastive(values, columns, distinct & (scores.share[part] > 0))
    return losses
