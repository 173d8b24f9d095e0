"""The k best entities of each mention, kept over score tiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otmel.evaluation.ranks import RankFolder, Ranks, ScoreTile


class TopK:
    """Keeps the ``k`` best entities per mention; equal scores go to the lower row, whatever the order of the tiles.

    Args:
        k: how many entities to keep per mention.

    Attributes:
        rows: ``[M, min(k, entities seen)]`` int64, best first; ``-1`` where a mention had fewer candidates.
        scores: their scores, in the dtype of the tiles; ``-inf`` where the row is ``-1``.
    """

    def __init__(self, k: int) -> None:
        if k < 1:
            raise ValueError(f"k = {k}: at least one entity must be kept")
        self.k = k
        self._rows: Tensor | None = None
        self._scores: Tensor | None = None

    def fold(self, scores: ScoreTile, start: int, allowed: ScoreTile | None = None) -> None:
        """Take in the tile ``[M, T]`` of entity rows from ``start`` on; ``allowed`` as in ``RankFolder.fold``."""
        tile = torch.as_tensor(scores).detach()
        if allowed is not None:
            tile = tile.masked_fill(~torch.as_tensor(allowed).to(tile.device), -torch.inf)
        columns = best_columns(tile, self.k)
        rows, kept = columns + start, tile.gather(1, columns)
        if self._rows is not None and self._scores is not None:
            rows = torch.cat([self._rows.to(rows.device), rows], 1)
            kept = torch.cat([self._scores.to(kept.device), kept], 1)
        by_row = torch.argsort(rows, dim=1)
        rows, kept = rows.gather(1, by_row), kept.gather(1, by_row)
        order = torch.sort(kept, dim=1, descending=True, stable=True).indices[:, : self.k]
        self._rows, self._scores = rows.gather(1, order), kept.gather(1, order)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The entity rows, best first."""
        if self._rows is None or self._scores is None:
            raise ValueError("no tile has been folded")
        return torch.where(self._scores == -torch.inf, -1, self._rows).cpu().numpy()

    @property
    def scores(self) -> NDArray[np.floating]:
        """The scores of ``rows``."""
        if self._scores is None:
            raise ValueError("no tile has been folded")
        return self._scores.cpu().numpy()


@dataclass(frozen=True)
class Found:
    """What the scan of the whole graph found for ``M`` mentions.

    Attributes:
        ranks: the ranks of their true entities.
        gold_scores: the scores of these ``[M]``; NaN where there is none.
        rows: the best entities' rows ``[M, k]``, as in ``TopK``.
        scores: their scores ``[M, k]``.
    """

    ranks: Ranks
    gold_scores: NDArray[np.float64]
    rows: NDArray[np.int64]
    scores: NDArray[np.floating]

    @classmethod
    def of(cls, folder: RankFolder, best: TopK) -> Found:
        """What a folder and a keeper hold once they have seen every tile of a block of mentions."""
        return cls(folder.ranks(), folder.gold_scores, best.rows, best.scores)

    @classmethod
    def concatenate(cls, blocks: Iterable[Found]) -> Found:
        """Several blocks of mentions, one after the other."""
        kept = list(blocks)
        return cls(
            Ranks.concatenate(block.ranks for block in kept),
            np.concatenate([block.gold_scores for block in kept]),
            np.concatenate([block.rows for block in kept]),
            np.concatenate([block.scores for block in kept]),
        )


def best_columns(scores: Tensor, k: int) -> Tensor:
    """The ``k`` best columns per row ``[M, min(k, T)]``, in ascending column order; ties go to the lower column.

    ``torch.topk`` leaves open which of several equal values it returns, so only its smallest value is used:
    everything above it is in, and the free places go to the first columns equal to it.
    """
    k = min(k, scores.shape[1])
    last = scores.topk(k, dim=1, sorted=False).values.amin(1, keepdim=True)
    above, equal = scores > last, scores == last
    free = k - above.sum(1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(1) <= free))
    return torch.nonzero(chosen)[:, 1].reshape(len(scores), k)
