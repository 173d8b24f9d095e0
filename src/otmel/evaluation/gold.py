"""Which mentions can be ranked, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Mention
from otmel.settings import Settings


class Counts(Settings):
    """How many mentions there are of each kind; ``mentions = ranked + nil + unanswered + not_in_graph``.

    Attributes:
        mentions: all mentions of the split.
        ranked: those whose true entity is in the graph: the only ones that measures speak of.
        nil: known to have no entity in the graph (NIL).
        unanswered: the true entity is not stated.
        not_in_graph: the true entity is stated and is not in the graph.
        without_image: ranked mentions that have no image.
        entity_without_image: ranked mentions whose true entity has no image.
    """

    mentions: int
    ranked: int
    nil: int
    unanswered: int
    not_in_graph: int
    without_image: int
    entity_without_image: int


def gold_rows(mentions: Sequence[Mention], graph: KnowledgeGraph) -> NDArray[np.int64]:
    """The row of each mention's true entity ``[M]``; ``-1`` for NIL, unanswered and answers not in the graph."""
    rows = [graph.row(m.answer) if m.answer is not None and m.answer in graph else -1 for m in mentions]
    return np.array(rows, dtype=np.int64)


def count(mentions: Sequence[Mention], graph: KnowledgeGraph) -> Counts:
    """Count the mentions by kind. An entity whose id is the word NIL is an entity like any other."""
    gold = gold_rows(mentions, graph)
    lost = [mention for mention, row in zip(mentions, gold, strict=True) if row < 0]
    nil = sum(mention.answer == NIL for mention in lost)
    unanswered = sum(mention.answer is None for mention in lost)
    ranked = [(mention, graph[int(row)]) for mention, row in zip(mentions, gold, strict=True) if row >= 0]
    return Counts(
        mentions=len(mentions),
        ranked=len(ranked),
        nil=nil,
        unanswered=unanswered,
        not_in_graph=len(lost) - nil - unanswered,
        without_image=sum(mention.image is None for mention, _ in ranked),
        entity_without_image=sum(not entity.images for _, entity in ranked),
    )
