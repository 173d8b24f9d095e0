"""A trained run on its data: evaluation through the index against the plain evaluation, which scores every pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._measure import Timing, once
from benchmarks._report import Row
from otmel.data.datasets import load_dataset
from otmel.errors import OtmelError
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.ranks import Ranks
from otmel.evaluation.scan import encoded, scanned
from otmel.evaluation.search import searched
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.models.base import State
from otmel.models.bundle import Bundle
from otmel.models.model import LinkerModel
from otmel.models.tables import entity_table, mention_table

KEPT = 20


@dataclass(frozen=True)
class Contest:
    """What both evaluations are given, encoded already."""

    model: LinkerModel
    mentions: State
    entities: State
    gold: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts that mentions are ranked by alone, too."""
        return self.model.composition().names


def trained_rows(run: Path, data: Path | None, split: str, name: str | None, threads: int) -> Iterator[Row]:
    """Times of both ways, what was scored, and whether they give the same."""
    contest = _contest(run, data, split)
    title = f"{name or run.name}, {split}: {len(contest.mentions):,} × {len(contest.entities):,}"
    plain, index, search = [], [], []
    base = once(
        lambda: plain.append(
            scanned(contest.model, contest.mentions, contest.entities, contest.gold, k=KEPT, parts=True)
        )
    )
    made = once(lambda: index.append(EntityIndex.of(contest.entities, contest.model.composition())))
    query = Query(KEPT, contest.gold, contest.names)
    timing = once(lambda: search.append(searched(index[0], contest.mentions, query)))
    (found, alone), seen = plain[0], search[0]
    record, pairs = seen.record, len(contest.mentions) * len(contest.entities)
    yield Row(f"{title}, plain evaluation", base.seconds(threads), "s", 1.0, "every pair scored by the model")
    yield Row(f"{title}, making the index", made.seconds(threads), "s")
    whole = Timing((made.wall[0] + timing.wall[0],), (made.cpu[0] + timing.cpu[0],)).seconds(threads)
    ways = f"{record.scanned:,} of {len(contest.mentions):,} mentions scanned; kernels {record.kernels}"
    yield Row(f"{title}, evaluation through the index", whole, "s", base.seconds(threads) / whole, ways)
    yield Row(f"{title}, pairs scored", 100 * record.scored / pairs, "%", pairs / max(record.scored, 1))
    differ = _differing(found.ranks, seen.found.ranks)
    differ += sum(_differing(alone[part], seen.alone[part]) for part in contest.names)
    note = "by the score and by each part alone"
    yield Row(f"{title}, ranks that differ from the plain evaluation's", differ, "ranks", None, note)


def _differing(one: Ranks, other: Ranks) -> int:
    return int(((one.optimistic != other.optimistic) | (one.pessimistic != other.pessimistic)).sum())


def _contest(run: Path, data: Path | None, split: str) -> Contest:
    bundle = Bundle.load(run)
    root = data or bundle.record.get("dataset_root")
    if root is None or bundle.processor is None:
        raise OtmelError("the run does not say where its data are", where=str(run), cure="name them: --data DATA")
    dataset = load_dataset(root)
    mentions, model = dataset.split(split), bundle.model
    device, names = model.device, bundle.vectorizer
    entity = encoded(model.encode_entities, entity_table(dataset.graph, bundle.processor, names), device=device)
    mention = encoded(model.encode_mentions, mention_table(mentions, bundle.processor, names), device=device)
    return Contest(model, mention, entity, gold_rows(mentions, dataset.graph))
