"""After any changes of the graph, an updated index and one built from nothing answer the same, to the bit."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from index_graphs import answers, changed, files, graph

from otmel.data.graph import KnowledgeGraph
from otmel.data.store import GraphStore
from otmel.errors import CheckpointError
from otmel.index.build import build_index
from otmel.index.manifest import MANIFEST, SegmentEntry
from otmel.index.pool import ALIKE, Stored, worth_keeping
from otmel.index.source import RunSource
from otmel.index.store import open_index
from otmel.index.update import update_index
from otmel.index.verify import verify_index
from otmel.index.writer import IndexSettings

OPERATIONS = int(os.environ.get("OTMEL_INDEX_OPERATIONS", "60"))
AT_ONCE = 12
SMALL = IndexSettings(most=30)


@pytest.fixture(scope="module")
def source(tiny_run):
    return RunSource.load(tiny_run, graph(80))


def told(source, folder):
    opened = open_index(folder, check="whole")
    assert opened.ids == list(source.graph.ids)
    assert opened.manifest.graph == source.graph.snapshot
    return answers(opened.index(source.composition), source)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_random_operations_and_a_fresh_build(source, tmp_path, precision):
    settings = IndexSettings(precision=precision, most=30)
    build_index(source, tmp_path / "index", settings)
    now = source
    for step in range(max(OPERATIONS // AT_ONCE, 1)):
        now = replace(now, graph=changed(now.graph, AT_ONCE, step))
        update_index(now, tmp_path / "index", settings)
    build_index(now, tmp_path / "fresh", settings)
    assert told(now, tmp_path / "index") == told(now, tmp_path / "fresh")
    assert verify_index(tmp_path / "index").sound
    assert not verify_index(tmp_path / "index").leftovers


def test_only_what_changed_is_encoded_and_nothing_is_written_again(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    before = files(tmp_path / "segments")
    rows = list(source.graph)
    rows[5] = replace(rows[5], attributes="something else")
    del rows[70]
    rows.append(replace(rows[0], id="new"))
    done = update_index(replace(source, graph=KnowledgeGraph(rows)), tmp_path, SMALL)
    assert (done.encoded, done.kept) == (2, 78)
    assert before.items() <= files(tmp_path / "segments").items()
    assert open_index(tmp_path).manifest.generation == 2


def test_an_order_of_its_own_needs_no_encoding(source, tmp_path):
    build_index(source, tmp_path / "index", SMALL)
    turned = replace(source, graph=KnowledgeGraph(reversed(list(source.graph))))
    done = update_index(turned, tmp_path / "index", SMALL)
    assert (done.encoded, done.changed) == (0, True)
    build_index(turned, tmp_path / "fresh", SMALL)
    assert told(turned, tmp_path / "index") == told(turned, tmp_path / "fresh")


def test_the_same_graph_changes_nothing(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    before = (tmp_path / MANIFEST).stat().st_mtime_ns
    assert not update_index(source, tmp_path, SMALL).changed
    assert (tmp_path / MANIFEST).stat().st_mtime_ns == before


def test_what_was_deleted_and_comes_back_is_still_there(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    update_index(replace(source, graph=KnowledgeGraph(list(source.graph)[:70])), tmp_path, SMALL)
    assert update_index(source, tmp_path, SMALL).encoded == 0
    assert told(source, tmp_path)


def test_mostly_masked_segments_go(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    few = replace(source, graph=KnowledgeGraph(list(source.graph)[::9]))
    done = update_index(few, tmp_path, SMALL)
    assert done.encoded == len(few.graph)
    assert open_index(tmp_path).manifest.entries == len(few.graph)


def test_another_model_is_refused_with_both_hashes(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    for what in ("model", "inputs"):
        with pytest.raises(CheckpointError) as caught:
            update_index(replace(source, **{what: "f" * 16}), tmp_path, SMALL)
        assert getattr(source, what) in str(caught.value)
        assert "f" * 16 in str(caught.value)


def test_there_must_be_an_index(source, tmp_path):
    with pytest.raises(CheckpointError, match="there is no index here"):
        update_index(source, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_readers_keep_the_index_they_opened(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    opened = open_index(tmp_path)
    before = answers(opened.index(source.composition), source)
    update_index(replace(source, graph=KnowledgeGraph(list(source.graph)[::9])), tmp_path, SMALL)
    assert answers(opened.index(source.composition), source) == before
    assert opened.ids == list(source.graph.ids)


def test_an_update_on_another_machine_says_so(source, tmp_path, monkeypatch):
    monkeypatch.setattr(RunSource, "machine", property(lambda self: "abacus"))
    build_index(source, tmp_path, SMALL)
    monkeypatch.undo()
    notes = []
    update_index(source, tmp_path, SMALL, notes.append)
    assert "abacus" in notes[0]


def stored(name, entries, alive):
    rows = np.full(entries, -1)
    rows[:alive] = np.arange(alive)
    entry = SegmentEntry(name=f"{name:06d}", entries=entries, size=0, chunks="")
    return Stored(entry, None, rows)  # pyright: ignore[reportArgumentType]


def test_small_segments_are_joined_by_size_and_large_ones_never():
    large = [stored(number, 800, 800) for number in range(20)]
    assert worth_keeping(large) == large
    ones = [stored(100 + number, 1, 1) for number in range(ALIKE - 1)]
    assert worth_keeping(large + ones) == large + ones
    tens = [stored(200 + number, 10, 10) for number in range(ALIKE)]
    assert worth_keeping(large + ones + tens) == large + ones
    half = stored(300, 800, 400)
    assert worth_keeping([*large, half]) == large


def test_each_entity_is_encoded_a_few_times_however_it_comes():
    """One entity at a time: the segments are few, and the work is a small multiple of what came."""
    segments, encoded = [stored(0, 4096, 4096)], 0
    for number in range(1, 1500):
        kept = worth_keeping(segments)
        fresh = 1 + sum(one.alive for one in segments) - sum(one.alive for one in kept)
        encoded += fresh
        segments = [*kept, stored(number, fresh, fresh)]
        assert len(segments) <= 5 * ALIKE
    assert encoded < 6 * 1500


def test_a_graph_in_a_store_emptied_and_filled_again(source, tmp_path):
    store = GraphStore.create(tmp_path / "graph")
    store.upsert(list(source.graph)[:20])
    now = replace(source, graph=KnowledgeGraph.open(tmp_path / "graph"))
    assert build_index(now, tmp_path / "index", SMALL).encoded == 20
    store.delete([one.id for one in list(source.graph)[:20]])
    now = replace(source, graph=KnowledgeGraph.open(tmp_path / "graph"))
    update_index(now, tmp_path / "index", SMALL)
    opened = open_index(tmp_path / "index")
    assert (len(opened.index(source.composition)), opened.ids, opened.segments) == (0, [], ())
    assert verify_index(tmp_path / "index").sound
    store.upsert(list(source.graph)[30:40])
    now = replace(source, graph=KnowledgeGraph.open(tmp_path / "graph"))
    update_index(now, tmp_path / "index", SMALL)
    build_index(replace(source, graph=KnowledgeGraph(list(source.graph)[30:40])), tmp_path / "fresh", SMALL)
    indexes = [open_index(tmp_path / name).index(source.composition) for name in ("index", "fresh")]
    assert answers(indexes[0], source) == answers(indexes[1], source)
