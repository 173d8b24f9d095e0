"""The part N over many entities: an inverted file from n-grams to names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from otmel.models.name_rows import NameRows

AT_ONCE = 2**25
"""Scores of single names held at once."""


@dataclass(frozen=True, eq=False)
class NamePostings:
    """The names of ``n`` entities by n-gram; those of entry ``i`` are names ``first[i] … first[i + 1]``.

    Attributes:
        buckets: the n-gram buckets that occur, ascending ``[U]``.
        postings: ``[U, names]``: which names hold an n-gram, and its weight in their unit vectors.
        first: ``[n + 1]``.
    """

    buckets: NDArray[np.int32]
    postings: sparse.csr_matrix
    first: NDArray[np.int64]

    @staticmethod
    def of(rows: NameRows) -> NamePostings:
        """The postings of the given items' names."""
        vectors, starts = rows.table.rows(rows.index.cpu().numpy())
        buckets, place = np.unique(vectors.indices, return_inverse=True)
        names = len(vectors.indptr) - 1
        compact = sparse.csr_matrix((vectors.data, place, vectors.indptr), shape=(names, len(buckets)))
        first = np.concatenate([starts, [names]]).astype(np.int64)
        return NamePostings(buckets.astype(np.int32), sparse.csr_matrix(compact.T.tocsr()), first)

    def scores(self, words: sparse.csr_matrix) -> Float[Tensor, "M n"]:
        """The best cosine of each mention's words with any name of an entity, in [0, 1].

        Sums run over the mention's n-grams in their order, so a score depends on nothing but the pair.
        """
        known, names = self._known(words), int(self.first[-1])
        step = 1 + AT_ONCE // max(names, 1)
        parts = []
        for start in range(0, len(words.indptr) - 1, step):
            each = sparse.csr_matrix(known[start : start + step] @ self.postings).toarray()
            if names > len(self.first) - 1:
                each = np.maximum.reduceat(each, self.first[:-1], axis=1)
            parts.append(np.minimum(each, np.float32(1)))
        return torch.from_numpy(np.concatenate(parts)) if parts else torch.zeros(0, len(self.first) - 1)

    def _known(self, words: sparse.csr_matrix) -> sparse.csr_matrix:
        """The words over the n-grams that occur here."""
        mentions = len(words.indptr) - 1
        if not len(self.buckets):
            return sparse.csr_matrix((mentions, 0), dtype=np.float32)
        place = np.searchsorted(self.buckets, words.indices).clip(max=len(self.buckets) - 1)
        kept = self.buckets[place] == words.indices
        indptr = np.concatenate([[0], np.cumsum(kept)])[words.indptr]
        return sparse.csr_matrix((words.data[kept], place[kept], indptr), shape=(mentions, len(self.buckets)))
