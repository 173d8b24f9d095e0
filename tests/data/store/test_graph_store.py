"""Building, changing and reading graphs: every commit is a snapshot, and its content is what a dictionary says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from graph_helpers import PEOPLE, contents, numbered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otmel.data.datasets import load_dataset
from otmel.data.digest import digest, digests
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.data.store import GraphStore, ImportSettings
from otmel.errors import DataError, StorageError

any_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
hostile = st.sampled_from(
    [
        "x' OR 1=1 --",
        "'; DROP TABLE entities; --",
        "a\nb",
        'q"uo`te',
        "\\'",
        "%",
        "_",
        "é\N{COMBINING ACUTE ACCENT}",
        " ",
    ]
)
entity = st.builds(
    Entity,
    id=st.one_of(hostile, any_text.filter(bool), st.integers(0, 9).map(str)),
    name=any_text,
    aliases=st.lists(any_text, max_size=3).map(tuple),
    description=any_text,
    attributes=any_text,
    images=st.lists(st.binary(max_size=30), max_size=2).map(tuple),
)


def checksum(entities: list[Entity]) -> str:
    return f"{sum(int.from_bytes(digest(one), 'little') for one in entities) % (1 << 128):032x}"


def test_an_empty_graph_is_a_graph(tmp_path: Path) -> None:
    store = GraphStore.create(tmp_path / "empty.kg")
    graph = store.graph()
    assert (len(graph), list(graph), list(graph.ids), graph.digests.shape) == (0, [], [], (0, 2))
    assert "Q1" not in graph
    assert store.verify().sound
    assert graph.snapshot == store.snapshots()[0].id


def test_a_stored_graph_reads_like_one_in_memory(people: GraphStore) -> None:
    stored, held = people.graph(), KnowledgeGraph(PEOPLE)
    assert list(stored) == list(held) == [stored[row] for row in range(6)] == stored.take(range(6))
    assert list(stored.ids) == list(held.ids)
    assert stored.ids[1:3] == ["Q1", "Q2"]
    assert np.array_equal(stored.digests, held.digests)
    assert stored.take([4, 1, 4]) == [PEOPLE[4], PEOPLE[1], PEOPLE[4]]
    assert stored[-1] == PEOPLE[5]
    assert [len(batch) for batch in stored.batches(4)] == [4, 2]
    assert [one.images for batch in stored.batches(4, images=False) for one in batch] == [()] * 6
    assert (stored.row("Q3"), stored.entity("Q3"), "Q9" in stored) == (3, PEOPLE[3], False)
    with pytest.raises(IndexError):
        _ = stored[6]
    with pytest.raises(DataError, match="'Q9'"):
        stored.row("Q9")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.booleans(), st.lists(entity, max_size=5)), min_size=1, max_size=4))
def test_any_upserts_and_deletes_do_what_they_do_to_a_dictionary(
    steps: list[tuple[bool, list[Entity]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, model = GraphStore.create(tmp_path_factory.mktemp("graphs") / "any.kg"), {}
    for insert, drawn in steps:
        entities = list({one.id: one for one in drawn}.values())
        if insert:
            report = store.upsert(entities)
            counts = report.counts
            assert counts["added"] == sum(one.id not in model for one in entities)
            assert counts["unchanged"] == sum(model.get(one.id) == one for one in entities)
            assert counts["read"] == counts["accepted"] == len(entities)
            model |= {one.id: one for one in entities}
        else:
            report = store.delete(one.id for one in entities)
            assert report.counts["deleted"] == sum(model.pop(one.id, None) is not None for one in entities)
        snapshot = store.snapshots()[-1]
        assert (snapshot.id, snapshot.rows, snapshot.checksum) == (
            report.snapshot,
            len(model),
            checksum([*model.values()]),
        )
    graph = store.graph()
    # A replaced entity keeps its row, as the key of a dictionary keeps its place.
    assert list(graph) == list(model.values())
    assert np.array_equal(graph.digests, digests(model.values()))
    assert all(graph.row(one) == row for row, one in enumerate(model))


def test_a_commit_without_a_change_is_none(people: GraphStore) -> None:
    before = people.snapshots()
    same, unknown = people.upsert(PEOPLE[:3]), people.delete(["nobody", "x' OR 1=1 --", "", "\ud800"])
    assert (same.changed, same.counts["unchanged"], same.snapshot) == (False, 3, before[-1].id)
    assert (unknown.changed, unknown.counts) == (False, {"deleted": 0, "unknown": 4})
    assert people.snapshots() == before


def test_every_snapshot_stays_readable(people: GraphStore) -> None:
    reader = people.graph()
    people.upsert([Entity("Q2", "new name"), Entity("Q9", "ninth")])
    people.delete(["Q0", "Q5"])
    empty, first, second, third = (one.number for one in people.snapshots())
    assert [len(people.graph(number)) for number in (empty, first, second, third)] == [0, 6, 7, 5]
    assert contents(people) == [
        ("Q1", "person 1"),
        ("Q2", "new name"),
        ("Q3", "person 3"),
        ("Q4", "person 4"),
        ("Q9", "ninth"),
    ]
    assert list(people.graph(people.snapshots()[1].id)) == list(reader) == list(PEOPLE)
    with pytest.raises(DataError, match="no snapshot 'abc'"):
        people.graph("abc")


def test_a_build_refuses_a_graph_that_holds_something_and_replaces_it_when_told(people: GraphStore) -> None:
    with pytest.raises(DataError, match="holds 6 entities") as refusal:
        people.build(PEOPLE[:1])
    assert "--replace" in (refusal.value.cure or "")
    report = people.build([Entity("Q5", "five"), Entity("Q7", "seven")], replace=True)
    assert (report.rows, report.counts["added"]) == (2, 2)
    assert contents(people) == [("Q5", "five"), ("Q7", "seven")]
    assert contents(people, report.number - 1) == [(one.id, one.name) for one in PEOPLE]
    assert people.verify().sound


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Entity("", "no id"), "id missing"),
        (Entity("Q\ud800", "surrogate"), "lone surrogate"),
        (Entity("Q8", "a", ("\udfff",)), "lone surrogate"),
        (dataclasses.replace(PEOPLE[0], name=3), "a text is no text"),  # pyright: ignore[reportArgumentType]
        ("Q8", "an Entity was expected"),
        (PEOPLE[1], "row 1 has it already"),
    ],
)
def test_an_entity_that_cannot_be_stored_stops_everything(people: GraphStore, bad: Entity, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        people.upsert([PEOPLE[1], Entity("Q77", "good"), bad])
    assert contents(people) == [(one.id, one.name) for one in PEOPLE]
    assert people.verify().orphans == ()


def test_very_long_ids_are_exact(people: GraphStore) -> None:
    long, longer = "i" * 100_000, "i" * 100_001
    people.upsert([Entity(long, "long"), Entity(longer, "longer")])
    assert people.delete([long]).counts == {"deleted": 1, "unknown": 0}
    assert people.graph().entity(longer).name == "longer"
    assert long not in people.graph()


def test_other_formats_and_versions_are_refused_with_both(people: GraphStore, tmp_path: Path) -> None:
    header = people.folder.format
    sound = header.read_text()
    for text, problem in (
        (sound.replace('"version": 1', '"version": 7'), "version 7 of the format, this otmel reads 1"),
        (sound.replace("otmel-graph", "other"), "'other'"),
        ('{"format":' * 5_000, "damaged"),
        (" " * 100_000 + sound, "damaged"),
        ("[]", "damaged"),
    ):
        header.write_text(text)
        with pytest.raises(DataError, match=problem):
            KnowledgeGraph.open(people.folder.root)
        with pytest.raises(DataError, match=problem):
            GraphStore.open(people.folder.root)
    with pytest.raises(DataError, match="no graph folder"):
        GraphStore.open(tmp_path / "absent")
    with pytest.raises(StorageError, match="stands here"):
        GraphStore.create(people.folder.root)


def test_a_graph_folder_serves_wherever_a_graph_does(tmp_path: Path, tiny_dataset_folder: Path) -> None:
    store = GraphStore.create(tmp_path / "tiny.kg")
    store.build(tiny_dataset_folder)
    held, stored = load_dataset(tiny_dataset_folder).graph, KnowledgeGraph.open(tmp_path / "tiny.kg")
    assert list(stored.ids) == list(held.ids)
    assert [(one.name, one.attributes, len(one.images)) for one in stored] == [
        (one.name, one.attributes, len(one.images)) for one in held
    ]
    with pytest.raises(DataError, match="only a graph's folder has snapshots"):
        KnowledgeGraph.open(tiny_dataset_folder, snapshot=1)


def test_the_cache_changes_nothing(tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from otmel.data.store import view

    store = GraphStore.create(tmp_path / "many.kg")
    store.build(write(numbered(300)), ImportSettings(batch_rows=70))
    expected = [f"Q{n}" for n in range(300)]
    for size in (view.CACHE_BYTES, 3_000):
        monkeypatch.setattr(view, "CACHE_BYTES", size)
        graph = store.graph()
        assert [graph[row].id for row in range(300)] == expected
        assert [graph[row].id for row in range(299, -1, -1)] == expected[::-1]
        assert [one.id for one in graph] == expected
