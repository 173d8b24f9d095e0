"""Writing names on a split, and what entities of one name do to the result (App. G), under three stated rules.

- ``name``: a mention is right if its true entity's *name* was written first. Which of the entities of that name is
  meant is not asked; published figures of generative linkers are of this kind.
- ``chance``: one of the entities of that name is drawn: right with probability ``1/n``, where ``n`` share it.
- ``first stage``: the model's own first stage chooses among them; equal scores share the point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.errors import DataError
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.results import Task
from otmel.linking.generative import Writer, WrittenName
from otmel.linking.name_trie import NameTrie
from otmel.models.bundle import Bundle
from otmel.models.tables import Table, entity_table, mention_table
from otmel.progress import progress

RULES: Final = ("name", "chance", "first stage")


@dataclass(frozen=True)
class Ambiguity:
    """How often a name says too little.

    Attributes:
        entities: of the graph.
        names: distinct ones, which are the leaves of the trie.
        sharing: entities whose name is another's, too.
        largest: most entities of one name.
        mentions: whose true entity is in the graph.
        ambiguous: of these, the ones whose true entity shares its name.
    """

    entities: int
    names: int
    sharing: int
    largest: int
    mentions: int
    ambiguous: int

    @classmethod
    def of(cls, trie: NameTrie, gold: NDArray[np.int64]) -> Ambiguity:
        """Of a graph's trie and the rows of the mentions' true entities."""
        leaves = list(trie)
        shared = {row for rows in leaves if len(rows) > 1 for row in rows}
        return cls(
            entities=sum(map(len, leaves)),
            names=len(leaves),
            sharing=len(shared),
            largest=max(map(len, leaves), default=0),
            mentions=len(gold),
            ambiguous=sum(int(row) in shared for row in gold),
        )


@dataclass(frozen=True)
class Generated:
    """What writing names gave on a split.

    Attributes:
        task: the split and the graph.
        beams: how many names the search followed.
        ambiguity: of graph and mentions.
        points: rule → each mention's point ``[M]``, between 0 and 1.
        found: whether the true name was among those written ``[M]``.
        ambiguous: whether the true entity shares its name ``[M]``.
        mentions: the mentions, those whose true entity is in the graph.
        written: the names for each of them, likeliest first.
    """

    task: Task
    beams: int
    ambiguity: Ambiguity
    points: Mapping[str, NDArray[np.float64]]
    found: NDArray[np.bool_]
    ambiguous: NDArray[np.bool_]
    mentions: Sequence[Mention]
    written: Sequence[Sequence[WrittenName]]

    def hits(self, among: NDArray[np.bool_] | None = None) -> dict[str, float | None]:
        """Rule → H@1 of all mentions, or of those ``among``; ``None`` where there is none."""
        kept = np.ones(len(self.mentions), dtype=bool) if among is None else among
        return {rule: float(points[kept].mean()) if kept.any() else None for rule, points in self.points.items()}

    def as_json(self) -> dict[str, Any]:
        """Figures and counts."""
        return {
            "task": self.task.model_dump(mode="json"),
            "beams": self.beams,
            "H@1": self.hits(),
            "H@1 of ambiguous mentions": self.hits(self.ambiguous),
            "H@1 of other mentions": self.hits(~self.ambiguous),
            "true name among the beams": float(self.found.mean()),
            "ambiguity": asdict(self.ambiguity),
        }


def generation(bundle: Bundle, dataset: Dataset, split: str, *, beams: int, limit: int | None = None) -> Generated:
    """Write names for the mentions of a split whose true entity is in the graph.

    Args:
        bundle: a run of a system that writes names.
        dataset: graph and mentions.
        split: which mentions.
        beams: how many names to follow, and to keep.
        limit: only the first so many mentions.

    Raises:
        CheckpointError: the run's system writes no names.
        DataError: the split is absent, or no mention has its true entity in the graph.
        ConfigurationError: a prompt and the longest name are more than the language model reads.
    """
    graph, task = dataset.graph, Task.of(dataset, split)
    writer = Writer.of(bundle, graph)
    mentions, gold = _answered(dataset.split(split), graph)
    mentions, gold = mentions[:limit], gold[:limit]
    with progress("writing names", len(mentions)) as advance:
        written = list(writer.write(mentions, beams, advance))
    best = [names[0].rows if names else () for names in written]
    named = [int(row) in rows for row, rows in zip(gold, best, strict=True)]
    leaf = {row: rows for rows in writer.trie for row in rows}
    return Generated(
        task=task,
        beams=beams,
        ambiguity=Ambiguity.of(writer.trie, gold),
        points={
            "name": np.array(named, dtype=np.float64),
            "chance": np.array([1 / len(rows) if right else 0.0 for right, rows in zip(named, best, strict=True)]),
            "first stage": _resolved(bundle, graph, mentions, gold, best),
        },
        found=np.array([any(int(row) in one.rows for one in names) for row, names in zip(gold, written, strict=True)]),
        ambiguous=np.array([len(leaf[int(row)]) > 1 for row in gold]),
        mentions=mentions,
        written=written,
    )


def _answered(mentions: Sequence[Mention], graph: KnowledgeGraph) -> tuple[list[Mention], NDArray[np.int64]]:
    gold = gold_rows(mentions, graph)
    if not (gold >= 0).any():
        raise DataError("no mention of the split has its true entity in the graph", cure="run `otmel data check`")
    return [mention for mention, row in zip(mentions, gold, strict=True) if row >= 0], gold[gold >= 0]


def _resolved(
    bundle: Bundle,
    graph: KnowledgeGraph,
    mentions: Sequence[Mention],
    gold: NDArray[np.int64],
    best: Sequence[tuple[int, ...]],
) -> NDArray[np.float64]:
    """The point of each mention where the first stage chooses among the entities of the name that was written."""
    assert bundle.processor is not None
    vectorizer = bundle.vectorizer if bundle.model.name_weight is not None else None
    tables = mention_table(mentions, bundle.processor, vectorizer), entity_table(graph, bundle.processor, vectorizer)
    points = np.zeros(len(mentions))
    for place, (row, rows) in enumerate(zip(gold.tolist(), best, strict=True)):
        if row in rows:
            points[place] = 1.0 if len(rows) == 1 else _chosen(bundle, tables, place, rows)[rows.index(row)]
    return points


@torch.no_grad()
def _chosen(bundle: Bundle, tables: tuple[Table, Table], place: int, rows: tuple[int, ...]) -> NDArray[np.float64]:
    """What each of these entities gets of the point, from the first stage's scores ``[n]``."""
    model, (mentions, entities) = bundle.model, tables
    mention = model.encode_mentions(mentions.side(torch.tensor([place])).to(model.device))
    entity = model.encode_entities(entities.side(torch.tensor(rows)).to(model.device))
    scores = model.score(mention, entity).total[0].double().cpu().numpy()
    first = scores == scores.max()
    return first / first.sum()
