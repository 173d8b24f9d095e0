"""A second look at the best entities of a search: what a cross-encoder, or anything else that needs both sides, says.

The first stage is the index's exact search. The second scores its best ``k`` entities anew and puts them in order;
those behind keep their places. A gold entity that the first stage missed keeps the first stage's rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from otmel.errors import OtmelError
from otmel.index.answers import Answer, Query
from otmel.models.model import LinkerModel
from otmel.models.tables import Table

Search: TypeAlias = Callable[[Query], Iterable[Answer]]


@dataclass(frozen=True)
class SecondStage:
    """The second stage of a model.

    Attributes:
        model: what scores pairs.
        mentions: by row, in the order in which they are searched.
        entities: by graph row.
    """

    model: LinkerModel
    mentions: Table
    entities: Table

    @staticmethod
    def of(model: object, mentions: Table, entities: Table) -> SecondStage | None:
        """The second stage of a model; ``None`` where it has none."""
        if isinstance(model, LinkerModel) and model.second_stage:
            return SecondStage(model, mentions, entities)
        return None

    def answers(self, search: Search, query: Query) -> Iterator[Answer]:
        """The answers to ``query``; ``search`` is the first stage, which is asked for enough to look at again."""
        for row, answer in enumerate(search(replace(query, k=max(query.k, self.model.second_stage)))):
            gold = -1 if query.gold is None else int(query.gold[row])
            yield self._again(row, answer, gold, query.k)

    def _again(self, row: int, answer: Answer, gold: int, k: int) -> Answer:
        looked = answer.rows[: self.model.second_stage]
        scores = self.scores(row, looked)
        order = np.lexsort((looked, -scores))
        rows = np.concatenate([looked[order], answer.rows[len(looked) :]])[:k]
        # Behind the ones looked at again, scores go on below their last one: they are of another kind.
        least = scores[order[-1]] if len(order) else 0.0
        behind = least - 1 - np.arange(len(answer.rows) - len(looked), dtype=np.float64)
        certificate = replace(answer.certificate, again=len(looked))
        answer = replace(answer, rows=rows, scores=np.concatenate([scores[order], behind])[:k], certificate=certificate)
        place = np.flatnonzero(looked == gold)
        if not len(place):
            return answer
        own = scores[place[0]]
        return replace(
            answer, gold_score=float(own), rank=(1 + int((scores > own).sum()), int((scores == own).sum()) - 1)
        )

    @torch.no_grad()
    def scores(self, row: int, looked: NDArray[np.int64]) -> NDArray[np.float64]:
        """The second stage's scores of a mention, by its row, with the entities in graph rows ``[P]``."""
        if not len(looked):
            return np.zeros(0)
        device = self.model.device
        mention = self.mentions.side(torch.tensor([row])).to(device)
        entities = self.entities.side(torch.from_numpy(looked)).to(device)
        pairs = torch.zeros(len(looked), dtype=torch.long, device=device), torch.arange(len(looked), device=device)
        scores = self.model.rescore(mention, entities, pairs).double().cpu()
        if scores.isnan().any():
            raise OtmelError("a score of the second stage is NaN", cure="the model's weights or inputs hold NaN")
        return scores.numpy()


def answered(search: Search, query: Query, second: SecondStage | None) -> Iterable[Answer]:
    """The answers to ``query`` by one stage or by two."""
    return search(query) if second is None else second.answers(search, query)
