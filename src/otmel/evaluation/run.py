"""``evaluate``: a run against a split, all entities as candidates, with name match beside it as the floor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.evaluation.files import Evaluation, mention_results
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.results import System, Task, summarise
from otmel.evaluation.scan import encoded
from otmel.evaluation.search import Query, searched
from otmel.index.index import EntityIndex
from otmel.models.base import Scorer
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.name_scorer import NameScorer
from otmel.models.tables import Table, entity_table, mention_table
from otmel.progress import progress

KEPT = 20


@dataclass(frozen=True)
class Evaluated:
    """A model's evaluation, the floor's on the same mentions, and what was missing on the way."""

    model: Evaluation
    floor: Evaluation
    findings: Findings


@dataclass(frozen=True)
class Contest:
    """What systems are ranked on: the mentions of a split against all entities, as tables."""

    task: Task
    mentions: Sequence[Mention]
    graph: KnowledgeGraph
    mention_table: Table
    entity_table: Table

    def run(self, scorer: Scorer, system: System, device: torch.device) -> Evaluation:
        """Rank every mention against every entity."""
        start = time.monotonic()
        names_only = isinstance(scorer, NameScorer)
        entity_rows = self.entity_table.names_only if names_only else self.entity_table
        mention_rows = self.mention_table.names_only if names_only else self.mention_table
        with progress("encoding entities", len(entity_rows)) as advance:
            entities = encoded(scorer.encode_entities, entity_rows, device=device, advance=advance)
        mentions = encoded(scorer.encode_mentions, mention_rows, device=device)
        composition = scorer.composition()
        names = composition.names if len(composition.names) > 1 else ()
        gold, ids = gold_rows(self.mentions, self.graph), [m.id or m.name for m in self.mentions]
        index = EntityIndex.of(entities, composition)
        with progress("scoring", len(mention_rows)) as advance:
            query = Query(KEPT, gold, alone=names, ids=ids)
            seen = searched(index, mentions, query, advance=advance)
        summary = summarise(seen.found.ranks, self.mentions, self.graph)
        result = summary.result(system, self.task, seen.alone).timed(time.monotonic() - start)
        result = result.model_copy(update={"search": seen.record})
        return Evaluation(result, mention_results(self.mentions, seen.found, self.graph))


def evaluate(run: str | Path, dataset: Dataset, split: str = "dev") -> Evaluated:
    """Evaluate a run on a split, all entities of the graph as candidates, and name match beside it.

    Args:
        run: the run folder.
        dataset: graph and mentions.
        split: which mentions.

    Raises:
        CheckpointError: the run is incomplete or broken.
        DataError: the split is absent or empty.
    """
    bundle = Bundle.load(run)
    settings: dict[str, Any] = bundle.record["settings"]
    system = System(
        model=Path(settings["encoder"] or "features").name,
        preset=settings["preset"],
        variant=settings["variant"],
        seed=settings["seed"],
        hash=weights_hash(run),
    )
    return evaluate_bundle(bundle, system, dataset, split)


def evaluate_bundle(bundle: Bundle, system: System, dataset: Dataset, split: str) -> Evaluated:
    """As ``evaluate``, for a bundle in memory."""
    assert bundle.processor is not None, "a model on ready features is evaluated by Contest.run"
    mentions = dataset.split(split)
    contest = Contest(
        Task.of(dataset, split),
        mentions,
        dataset.graph,
        mention_table(mentions, bundle.processor, bundle.vectorizer),
        entity_table(dataset.graph, bundle.processor, bundle.vectorizer),
    )
    model = contest.run(bundle.model, system, bundle.model.device)
    floor = contest.run(NameScorer(), System(model="name match"), torch.device("cpu"))
    return Evaluated(model, floor, bundle.processor.findings)
