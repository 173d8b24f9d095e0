"""Writers exclude each other, and a dead one leaves no lock behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from graph_helpers import contents

from otmel.data.records import Entity
from otmel.data.store import GraphStore
from otmel.errors import StorageError
from otmel.locks import writer_lock

HOLDER = """
import sys, time
from pathlib import Path
from otmel.locks import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.communicate()


def test_a_second_process_is_refused_and_told_who_is_writing(people: GraphStore) -> None:
    before = contents(people)
    with another_process(people.folder.lock) as holder:
        with pytest.raises(StorageError, match=f"process {holder.pid} \\(since 20") as refusal:
            people.delete(["Q1"])
        assert "--wait" in (refusal.value.cure or "")
        assert contents(people) == before
    assert people.delete(["Q1"]).changed


def test_it_waits_as_long_as_it_was_told_to(people: GraphStore) -> None:
    told: list[str] = []
    store = GraphStore.open(people.folder.root, wait=60, note=told.append)
    with another_process(people.folder.lock) as holder:
        assert holder.stdin is not None
        threading.Timer(0.3, holder.stdin.close).start()
        assert store.delete(["Q1"]).changed
        holder.stdin = None
    assert len(told) == 1
    assert f"process {holder.pid}" in told[0]


def test_a_killed_holder_does_not_stay_in_the_way(people: GraphStore) -> None:
    with another_process(people.folder.lock) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert people.delete(["Q1"]).changed


def test_threads_exclude_each_other_too(tmp_path: Path) -> None:
    order: list[str] = []

    def hold(name: str) -> None:
        with writer_lock(tmp_path / "lock", wait=10):
            order.append(f"{name} in")
            time.sleep(0.05)
            order.append(f"{name} out")

    threads = [threading.Thread(target=hold, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(order) == 8
    assert all(order[n].split()[0] == order[n + 1].split()[0] for n in range(0, 8, 2))


def test_a_lock_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="lock cannot be taken"), writer_lock(tmp_path / "absent" / "lock"):
        pass


def test_two_stores_of_one_graph_see_each_others_commits(people: GraphStore) -> None:
    other = GraphStore.open(people.folder.root)
    people.upsert([Entity("Q7", "seven")])
    other.upsert([Entity("Q8", "eight")])
    people.delete(["Q8"])
    assert contents(people) == contents(other)
    assert [one.operation for one in other.snapshots()] == ["create", "build", "upsert", "upsert", "delete"]
    assert people.verify().sound
