"""Builds and updates an index in child processes that die, or meet a disk that refuses, at a chosen step.

Called as ``python index_kills.py RUN FOLDER TRIALS``; prints one JSON line for each trial of each mode.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from index_graphs import answers, asked, changed, graph

from otmel.errors import CheckpointError, StorageError
from otmel.index.build import build_index
from otmel.index.source import RunSource
from otmel.index.store import open_index
from otmel.index.update import update_index
from otmel.index.verify import verify_index
from otmel.index.writer import IndexSettings
from otmel.models.base import State

STEPS = ("fsync", "replace", "rename", "mkdir", "open")
CLEANING = ("unlink", "rmdir")
SETTINGS = IndexSettings(most=12)
OLD = graph(40)
NEW = changed(OLD, 25, 1)


def counting(step: Callable[[], None], names: tuple[str, ...]) -> None:
    """Have ``step`` called before each of the system's calls of these names."""

    def patched(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments, **options):
            step()
            return original(*arguments, **options)

        setattr(os, name, call)

    for name in names:
        patched(name)


def in_child(work: Callable[[], None], at: int, mode: str) -> tuple[int, str]:
    """Run ``work`` in a process of its own, stopped at its ``at``-th step; its exit status and what it said."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader) as stream:
            said = stream.read()
        return os.waitpid(child, 0)[1], said
    os.close(reader)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == at and mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if count == at and mode == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    counting(step, STEPS + (CLEANING if mode == "kill" else ()))
    try:
        work()
        said = f"done {count}"
    except StorageError as fault:
        said = f"refused {fault.cure}"
    except BaseException as fault:
        said = f"{type(fault).__name__}: {fault}"
    os.write(writer, said.encode())
    os._exit(0)


def seen(source: RunSource, folder: Path, mentions: State) -> str:
    """What there is to be seen of an index: a hash of all its answers, or why there is none."""
    try:
        opened = open_index(folder, check="whole")
    except CheckpointError as fault:
        return fault.problem
    found = answers(opened.index(source.composition), source, mentions, alone=False)
    return hashlib.sha256(repr((opened.manifest.graph, opened.ids, found)).encode()).hexdigest()


def main(run: str, root: Path, trials: int) -> None:
    """Every trial: build or update, stopped at a random step; look; then do it again, unhindered."""
    old = RunSource.load(run, OLD)
    new, chance, mentions = replace(old, graph=NEW), random.Random(trials), asked(old)
    build_index(old, root / "old", SETTINGS)
    build_index(new, root / "new", SETTINGS)
    known = {seen(old, root / "old", mentions): "old", seen(new, root / "new", mentions): "new"}
    tasks = {"build": lambda to: build_index(new, to, SETTINGS), "update": lambda to: update_index(new, to, SETTINGS)}
    for name, mode in ((name, mode) for mode in ("kill", "full") for name in tasks):
        steps = 0
        for trial in range(trials + 1):
            folder = root / f"{name}-{mode}-{trial}"
            if name == "update":
                shutil.copytree(root / "old", folder)
            at = chance.randrange(1, steps + 1) if trial else 0
            status, said = in_child(lambda to=folder, task=tasks[name]: task(to), at, mode)
            if not trial:
                steps = int(said.removeprefix("done "))
            after, left = seen(new, folder, mentions), [path.name for path in folder.rglob(".*.tmp*")]
            tasks[name](folder)
            again, verified = seen(new, folder, mentions), verify_index(folder)
            record = {"task": name, "mode": mode, "at": at, "status": status, "said": said, "temporary": left}
            record |= {"after": known.get(after, after), "again": known.get(again, again), "sound": verified.sound}
            sys.stdout.write(json.dumps({**record, "leftovers": len(verified.leftovers)}) + "\n")
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
