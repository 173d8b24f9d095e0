"""What a run is trained on: mentions split, read or encoded once where they fit, with their hard negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.errors import ConfigurationError
from otmel.evaluation.gold import gold_rows
from otmel.inputs import InputProcessor
from otmel.models.features import FeatureStore, graph_data, mention_data
from otmel.models.model import LinkerModel
from otmel.models.names import NameVectorizer
from otmel.models.tables import Table, bytes_held, entity_table, held, mention_table
from otmel.progress import progress
from otmel.training.batches import hard_negatives, trainable
from otmel.training.settings import RunSettings

Say = Callable[[str], None]
HELD_OUT = "held-out"


@dataclass(frozen=True)
class Material:
    """What a run is trained on, ready to be batched.

    Attributes:
        entities: the graph as a table.
        train, validation: mentions as tables.
        train_gold, validation_gold: rows of their true entities.
        train_names: what to call the training mentions.
        negatives: rows of the hard negatives.
    """

    entities: Table
    train: Table
    validation: Table
    train_gold: NDArray[np.int64]
    validation_gold: NDArray[np.int64]
    train_names: list[str]
    negatives: NDArray[np.int64]


def prepared(
    dataset: Dataset,
    settings: RunSettings,
    made: tuple[LinkerModel, InputProcessor, NameVectorizer],
    say: Say,
    features: Path | None = None,
) -> Material:
    """The material of a run, for a model, its processor and its name vectorizer.

    ``features`` is the folder in which what a frozen encoder gives is kept (``otmel.models.features``).
    """
    model, processor, vectorizer = made
    train_mentions, validation_mentions = validation_split(dataset, settings)
    train_gold = gold_rows(train_mentions, dataset.graph)
    count = settings.training.hard_negatives
    tables = [
        entity_table(dataset.graph, processor, vectorizer),
        mention_table(train_mentions, processor, vectorizer),
        mention_table(validation_mentions, processor, vectorizer),
    ]
    keep = None
    if features is not None and settings.training.freeze_encoder:
        keep = FeatureStore(features, model, processor)
    data = [
        graph_data(dataset),
        *(mention_data(dataset, mentions) for mentions in (train_mentions, validation_mentions)),
    ]
    entities, train_table, validation = in_memory(tables, model, settings, say, keep and (keep, data))
    for kind, number in processor.findings.counts.most_common():
        say(f"{number:,} × {kind}: masked out")
    return Material(
        entities=entities,
        train=train_table,
        validation=validation,
        train_gold=train_gold,
        validation_gold=gold_rows(validation_mentions, dataset.graph),
        train_names=[m.id or m.name for m in train_mentions],
        negatives=hard_negatives(train_mentions, train_gold, dataset.graph, vectorizer, count),
    )


def validation_split(dataset: Dataset, settings: RunSettings) -> tuple[list[Mention], list[Mention]]:
    """Training and validation mentions; ``held-out`` takes every tenth training mention for validation."""
    graph = dataset.graph
    mentions = trainable(drawn(dataset.split("train"), settings.training.share), graph)
    name = settings.training.validation
    if name != HELD_OUT:
        return mentions, _answered(dataset.split(name), graph)
    order = np.random.default_rng(0).permutation(len(mentions))
    chosen = set(order[: max(1, len(mentions) // 10)].tolist())
    kept = [m for row, m in enumerate(mentions) if row not in chosen]
    return trainable(kept, graph), [m for row, m in enumerate(mentions) if row in chosen]


def drawn(mentions: Sequence[Mention], share: float) -> list[Mention]:
    """A share of the mentions in their order: the same ones at every call, and all of a smaller share's."""
    order = np.random.default_rng(1).permutation(len(mentions))
    chosen = set(order[: max(1, round(share * len(mentions)))].tolist())
    return [mention for row, mention in enumerate(mentions) if row in chosen]


def _answered(mentions: tuple[Mention, ...], graph: KnowledgeGraph) -> list[Mention]:
    kept = [m for m in mentions if m.answer in graph]
    if not kept:
        raise ConfigurationError("no validation mention has its answer in the graph", cure="run `otmel data check`")
    return kept


def in_memory(
    tables: list[Table],
    model: LinkerModel,
    settings: RunSettings,
    say: Say,
    kept: tuple[FeatureStore, list[str]] | None = None,
) -> list[Table]:
    """The tables held in memory, as features if the encoder is frozen, as its inputs if not; or live, if too large.

    ``kept``: where features are kept, and what each table is called there.
    """
    frozen = model if settings.training.freeze_encoder else None
    needed = sum(bytes_held(table, frozen) for table in tables) / 2**30
    if needed > settings.training.memory_gib:
        say(f"{needed:.1f} GiB of model input do not fit into training.memory_gib: read anew in every epoch")
        return tables
    with progress("encoding once" if frozen else "reading once", sum(map(len, tables))) as advance:
        if kept is not None:
            store, names = kept
            return [store.held(table, name, advance) for table, name in zip(tables, names, strict=True)]
        return [held(table, frozen, advance=advance) for table in tables]
