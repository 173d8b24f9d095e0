"""Ranks of the true entities, folded from score tiles without ever keeping the whole matrix.

``M`` mentions of a block, ``E`` entities of the graph. Higher scores are better. A tile holds the scores
``[M, T]`` of entity rows ``start … start + T``; tiles may come in any order, each row exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otmel.errors import OtmelError
from otmel.evaluation.measures import TiePolicy

ScoreTile: TypeAlias = "Tensor | NDArray[np.floating]"

GOLD_DISAGREEMENT = 1e-2
"""How far a gold score given beforehand may lie from the same score in its tile, relative to its size."""


@dataclass(frozen=True)
class Ranks:
    """The rank of each mention's true entity, 1 being the best; 0 where the mention has no true entity in the graph.

    Attributes:
        optimistic: ``1 + greater`` ``[M]`` int64: the true entity comes first among equal scores.
        pessimistic: ``1 + greater + ties`` ``[M]`` int64: it comes last among them.
    """

    optimistic: NDArray[np.int64]
    pessimistic: NDArray[np.int64]

    @property
    def realistic(self) -> NDArray[np.float64]:
        """``1 + greater + ties / 2``: the mean rank over all orders of the equal scores. The headline policy."""
        return (self.optimistic + self.pessimistic) / 2

    @property
    def ranked(self) -> NDArray[np.bool_]:
        """Which mentions have a rank at all."""
        return self.optimistic > 0

    def of(self, policy: TiePolicy) -> NDArray[np.float64]:
        """The ranks under a tie policy, as float64 ``[M]``."""
        return np.asarray(getattr(self, policy), dtype=np.float64)

    def __len__(self) -> int:
        return len(self.optimistic)

    def __getitem__(self, mentions: slice | NDArray[np.bool_] | Sequence[int]) -> Ranks:
        return Ranks(self.optimistic[mentions], self.pessimistic[mentions])

    @staticmethod
    def concatenate(blocks: Iterable[Ranks]) -> Ranks:
        """The ranks of several blocks of mentions, one after the other."""
        kept = list(blocks)
        return Ranks(
            np.concatenate([block.optimistic for block in kept]), np.concatenate([block.pessimistic for block in kept])
        )


class RankFolder:
    """Counts, per mention, the entities that score above its true entity and those that score the same.

    The true entity's score is needed before any tile can be counted: give it as ``gold_scores``, or pass the tiles
    through :meth:`take_gold` first and then through :meth:`fold`.

    Args:
        gold_rows: the true entity's row per mention ``[M]``; ``-1`` where there is none.
        entities: ``E``.
        gold_scores: the score of each true entity ``[M]`` (any number where there is none).
        tolerance: scores within this distance of the true entity's count as equal to it. 0 compares bit by bit, which
            is right where equal entities get equal scores; matrix products of different shapes differ by about 1e-6.
        ids: what to call the mentions in errors; their positions by default.
    """

    def __init__(
        self,
        gold_rows: Sequence[int] | NDArray[np.int64],
        entities: int,
        gold_scores: ScoreTile | None = None,
        tolerance: float = 0.0,
        ids: Sequence[str] | None = None,
    ) -> None:
        self._gold = torch.as_tensor(np.asarray(gold_rows, dtype=np.int64))
        self._has_gold = self._gold >= 0
        self._ids = ids
        self._tolerance = tolerance
        self._seen = np.zeros(entities, dtype=bool)
        outside = torch.nonzero(self._gold >= entities).flatten().tolist()
        if outside:
            raise OtmelError(
                f"the true entity's row {int(self._gold[outside[0]])} is not among {entities:,} entities",
                where=self._name(outside[0]),
            )
        self._greater = torch.zeros(len(self._gold), dtype=torch.int64)
        self._ties = torch.zeros(len(self._gold), dtype=torch.int64)
        self._scores = torch.full((len(self._gold),), torch.nan, dtype=torch.float64)
        if gold_scores is not None:
            self._scores = torch.as_tensor(gold_scores).detach().to("cpu", torch.float64).clone()
            bad = torch.nonzero(self._scores.isnan() & self._has_gold).flatten().tolist()
            if bad:
                raise _nan_error(self._name(bad[0]), "its true entity")

    @property
    def gold_scores(self) -> NDArray[np.float64]:
        """The true entities' scores ``[M]``; NaN where there is none or it has not been seen."""
        return torch.where(self._has_gold, self._scores, torch.nan).numpy()

    def take_gold(self, scores: ScoreTile, start: int) -> None:
        """Note the true entities' scores that stand in this tile; nothing is counted."""
        mentions, own = self._own(torch.as_tensor(scores).detach(), start)
        self._scores[mentions] = own.to("cpu", torch.float64)

    def fold(self, scores: ScoreTile, start: int, allowed: ScoreTile | None = None) -> None:
        """Count one tile.

        Args:
            scores: ``[M, T]``, a torch tensor on any device or a numpy array.
            start: the entity row of the tile's first column.
            allowed: ``[M, T]`` bool: which entities are candidates of which mention; all by default.

        Raises:
            OtmelError: a NaN score, a row folded twice or beyond the graph, a true entity's score not known, or one
                that disagrees with the tile.
        """
        tile = torch.as_tensor(scores).detach()
        self._check(tile, start)
        gold = self._scores.to(tile.device, tile.dtype)[:, None]
        greater, reached = tile > gold + self._tolerance, tile >= gold - self._tolerance
        if allowed is not None:
            mask = torch.as_tensor(allowed).to(tile.device)
            greater, reached = greater & mask, reached & mask
        mentions, own = self._own(tile, start)
        self._check_gold(mentions, own)
        columns = self._gold[mentions] - start
        greater[mentions, columns] = False
        reached[mentions, columns] = False
        above = greater.sum(1).cpu()
        self._greater += above
        self._ties += reached.sum(1).cpu() - above

    def ranks(self) -> Ranks:
        """The ranks, once every entity row has been folded.

        Raises:
            OtmelError: some rows have not been folded.
        """
        if not self._seen.all():
            missing = int((~self._seen).sum())
            raise OtmelError(
                f"{missing:,} of {len(self._seen):,} entities were not scored",
                where=f"entity row {int(np.argmin(self._seen))}",
            )
        optimistic = torch.where(self._has_gold, 1 + self._greater, 0)
        pessimistic = torch.where(self._has_gold, 1 + self._greater + self._ties, 0)
        return Ranks(optimistic.numpy(), pessimistic.numpy())

    def _own(self, tile: Tensor, start: int) -> tuple[Tensor, Tensor]:
        mentions = torch.nonzero((self._gold >= start) & (self._gold < start + tile.shape[1])).flatten()
        return mentions, tile[mentions.to(tile.device), (self._gold[mentions] - start).to(tile.device)]

    def _name(self, mention: int) -> str:
        return f"mention {self._ids[mention] if self._ids is not None else mention}"

    def _check(self, tile: Tensor, start: int) -> None:
        if tile.dim() != 2 or len(tile) != len(self._gold):
            raise OtmelError(f"a score tile has the shape {tuple(tile.shape)}, expected [{len(self._gold)}, T]")
        rows = self._seen[start : start + tile.shape[1]]
        if start < 0 or len(rows) != tile.shape[1]:
            raise OtmelError(
                f"a score tile covers the entity rows {start} to {start + tile.shape[1] - 1}",
                cure=f"the graph holds {len(self._seen):,} entities",
            )
        if rows.any():
            raise OtmelError("an entity row was scored twice", where=f"entity row {start + int(np.argmax(rows))}")
        rows[:] = True
        bad = torch.nonzero(tile.isnan())
        if len(bad):
            raise _nan_error(self._name(int(bad[0, 0])), f"entity row {start + int(bad[0, 1])}")
        unknown = torch.nonzero(self._scores.isnan() & self._has_gold).flatten().tolist()
        if unknown:
            raise OtmelError(
                "the true entity's score is not known yet",
                where=self._name(unknown[0]),
                cure="give gold_scores, or pass every tile through take_gold first",
            )

    def _check_gold(self, mentions: Tensor, own: Tensor) -> None:
        known, found = self._scores[mentions], own.to("cpu", torch.float64)
        agree = torch.isclose(found, known, rtol=GOLD_DISAGREEMENT, atol=GOLD_DISAGREEMENT + self._tolerance)
        wrong = torch.nonzero(~agree).flatten().tolist()
        if wrong:
            raise OtmelError(
                f"the true entity scores {float(found[wrong[0]]):.6g} in its tile and "
                f"{float(known[wrong[0]]):.6g} as given",
                where=self._name(int(mentions[wrong[0]])),
                cure="gold_scores and tiles must come from the same model and the same rows",
            )


def ranks_of(scores: ScoreTile, gold_rows: Sequence[int] | NDArray[np.int64], tolerance: float = 0.0) -> Ranks:
    """The ranks of one whole score matrix ``[M, E]``."""
    folder = RankFolder(gold_rows, scores.shape[1], tolerance=tolerance)
    folder.take_gold(scores, 0)
    folder.fold(scores, 0)
    return folder.ranks()


def _nan_error(mention: str, entity: str) -> OtmelError:
    return OtmelError(f"the score of {entity} is NaN", where=mention, cure="the model's weights or inputs hold NaN")
