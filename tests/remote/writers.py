"""Writers, in this process or in one of their own that can be killed.

Run as a script it is a mould: for every line ``URI FIRST COUNT LOG`` on its input it forks a writer that upserts so
many people, and answers its pid, so that the libraries are loaded once; ``LOG`` says ``committed`` in the end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from otmel.data.records import Entity
from otmel.data.store import GraphStore, build_graph
from otmel.data.store.layout import GRAPH
from otmel.remote import changing


def people(first: int, count: int, word: str = "person") -> list[Entity]:
    """Some entities."""
    return [Entity(f"e{number}", f"{word} {number}", description="x" * 50) for number in range(first, first + count)]


def build(uri: object, entities: list[Entity]) -> None:
    """Make a graph at an address."""
    with changing(uri, GRAPH) as folder:  # pyright: ignore[reportArgumentType]
        build_graph(folder, lambda store: store.build(entities))


def upsert(uri: object, entities: list[Entity], **turn: object) -> None:
    """Change a graph at an address."""
    with changing(uri, GRAPH, **turn) as folder:  # pyright: ignore[reportArgumentType]
        GraphStore.open(folder).upsert(entities)


def main() -> None:
    """The mould."""
    import lancedb  # noqa: F401

    for line in sys.stdin:
        uri, first, count, log = line.split()
        pid = os.fork()
        if pid == 0:
            written_in_child(uri, people(int(first), int(count)), Path(log))
        say(str(pid))
        os.waitpid(pid, 0)
        say("gone")


def written_in_child(uri: str, entities: list[Entity], log: Path) -> None:
    """The work of a writer: it never returns."""
    try:
        upsert(uri, entities)
        log.write_text("committed")
    except BaseException as fault:
        log.write_text(f"failed {fault!r}")
    os._exit(1)


def say(line: str) -> None:
    """A line to whoever started the mould."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
