"""``evaluate``: a run against a split, all entities as candidates, with name match beside it as the floor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.evaluation.calibration.record import read_calibration
from otmel.evaluation.files import Evaluation, mention_results
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.nil import flagged
from otmel.evaluation.opened import Opened
from otmel.evaluation.results import System, Task, summarise
from otmel.evaluation.search import Query, searched
from otmel.index.encode import ENTITIES_AT_ONCE, Encoding, encoded_alike, positions
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage
from otmel.index.store import StoredIndex
from otmel.models.base import Scorer, State
from otmel.models.bundle import Bundle
from otmel.models.features import FeatureStore, graph_data, mention_data
from otmel.models.model import LinkerModel
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
class Encoded:
    """Mentions before an index: all that a search needs.

    Attributes:
        index: the entities.
        mentions: the mentions' states.
        second: the model's second stage, where it has one.
    """

    index: EntityIndex
    mentions: State
    second: SecondStage | None


@dataclass(frozen=True)
class Contest:
    """What systems are ranked on: the mentions of a split against all entities, as tables."""

    task: Task
    mentions: Sequence[Mention]
    graph: KnowledgeGraph
    mention_table: Table
    entity_table: Table

    @classmethod
    def of(cls, bundle: Bundle, dataset: Dataset, split: str) -> Contest:
        """The contest of a split. Raises ``DataError`` where it is absent or empty."""
        assert bundle.processor is not None
        mentions, graph = dataset.split(split), dataset.graph
        return cls(
            Task.of(dataset, split),
            mentions,
            graph,
            mention_table(mentions, bundle.processor, bundle.vectorizer),
            entity_table(graph, bundle.processor, bundle.vectorizer),
        )

    def encode(self, scorer: Scorer, device: torch.device, stored: StoredIndex | None = None) -> Encoded:
        """Encode the mentions, and the entities unless ``stored`` holds them: all that a search needs."""
        names_only = isinstance(scorer, NameScorer)
        limit = positions(scorer) if isinstance(scorer, LinkerModel) else 0
        mention_rows = self.mention_table.names_only if names_only else self.mention_table
        mentions = encoded_alike(Encoding(scorer.encode_mentions, device, limit, ENTITIES_AT_ONCE), mention_rows)
        second = SecondStage.of(scorer, self.mention_table, self.entity_table)
        if stored is not None:
            return Encoded(stored.index(scorer.composition()), mentions, second)
        rows = self.entity_table.names_only if names_only else self.entity_table
        encoding = Encoding(scorer.encode_entities, device, limit, ENTITIES_AT_ONCE)
        with progress("encoding entities", len(rows)) as advance:
            index = EntityIndex.of(encoded_alike(encoding, rows, advance=advance), scorer.composition())
        return Encoded(index, mentions, second)

    def run(
        self, scorer: Scorer, system: System, device: torch.device, stored: StoredIndex | None = None
    ) -> Evaluation:
        """Rank every mention against every entity, which ``stored`` holds or which are encoded here."""
        start = time.monotonic()
        ready, names = self.encode(scorer, device, stored), scorer.composition().names
        gold, ids = gold_rows(self.mentions, self.graph), [m.id or m.name for m in self.mentions]
        with progress("scoring", len(self.mentions)) as advance:
            query = Query(KEPT, gold, alone=names if len(names) > 1 else (), ids=ids)
            seen = searched(ready.index, ready.mentions, query, ready.second, advance=advance)
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
        CheckpointError: the run is incomplete or broken, or its index or calibration is, or belongs to another model or
            graph.
        DataError: the split is absent or empty.
    """
    opened = Opened.of(run, dataset.graph, index)
    frozen = opened.bundle.record["settings"]["training"]["freeze_encoder"]
    kept = opened.stored, features if frozen and opened.stored is None else None
    calibration = read_calibration(run, opened.system.hash or "")
    evaluated = evaluate_bundle(opened.bundle, opened.system, dataset, split, kept)
    if calibration is None:
        return evaluated
    return replace(evaluated, model=flagged(evaluated.model, dataset, calibration))


def evaluate_bundle(
    bundle: Bundle,
    system: System,
    dataset: Dataset,
    split: str,
    kept: tuple[StoredIndex | None, Path | None] = (None, None),
) -> Evaluated:
    """As ``evaluate``, for a bundle in memory; ``kept`` are an index and a folder of features."""
    assert bundle.processor is not None, "a model on ready features is evaluated by Contest.run"
    stored, features = kept
    contest = Contest.of(bundle, dataset, split)
    if features is not None:
        store = FeatureStore(features, bundle.model, bundle.processor)
        tables = contest.mention_table, contest.entity_table
        names = mention_data(dataset, contest.mentions), graph_data(dataset)
        with progress("encoding once", sum(map(len, tables))) as advance:
            held = [store.held(table, name, advance) for table, name in zip(tables, names, strict=True)]
        contest = replace(contest, mention_table=held[0], entity_table=held[1])
    model = contest.run(bundle.model, system, bundle.model.device, stored)
    floor = contest.run(NameScorer(), System(model="name match"), torch.device("cpu"))
    return Evaluated(model, floor, bundle.processor.findings)
