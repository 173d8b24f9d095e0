"""Names inside a model's states: rows of one shared table of sparse TF-IDF vectors (the part N)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from otmel.data.records import Entity, Mention
from otmel.models.names import NameVectorizer, names_of
from otmel.types import TensorRecord


@dataclass(frozen=True, eq=False)
class NameTable:
    """The names of many items; those of item ``i`` are rows ``first[i] … first[i + 1]`` of ``vectors``."""

    vectors: sparse.csr_matrix
    first: np.ndarray

    @staticmethod
    def of(vectorizer: NameVectorizer, names: Iterable[Sequence[str]]) -> NameTable:
        """The table of the given items' names (at least one each)."""
        listed = list(names)
        first = np.concatenate([[0], np.cumsum([len(of_one) for of_one in listed])]).astype(np.int64)
        return NameTable(vectorizer.transform(name for of_one in listed for name in of_one), first)

    def rows(self, items: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
        """The name vectors of ``items``, one after the other, and where each item's begin."""
        counts = self.first[items + 1] - self.first[items]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        if len(items) and np.all(np.diff(items) == 1):
            return sparse.csr_matrix(self.vectors[self.first[items[0]] : self.first[items[-1] + 1]]), starts
        within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        return sparse.csr_matrix(self.vectors[np.repeat(self.first[items], counts) + within]), starts


@dataclass(frozen=True)
class NameRows(TensorRecord):
    """Items of a ``NameTable`` by index; slicing and joining moves indices only."""

    index: Int[Tensor, " B"]
    table: NameTable


def mention_names(vectorizer: NameVectorizer, mentions: Sequence[Mention]) -> NameRows:
    """The mention words of a list of mentions."""
    return NameRows(torch.arange(len(mentions)), NameTable.of(vectorizer, ([m.name] for m in mentions)))


def entity_names(vectorizer: NameVectorizer, entities: Sequence[Entity]) -> NameRows:
    """The names and aliases of a list of entities."""
    return NameRows(torch.arange(len(entities)), NameTable.of(vectorizer, map(names_of, entities)))


def name_scores(mentions: NameRows, entities: NameRows) -> Float[Tensor, "M E"]:
    """The part N: the best cosine of the mention's words with any name of the entity, in [0, 1]."""
    words, _ = mentions.table.rows(mentions.index.cpu().numpy())
    names, starts = entities.table.rows(entities.index.cpu().numpy())
    each = sparse.csr_matrix(words @ names.T).toarray()
    if each.shape[1] > len(starts):
        each = np.maximum.reduceat(each, starts, axis=1)
    return torch.from_numpy(np.minimum(each, np.float32(1))).to(mentions.index.device)
