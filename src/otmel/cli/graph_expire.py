"""``otmel graph expire``: drop old snapshots of a stored graph."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from otmel.cli.console import Json, emit, note


def graph_expire(
    graph: Path,
    *,
    keep: int | None = None,
    older_than: float | None = None,
    compact: bool = False,
    wait: float = 0.0,
    json: Json = False,
) -> None:
    """Drop snapshots.

    Args:
        graph: the graph's folder.
        keep: how many of the newest to keep.
        older_than: drop only what is older than so many days.
        compact: first put the rows together that many small changes have scattered.
        wait: seconds to wait while another process is writing to the graph.
        json: print JSON.
    """
    from otmel.data.store import GraphStore

    age = None if older_than is None else timedelta(days=older_than)
    emit(GraphStore.open(graph, wait, note).expire(keep, age, compact), json)
