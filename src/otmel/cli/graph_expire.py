"""``otmel graph expire``: drop old snapshots of a stored graph."""

from __future__ import annotations

from datetime import timedelta

from otmel.cli.console import Json, emit, note
from otmel.cli.places import Where


def graph_expire(
    graph: Where,
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
    from otmel.data.store.layout import GraphLayout
    from otmel.remote import changing

    age = None if older_than is None else timedelta(days=older_than)
    with changing(graph, GraphLayout(whole=True), wait, note) as folder:
        done = GraphStore.open(folder, wait, note).expire(keep, age, compact)
    emit(done, json)
