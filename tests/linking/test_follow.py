"""A linker that follows its graph answers as one made anew does, to the last bit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.moves import Moves
from otmel.data.records import Entity, Mention
from otmel.index.build import build_index
from otmel.index.source import RunSource
from otmel.linking import Linker, follow

ASKED = [Mention("Robert", "Robert acts."), Mention("Clara", "Clara paints in red."), Mention("x")]


def answers(linker: Linker) -> list[dict]:
    listed = [link.as_json() for link in linker.link(ASKED, k=5)]
    for one in listed:
        one.pop("search")  # how it was found may differ: the segments do
    return listed


def changed(entities: list[Entity], draw: random.Random) -> list[Entity]:
    """A deletion, a replacement, a move or an insertion."""
    entities = list(entities)
    place, act = draw.randrange(len(entities)), draw.choice(("delete", "replace", "insert", "move"))
    if act == "delete" and len(entities) > 3:
        del entities[place]
    elif act == "replace":
        entities[place] = replace(entities[place], attributes=f"Occupation: {draw.random()}.")
    elif act == "move":
        entities.append(entities.pop(place))
    else:
        entities.insert(place, Entity(f"N{draw.random()}", "Robert Newman", aliases=("Bob",), attributes="Sex: male."))
    return entities


def test_random_changes_leave_what_a_new_linker_has(
    linker: Linker, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "RECENT", 4)  # so that segments are sealed, and fall into ruins
    draw, entities, current = random.Random(0), list(tiny.graph), linker
    for step in range(60):
        entities = changed(entities, draw)
        graph = KnowledgeGraph(entities)
        current = current.at(graph)
        assert len(current.index) == len(graph)
        if step % 6 == 5:
            assert answers(current) == answers(Linker(linker.bundle, graph, linker.model_hash))
    assert len(current.index.segments) < 20


def test_the_linker_that_is_followed_goes_on(linker: Linker, tiny: Dataset) -> None:
    before = answers(linker)
    linker.at(KnowledgeGraph(list(tiny.graph)[1:]))
    assert answers(linker) == before


def test_an_index_on_disk_is_followed_in_memory(tiny_run: Path, tiny: Dataset, tmp_path: Path) -> None:
    build_index(RunSource.load(tiny_run, tiny.graph), tmp_path / "index")
    files = {path: path.read_bytes() for path in (tmp_path / "index").rglob("*") if path.is_file()}
    stored = Linker.load(tiny_run, tiny.graph, tmp_path / "index")
    graph = KnowledgeGraph([replace(tiny.graph[0], name="Somebody Else"), *list(tiny.graph)[2:]])
    assert answers(stored.at(graph)) == answers(Linker(stored.bundle, graph, stored.model_hash))
    assert {path: path.read_bytes() for path in files} == files


def test_an_image_that_changed_under_its_path_is_read_again(linker: Linker, tiny: Dataset, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 40), "red").save(picture)
    before = KnowledgeGraph([replace(tiny.graph[0], images=(picture,)), *list(tiny.graph)[1:]])
    first = linker.at(before)
    assert before.digests.any()
    Image.new("RGB", (41, 40), "blue").save(picture)
    after = KnowledgeGraph(list(before))
    new = Linker(replace(linker.bundle, processor=linker.processor.uncached()), after, linker.model_hash)
    assert answers(first.at(after)) == answers(new)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), unique=True, min_size=1), st.lists(st.integers(0, 12), unique=True, min_size=1))
def test_moves_are_those_of_a_plain_loop(old: list[int], new: list[int]) -> None:
    graphs = [KnowledgeGraph([Entity(str(n), f"name {n}") for n in listed]) for listed in (old, new)]
    moves = Moves.between(*graphs)
    assert moves.to.tolist() == [new.index(n) if n in new else -1 for n in old]
    assert moves.fresh.tolist() == [row for row, n in enumerate(new) if n not in old]
    assert moves.new_rows(np.array([-1])).tolist() == [-1]
