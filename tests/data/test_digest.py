"""Digests: equal for equal entities, another for anything that differs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from otmel.data.digest import digest, digests
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity

texts = st.text(max_size=6)
entities = st.builds(
    Entity,
    texts,
    texts,
    st.lists(texts, max_size=2).map(tuple),
    texts,
    texts,
    st.lists(st.binary(max_size=4), max_size=2).map(tuple),
)


@given(entities, entities)
def test_digests_are_equal_just_when_the_entities_are(first: Entity, second: Entity) -> None:
    assert (digest(first) == digest(second)) == (first == second)
    assert digest(first) == digest(dataclasses.replace(first))
    assert digest(first) != digest(first, extra='{"a": 1}')


def test_an_images_file_counts_by_path_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    one = Entity("Q1", "one", images=(path,))
    absent = digest(one)
    path.write_bytes(b"1")
    present = digest(one)
    path.write_bytes(b"22")
    assert len({absent, present, digest(one), digest(Entity("Q1", "one", images=(b"22",)))}) == 4
    assert digest(one) == digest(Entity("Q1", "one", images=(str(path),)))


def test_an_open_image_counts_by_its_pixels() -> None:
    one, two = (Entity("Q1", "one", images=(Image.new("RGB", (2, 2), colour),)) for colour in ("red", "blue"))
    assert digest(one) != digest(two)


def test_a_graph_in_memory_has_ids_and_digests_by_row() -> None:
    rows = [Entity("b", "two"), Entity("a", "one", images=(b"x",))]
    graph = KnowledgeGraph(rows)
    assert list(graph.ids) == ["b", "a"]
    assert graph.digests.dtype == np.uint64
    assert np.array_equal(graph.digests, digests(rows))
    assert graph.digests.tobytes() == digest(rows[0]) + digest(rows[1])
    assert graph.take([1, 0]) == rows[::-1]
    assert list(graph.batches(1)) == [[rows[0]], [rows[1]]]
