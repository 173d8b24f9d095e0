"""Slices: what belongs where, and pairs that split the ranked mentions."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Entity, Mention
from otmel.evaluation import slices
from otmel.evaluation.slices import DEFAULT_SLICES, Slice

GRAPH = KnowledgeGraph([
    Entity("Q1", "Anna Bell", images=("a.jpg",)), Entity("Q2", "anna  bell"), Entity("Q3", "Carl Dunn"),
])  # fmt: skip
MENTIONS = (
    Mention("Anna Bell", "short", b"x", answer="Q1", objects=0),
    Mention("Bell", " ".join(["word"] * 20), answer="Q2", objects=1),
    Mention("CARL DUNN", " ".join(["word"] * 21), b"x", answer="Q3", objects=2),
    Mention("Dunn", "", answer="Q3"),
    Mention("Nobody", "", b"x", answer=NIL, objects=1),
    Mention("Nobody", "", answer="Q9"),
    Mention("Nobody", ""),
)
EXPECTED = {
    "mention with image": [0, 2],
    "mention without image": [1, 3],
    "entity with image": [0],
    "entity without image": [1, 2, 3],
    "easy: title, unique": [2],
    "not easy": [0, 1, 3],
    "shared title": [0, 1],
    "single object": [0, 1],
    "several objects": [2],
    "objects unknown": [3],
    "short: ≤ 20 tokens": [0, 1, 3],
    "long: > 20 tokens": [2],
}


@pytest.mark.parametrize("part", DEFAULT_SLICES, ids=lambda part: part.name)
def test_every_slice_holds_what_its_name_says(part):
    assert np.flatnonzero(part.select(MENTIONS, GRAPH)).tolist() == EXPECTED[part.name]


def test_opposites_split_the_ranked_mentions():
    for holds in (slices.mention_has_image, slices.entity_has_image, slices.is_easy, slices.is_short):
        inside = Slice("in", holds).select(MENTIONS, GRAPH)
        outside = Slice("out", slices.opposite(holds)).select(MENTIONS, GRAPH)
        assert (inside ^ outside).tolist() == [True] * 4 + [False] * 3


def test_titles_are_counted_once_per_graph_and_forgotten_with_it():
    graph = KnowledgeGraph([Entity("Q1", "Anna"), Entity("Q2", "Anna")])
    assert slices.shares_name(Mention("Anna", answer="Q1"), graph)
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None
