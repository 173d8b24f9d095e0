"""A process that writes to a graph until it is killed: it says what it is about to commit, and what it has committed.

Run as a script it is a mould: for every line ``FOLDER LOG SEED`` on its input it forks a writer and answers its pid, so
that the libraries are loaded once. A writer keeps a plain dictionary of the graph beside it; each line of its log is
``begin CHECKSUM`` (what the graph will hold) or ``done CHECKSUM`` (it was told that the commit is done).
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from otmel.data.digest import digest
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.data.store import GraphStore, ImportSettings, build_graph, is_store
from otmel.errors import DataError

IDS = 40
SMALL = ImportSettings(batch_rows=12)
"""A commit of several batches, so that it can be interrupted between them."""


def content(entities: dict[str, Entity]) -> str:
    """The checksum of a graph, from its entities."""
    return f"{sum(int.from_bytes(digest(one), 'little') for one in entities.values()) % (1 << 128):032x}"


def drawn(rng: random.Random) -> Entity:
    """A random entity with one of ``IDS`` ids."""
    number = rng.randrange(IDS)
    image = rng.randbytes(rng.randrange(1, 300))
    return Entity(f"Q{number}", f"name {rng.random()}", ("it's",) * rng.randrange(3), "a text", images=(image,))


def write(path: Path, entities: list[Entity]) -> Path:
    """Entities without images as JSONL."""
    rows = ({"id": one.id, "name": one.name, "aliases": list(one.aliases)} for one in entities)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def bare(entity: Entity) -> Entity:
    """What ``write`` keeps of an entity."""
    return Entity(entity.id, entity.name, entity.aliases)


def work(folder: Path, log: Callable[[str], None], rng: random.Random) -> None:
    """Build the graph if there is none, then change it for ever."""
    root = folder / "my.kg"
    rows = [Entity(f"Q{number}", f"first {number}") for number in range(IDS)]
    model = {one.id: one for one in rows}
    source = folder / "first.jsonl"
    if not source.exists():
        write(source, rows)
    try:
        model = {one.id: one for one in KnowledgeGraph.open(root)} if is_store(root) else {}
    except DataError:  # no snapshot yet
        model = {}
    if not model:
        model = {one.id: one for one in rows}
        log(f"begin {content(model)}")
        build_graph(root, lambda store: store.build(source, SMALL))
        log(f"done {content(model)}")
    store = GraphStore.open(root)
    while True:
        change(store, model, log, rng)


def change(store: GraphStore, model: dict[str, Entity], log: Callable[[str], None], rng: random.Random) -> None:
    """One random operation."""
    kind = rng.choice(["upsert", "file", "delete", "replace", "expire"])
    entities = list({one.id: one for one in (drawn(rng) for _ in range(rng.randrange(1, 25)))}.values())
    if kind == "expire":
        store.expire(keep=rng.randrange(1, 4), compact=rng.random() < 0.3)
        return
    if kind == "delete":
        gone = [one.id for one in entities[:4]]
        model_after = {key: one for key, one in model.items() if key not in gone}
        run = lambda: store.delete(gone)  # noqa: E731
    elif kind == "upsert":
        model_after = model | {one.id: one for one in entities}
        run = lambda: store.upsert(entities, SMALL)  # noqa: E731
    else:
        source = write(store.folder.root.with_name(f"{rng.randrange(1 << 30)}.jsonl"), entities)
        after = {one.id: bare(one) for one in entities}
        model_after = after if kind == "replace" else model | after
        run = lambda: (store.build if kind == "replace" else store.upsert)(  # noqa: E731
            source, SMALL, **({"replace": True} if kind == "replace" else {})
        )
    log(f"begin {content(model_after)}")
    run()
    log(f"done {content(model_after)}")
    model.clear()
    model.update(model_after)


def main() -> None:
    import lancedb  # noqa: F401

    for line in sys.stdin:
        folder, log_path, seed = line.split()
        pid = os.fork()
        if pid == 0:
            write_until_killed(Path(folder), log_path, random.Random(int(seed)))
        say(str(pid))
        os.waitpid(pid, 0)
        say("gone")


def write_until_killed(folder: Path, log_path: str, rng: random.Random) -> None:
    """The work of a writer: it never returns."""
    handle = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 2)

    def log(text: str) -> None:
        os.write(handle, f"{text}\n".encode())

    try:
        work(folder, log, rng)
    except BaseException as fault:
        log(f"failed {fault!r}")
    os._exit(1)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
