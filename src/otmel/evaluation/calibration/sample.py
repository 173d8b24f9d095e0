"""What a calibration learns from: a split ranked as it is, and as it would be if entities were missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from otmel.errors import DataError
from otmel.evaluation.calibration.ranked import Ranked
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.run import Contest, Encoded
from otmel.evaluation.scan import Advance
from otmel.evaluation.search import found
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.index.second_stage import answered
from otmel.progress import progress

Scores = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """The mentions of a split whose answer is stated.

    Attributes:
        whole: ranked in the graph.
        reduced: the same mentions, ranked in the graph without ``removed``; ``None`` where nothing was removed.
        removed: graph rows of the true entities that were taken out.
    """

    whole: Ranked
    reduced: Ranked | None
    removed: Rows

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Sample:
        """Some of the mentions."""
        return Sample(self.whole[rows], None if self.reduced is None else self.reduced[rows], self.removed)


def chosen_rows(gold: Rows, share: float, seed: int) -> Rows:
    """A seeded share of the distinct true entities, at least one unless the share is 0; ascending."""
    distinct = np.unique(gold[gold >= 0])
    count = 0 if share == 0 else max(1, round(share * len(distinct)))
    return np.sort(np.random.default_rng(seed).choice(distinct, min(count, len(distinct)), replace=False))


def sampled(contest: Contest, ready: Encoded, k: int, removed: Rows) -> Sample:
    """Rank the mentions whose answer is stated, with and without the entities in the rows ``removed``.

    Entities are removed by leaving their rows out of the search, for every mention, so the second ranking is that of a
    graph which never had them.

    Raises:
        DataError: fewer than two entities would be left.
        OtmelError: a score is NaN.
    """
    if len(ready.index) - len(removed) < 2:
        raise DataError(f"{len(ready.index) - len(removed)} entities are left to choose among, a calibration needs two",
                        cure="take a larger graph, or a smaller --nil-share")  # fmt: skip
    stated = np.flatnonzero([mention.answer is not None for mention in contest.mentions])
    gold = gold_rows(contest.mentions, contest.graph)
    search = _Search(ready, k, np.array([m.id or m.name for m in contest.mentions], dtype=object))
    with progress("ranking", len(gold)) as advance:
        rows, scores = search.best(ready.index, advance)
    whole = _ranked(rows, scores, gold)[stated]
    if not len(removed):
        return Sample(whole, None, removed)
    with progress("ranking without the removed entities") as advance:
        rows, scores = search.again(rows, scores, removed, advance)
    return Sample(whole, _ranked(rows, scores, np.where(np.isin(gold, removed), -1, gold))[stated], removed)


@dataclass(frozen=True)
class _Search:
    """A search for the best ``k`` entities of every mention."""

    ready: Encoded
    k: int
    ids: NDArray[np.object_]

    def best(self, index: EntityIndex, advance: Advance, among: Rows | None = None) -> tuple[Rows, Scores]:
        """Rows and scores ``[M, k]`` of the best entities of an index, −1 and ``-inf`` where there are fewer."""
        states, ids = self.ready.mentions, self.ids
        if among is not None:
            states, ids = states[torch.from_numpy(among)], ids[among]
        answers = []
        for answer in answered(partial(index.search, states), Query(self.k, ids=ids.tolist()), self.ready.second):
            answers.append(answer)
            advance(1)
        best = found(answers)
        lacking = ((0, 0), (0, self.k - best.rows.shape[1]))
        scores = np.pad(best.scores.astype(np.float64), lacking, constant_values=-np.inf)
        return np.pad(best.rows, lacking, constant_values=-1), scores

    def again(self, rows: Rows, scores: Scores, removed: Rows, advance: Advance) -> tuple[Rows, Scores]:
        """The same without the removed entities. Only mentions that had one of them among their best can differ.

        A second stage may look at more than these: with one, every mention is searched again.
        """
        index = self.ready.index.without(removed)
        if self.ready.second is not None:
            return self.best(index, advance)
        touched = np.flatnonzero(np.isin(rows, removed).any(1))
        rows, scores = rows.copy(), scores.copy()
        if len(touched):
            rows[touched], scores[touched] = self.best(index, advance, touched)
        return rows, scores


def _ranked(rows: Rows, scores: Scores, gold: Rows) -> Ranked:
    return Ranked(scores, (rows[:, 0] == gold) & (gold >= 0), gold < 0)
