"""Entities of an answer in their order, with what each part adds to the score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.index.index import EntityIndex
from otmel.linking.link import Candidate
from otmel.models.base import State


def own_candidates(graph: KnowledgeGraph, mention: Mention) -> list[int]:
    """The rows of the candidates that a mention brings along, those that the graph has."""
    return [graph.row(entity_id) for entity_id in dict.fromkeys(mention.candidates) if entity_id in graph]


def by_parts(
    index: EntityIndex, graph: KnowledgeGraph, mentions: State, rows: Sequence[Sequence[int]]
) -> list[list[Candidate]]:
    """Each mention's entities, given by their rows, with scores and parts, best first; ties go to the lower row."""
    counts = [len(chosen) for chosen in rows]
    mention = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(counts, dtype=torch.long))
    entity = torch.tensor([row for chosen in rows for row in chosen], dtype=torch.long)
    added = index.contributions(mentions, (mention, entity)).T.split(counts)
    return [_ordered(index, graph, *both) for both in zip(rows, (of_one.tolist() for of_one in added), strict=True)]


def by_scores(graph: KnowledgeGraph, rows: Sequence[int], scores: NDArray[np.float64]) -> list[Candidate]:
    """Entities by the second stage's scores, best first; ties go to the lower row."""
    order = sorted(zip(rows, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    entities = [(graph[row], score) for row, score in order]
    return [Candidate(entity.id, entity.name, score, {"second stage": score}) for entity, score in entities]


def _ordered(
    index: EntityIndex, graph: KnowledgeGraph, rows: Sequence[int], added: list[list[float]]
) -> list[Candidate]:
    names, entities = index.composition.names, [graph[row] for row in rows]
    candidates = [
        Candidate(entity.id, entity.name, sum(own), dict(zip(names, own, strict=True)))
        for entity, own in zip(entities, added, strict=True)
    ]
    order = sorted(range(len(rows)), key=lambda i: (-candidates[i].score, rows[i]))
    return [candidates[i] for i in order]
