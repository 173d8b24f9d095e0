"""A writer killed at a random point: what is read afterwards is the last commit or the next, and nothing between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import graph_writer
import pytest
from graph_writer import content

from otmel.data.graph import KnowledgeGraph
from otmel.data.store import GraphStore
from otmel.errors import DataError

KILLS = int(os.environ.get("OTMEL_KILLS", "16"))
FRESH_EVERY = 4
"""Kills after which a new graph is begun, so that its first build is killed too."""
MOST_LINES, LONGEST_WAIT = 8, 0.3
"""A writer is killed up to so many seconds after up to so many lines of its log."""


class Mould:
    """The process that forks writers."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", str(graph_writer.__file__)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def killed(self, folder: Path, seed: int) -> list[str]:
        """Start a writer, kill it after a random time, and return what it logged."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        rng = random.Random(seed)
        wanted = rng.randrange(1, MOST_LINES) if (folder / "my.kg").exists() else 1
        log = folder / "log"
        log.write_bytes(b"")
        self.process.stdin.write(f"{folder} {log} {seed}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        while len(lines := log.read_bytes().splitlines()) < wanted:
            assert not any(line.startswith(b"failed") for line in lines), lines
            time.sleep(0.002)
        time.sleep(rng.uniform(0, LONGEST_WAIT))
        os.kill(pid, signal.SIGKILL)
        assert self.process.stdout.readline() == "gone\n"
        return log.read_text().splitlines()


@pytest.fixture
def mould() -> Iterator[Mould]:
    mould = Mould()
    yield mould
    assert mould.process.stdin is not None
    assert mould.process.stdout is not None
    mould.process.stdin.close()
    mould.process.wait()
    mould.process.stdout.close()


@pytest.mark.timeout(120 + 10 * KILLS)
def test_no_commit_is_lost_and_none_is_seen_half(mould: Mould, tmp_path: Path) -> None:
    commits, ahead, unbuilt, resumed = 0, 0, 0, 0
    for run in range(KILLS):
        folder = tmp_path / str(run // FRESH_EVERY)
        folder.mkdir(exist_ok=True)
        before = seen(folder)
        lines = mould.killed(folder, run)
        assert not [line for line in lines if line.startswith(("failed", "Traceback"))], lines
        steps = [line.split() for line in lines if line.startswith(("begin", "done"))]
        acknowledged = [checksum for word, checksum in steps if word == "done"]
        last = acknowledged[-1] if acknowledged else before
        allowed = {last, steps[-1][1]} if steps and steps[-1][0] == "begin" else {last}
        found = seen(folder)
        assert found in allowed, (run, lines, found)
        commits, ahead, unbuilt = commits + len(acknowledged), ahead + (found != last), unbuilt + (found is None)
        if found is not None:
            assert GraphStore.open(folder / "my.kg").verify().faults == ()
        elif (folder / "my.kg" / "import" / "state.json").exists():
            resumed += 1
    figures = f"{ahead} ended at the next, {unbuilt} before the first ({resumed} of these resumable)"
    sys.stdout.write(f"{KILLS} kills, {commits} commits acknowledged; {figures}\n")


def seen(folder: Path) -> str | None:
    """The content's checksum, from the entities themselves; ``None`` before the first snapshot."""
    if not list((folder / "my.kg" / "snapshots").glob("[0-9]*.json")):
        with pytest.raises(DataError):
            KnowledgeGraph.open(folder / "my.kg")
        return None
    graph = KnowledgeGraph.open(folder / "my.kg")
    return content({one.id: one for one in graph})
