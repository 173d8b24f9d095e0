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
from otmel.evaluation.search import Query, searched
from otmel.index.encode import ENTITIES_AT_ONCE, Encoding, encoded_alike, positions
from otmel.index.expected import Expected
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage
from otmel.index.source import inputs_hash
from otmel.index.store import StoredIndex, open_index
from otmel.models.base import Scorer
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.features import FeatureStore, graph_data, mention_data
from otmel.models.model import LinkerModel
from otmel.models.name_scorer import NameScorer
from otmel.models.registry import OURS
from otmel.models.registry import system as registered
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

    def run(
        self, scorer: Scorer, system: System, device: torch.device, stored: StoredIndex | None = None
    ) -> Evaluation:
        """Rank every mention against every entity, which ``stored`` holds or which are encoded here."""
        start = time.monotonic()
        names_only, composition = isinstance(scorer, NameScorer), scorer.composition()
        limit = positions(scorer) if isinstance(scorer, LinkerModel) else 0
        mention_rows = self.mention_table.names_only if names_only else self.mention_table
        mentions = encoded_alike(Encoding(scorer.encode_mentions, device, limit, ENTITIES_AT_ONCE), mention_rows)
        if stored is not None:
            index = stored.index(composition)
        else:
            rows = self.entity_table.names_only if names_only else self.entity_table
            encoding = Encoding(scorer.encode_entities, device, limit, ENTITIES_AT_ONCE)
            with progress("encoding entities", len(rows)) as advance:
                index = EntityIndex.of(encoded_alike(encoding, rows, advance=advance), composition)
        names = composition.names if len(composition.names) > 1 else ()
        gold, ids = gold_rows(self.mentions, self.graph), [m.id or m.name for m in self.mentions]
        with progress("scoring", len(mention_rows)) as advance:
            query = Query(KEPT, gold, alone=names, ids=ids)
            second = SecondStage.of(scorer, self.mention_table, self.entity_table)
            seen = searched(index, mentions, query, second, advance=advance)
        summary = summarise(seen.found.ranks, self.mentions, self.graph)
        result = summary.result(system, self.task, seen.alone).timed(time.monotonic() - start)
        result = result.model_copy(update={"search": seen.record})
        return Evaluation(result, mention_results(self.mentions, seen.found, self.graph))


def evaluate(
    run: str | Path,
    dataset: Dataset,
    split: str = "dev",
    index: str | Path | None = None,
    features: Path | None = None,
) -> Evaluated:
    """Evaluate a run on a split, all entities of the graph as candidates, and name match beside it.

    Args:
        run: the run folder.
        dataset: graph and mentions.
        split: which mentions.
        index: the folder of an index of the run over this graph; without one, the entities are encoded in memory.
        features: a folder in which what a frozen encoder gives is kept, as for ``otmel.training.run.train``. Last bits
            of scores may differ from those of an index.

    Raises:
        CheckpointError: the run is incomplete or broken, or the index belongs to another model or graph.
        DataError: the split is absent or empty.
    """
    bundle = Bundle.load(run)
    settings: dict[str, Any] = bundle.record["settings"]
    kind = settings["model"].get("kind", OURS.name)
    system = System(
        model=Path(settings["encoder"] or "features").name if kind == OURS.name else registered(kind).title,
        preset=settings["preset"],
        variant=settings["variant"],
        seed=settings["seed"],
        hash=weights_hash(run),
    )
    stored = None
    if index is not None:
        expected = Expected(model=system.hash, inputs=inputs_hash(run), graph=dataset.graph.snapshot)
        stored = open_index(index, expected)
    frozen = settings["training"]["freeze_encoder"]
    return evaluate_bundle(bundle, system, dataset, split, (stored, features if frozen and stored is None else None))


def evaluate_bundle(
    bundle: Bundle,
    system: System,
    dataset: Dataset,
    split: str,
    kept: tuple[StoredIndex | None, Path | None] = (None, None),
) -> Evaluated:
    """As ``evaluate``, for a bundle in memory; ``kept`` are an index and a folder of features."""
    assert bundle.processor is not None, "a model on ready features is evaluated by Contest.run"
    mentions, (stored, features) = dataset.split(split), kept
    tables = [
        mention_table(mentions, bundle.processor, bundle.vectorizer),
        entity_table(dataset.graph, bundle.processor, bundle.vectorizer),
    ]
    if features is not None:
        store = FeatureStore(features, bundle.model, bundle.processor)
        names = [mention_data(dataset, mentions), graph_data(dataset)]
        with progress("encoding once", sum(map(len, tables))) as advance:
            tables = [store.held(table, name, advance) for table, name in zip(tables, names, strict=True)]
    contest = Contest(Task.of(dataset, split), mentions, dataset.graph, *tables)
    model = contest.run(bundle.model, system, bundle.model.device, stored)
    floor = contest.run(NameScorer(), System(model="name match"), torch.device("cpu"))
    return Evaluated(model, floor, bundle.processor.findings)
