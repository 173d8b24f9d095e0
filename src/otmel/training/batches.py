"""Training batches: mentions, their entities, and hard negatives by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.errors import TrainingError
from otmel.models.names import NameMatch, NameVectorizer
from otmel.models.tables import Table
from otmel.objectives.total import TrainingBatch


class Rows(TorchDataset[int]):
    """The rows of the training mentions; the collator does the rest."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> int:
        return row


class Collator:
    """Rows → ``{"batch": TrainingBatch, "rows": …}``.

    Args:
        mentions: the training mentions.
        entities: the whole graph.
        gold: row of each mention's true entity.
        negatives: rows of each mention's hard negatives ``[M, k]``.
    """

    def __init__(self, mentions: Table, entities: Table, gold: NDArray[np.int64], negatives: NDArray[np.int64]) -> None:
        self.mentions, self.entities = mentions, entities
        self.gold, self.negatives = torch.from_numpy(gold), torch.from_numpy(negatives)

    def __call__(self, rows: Sequence[int]) -> dict[str, TrainingBatch | Tensor]:
        """The batch of these training mentions."""
        chosen = torch.tensor(list(rows))
        gold = self.gold[chosen]
        # Sorted and distinct: a batch does not depend on the order in which its entities were drawn.
        entity_rows = torch.unique(torch.cat([gold, self.negatives[chosen].flatten()]))
        batch = TrainingBatch(self.mentions.side(chosen), self.entities.side(entity_rows), gold, entity_rows)
        return {"batch": batch, "rows": chosen}


def hard_negatives(
    mentions: Sequence[Mention], gold: NDArray[np.int64], graph: KnowledgeGraph, vectorizer: NameVectorizer, count: int
) -> NDArray[np.int64]:
    """Rows ``[M, count]`` of the entities whose names match each mention best, its true entity left out."""
    if count == 0:
        return np.zeros((len(mentions), 0), dtype=np.int64)
    if len(graph) <= count:
        raise TrainingError(
            f"{count} hard negatives are asked for, and the graph has {len(graph)} entities",
            cure="set training.hard_negatives to less",
        )
    best = NameMatch(vectorizer, graph).name_candidates([m.name for m in mentions], count + 1)
    others = best != gold[:, None]
    others[others.all(1), -1] = False  # the true entity is not among them: the last one is one too many
    return best[others].reshape(len(mentions), count)


def trainable(mentions: Sequence[Mention], graph: KnowledgeGraph) -> list[Mention]:
    """The mentions that can be trained on: those whose true entity is in the graph.

    Raises:
        TrainingError: fewer than two of them, or all of one entity: there would be no negative.
    """
    kept = [m for m in mentions if m.answer is not None and m.answer in graph]
    if len({m.answer for m in kept}) < 2:
        raise TrainingError(
            f"{len(kept)} of {len(mentions)} training mentions have an answer in the graph, and training needs at "
            "least two different answers",
            cure="run `otmel data check` to see which answers are missing from the graph",
        )
    return kept
