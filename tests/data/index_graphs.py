"""Random graphs for index tests, and what an index answers about them."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention
from otmel.index.encode import Encoding, encoded_alike
from otmel.index.index import EntityIndex
from otmel.index.search import Query
from otmel.index.source import RunSource
from otmel.models.base import State
from otmel.models.tables import mention_table

WORDS = ("painter", "chemist", "sailor", "judge", "poet", "Norway", "Chile", "Kenya", "born", "in", "of", "the")
NAMES = ("Anna Bell", "Carl Dunn", "Paul Quist", "Rosa Stein", "Kofi Lamptey", "Mona O'Neil", "Émile Fournier")


def picture(seed: int) -> bytes:
    """A small PNG."""
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def entity(number: int, chance: random.Random) -> Entity:
    """An entity with an id of its own; all else may be shared with others."""
    attributes = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(18)))
    images = (picture(chance.randrange(9)),) if chance.random() < 0.6 else ()
    aliases = tuple(chance.sample(NAMES, chance.randrange(3)))
    return Entity(f"Q{number}", chance.choice(NAMES), aliases, "", attributes, images)


def graph(count: int, seed: int = 0) -> KnowledgeGraph:
    """Random entities; the second says the same as the first."""
    chance = random.Random(seed)
    entities = [entity(number, chance) for number in range(count)]
    if count > 1:
        entities[1] = replace(entities[0], id=entities[1].id)
    return KnowledgeGraph(entities)


def changed(old: KnowledgeGraph, operations: int, seed: int) -> KnowledgeGraph:
    """A graph after random upserts and deletes; new entities come last."""
    chance = random.Random(seed)
    rows = {one.id: one for one in old}
    fresh = max(int(one[1:]) for one in rows) + 1
    for _ in range(operations):
        what = chance.random()
        if what < 0.4:
            rows[f"Q{fresh}"], fresh = entity(fresh, chance), fresh + 1
        elif what < 0.7:
            key = chance.choice(list(rows))
            rows[key] = replace(entity(0, chance), id=key)
        elif len(rows) > 1:
            del rows[chance.choice(list(rows))]
    return KnowledgeGraph(rows.values())


MENTIONS = [Mention(name, f"{name} {WORDS[seed]}", picture(seed)) for seed, name in enumerate(NAMES)]
MENTIONS[3] = Mention("Stein", "the judge Stein")


def asked(source: RunSource) -> State:
    """The mentions, as a model encodes them."""
    table = mention_table(MENTIONS, source.processor, source.bundle.vectorizer)
    return encoded_alike(Encoding.mentions(source.bundle.model), table)


def answers(index: EntityIndex, source: RunSource, mentions: State | None = None, alone: bool = True) -> list[tuple]:
    """What an index says about some mentions: best entities, scores to the bit, ranks by all parts."""
    gold = [7 * row % max(len(index), 1) for row in range(len(MENTIONS))]
    query = Query(10, gold, alone=source.composition.names if alone else ())
    return [
        (one.rows.tolist(), one.scores.tobytes(), one.gold_score, one.rank, dict(one.alone))
        for one in index.search(asked(source) if mentions is None else mentions, query)
    ]


def files(folder: Path) -> dict[str, int]:
    """Every file and when it was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
