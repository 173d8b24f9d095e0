"""Readers while writers go on: every answer belongs to one snapshot, and says which."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from graph_helpers import PEOPLE, contents

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.data.store import GraphStore, ImportSettings
from otmel.errors import DataError

CHANGES = int(os.environ.get("OTMEL_READER_CHANGES", "200"))
PAIRS = 20


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: every commit waits for the disk ten times."""
    place = Path("/dev/shm")
    if not os.access(place, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def test_every_answer_during_many_changes_is_of_the_snapshot_it_names(memory_folder: Path) -> None:
    """Each change marks all entities of the graph with its number: an answer of two snapshots would have two marks."""
    store = GraphStore.create(memory_folder / "busy.kg")
    store.upsert([Entity(f"Q{n}", "0") for n in range(PAIRS)])
    marks: dict[str, str] = {store.snapshots()[-1].id: "0"}
    answers: list[tuple[str, set[str], int]] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                graph = KnowledgeGraph.open(memory_folder / "busy.kg")
                for _ in range(3):
                    answers.append((graph.snapshot, {one.name for one in graph}, len(graph)))
                time.sleep(0.02)
        except BaseException as fault:
            failures.append(fault)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, CHANGES + 1):
        if number % 10 == 0:
            store.expire(keep=2)
            report = store.delete([f"Q{number // 10 % PAIRS}"])
            marks[report.snapshot] = marks[store.snapshots()[-2].id] if report.changed else marks[report.snapshot]
        else:
            report = store.upsert([Entity(f"Q{n}", str(number)) for n in range(PAIRS)])
            marks[report.snapshot] = str(number)
    done.set()
    reader.join()
    assert not failures or all(isinstance(fault, DataError) for fault in failures)
    assert len({snapshot for snapshot, _, _ in answers}) > 5
    assert all(names == {marks[snapshot]} and size in (PAIRS, PAIRS - 1) for snapshot, names, size in answers)


def test_a_reader_in_this_process_keeps_its_snapshot_from_expiring(people: GraphStore) -> None:
    reader = people.graph()
    people.upsert([Entity("Q1", "changed")])
    people.upsert([Entity("Q2", "changed")])
    expired = people.expire(keep=1)
    assert expired.held == (reader.snapshot,)
    assert list(reader) == list(PEOPLE)
    assert people.verify().sound
    held = reader.snapshot
    del reader
    assert people.expire(keep=1).snapshots == (held,)
    assert len(people.snapshots()) == 1


READ_LATER = """
import sys
from otmel.data.graph import KnowledgeGraph
from otmel.errors import DataError
graph = KnowledgeGraph.open(sys.argv[1])
print(graph.snapshot, flush=True)
sys.stdin.readline()
try:
    print(len(list(graph)))
except DataError as fault:
    print("DataError", fault)
"""


@pytest.mark.parametrize("expire", [False, True])
def test_a_reader_in_another_process_keeps_its_snapshot_or_learns_that_it_is_gone(
    people: GraphStore, expire: bool
) -> None:
    command = [sys.executable, "-c", READ_LATER, str(people.folder.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == people.snapshots()[-1].id
        people.build([Entity("Q1", "only")], replace=True)
        if expire:
            people.expire(keep=1)
        answer, _ = child.communicate("go\n", timeout=60)
    assert answer.startswith("DataError") if expire else answer == "6\n"
    assert not expire or "expired" in answer


def test_a_reader_can_be_sent_to_another_process(people: GraphStore) -> None:
    reader = people.graph()
    people.delete(["Q1"])
    twin = pickle.loads(pickle.dumps(reader))
    assert (twin.snapshot, list(twin)) == (reader.snapshot, list(PEOPLE))


def test_the_memory_of_an_entity_is_a_hundred_bytes(tmp_path: Path, write: Callable[..., Path]) -> None:
    store = GraphStore.create(tmp_path / "many.kg")
    store.build(
        write({"id": f"Q{n * 7919}", "name": "x" * 500} for n in range(20_000)), ImportSettings(batch_rows=5_000)
    )
    from otmel.data.store.view import StoredEntities

    keys = StoredEntities(store.folder.root)._keys
    arrays = (keys.hashes, keys.seq, keys.digests, keys.addresses, keys.rows._hashes, keys.rows._order)
    assert (keys.ids.array.nbytes + sum(array.nbytes for array in arrays)) / 20_000 <= 100
    assert contents(store)[-1] == (f"Q{19_999 * 7919}", "x" * 500)
