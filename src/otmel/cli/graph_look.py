"""``otmel graph info``, ``snapshots``, ``verify`` and ``export``: verbs that leave a stored graph as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otmel.cli.console import Json, emit, reported
from otmel.cli.places import Here, Where

if TYPE_CHECKING:
    from otmel.data.store import GraphStore


def graph_info(graph: Where, *, json: Json = False) -> None:
    """Say what a graph holds.

    Args:
        graph: the graph's folder, or its address (s3://BUCKET/PATH).
        json: print JSON.
    """
    emit(_opened(graph).info(), json)


def graph_snapshots(graph: Where, *, json: Json = False) -> None:
    """List snapshots.

    Args:
        graph: the graph's folder, or its address (s3://BUCKET/PATH).
        json: print JSON.
    """
    found = [snapshot.as_json() for snapshot in _opened(graph).snapshots()]
    emit(found if json else _table(found), json)


def graph_verify(graph: Where, *, json: Json = False) -> int:
    """Find damage.

    Args:
        graph: the graph's folder, or its address (s3://BUCKET/PATH).
        json: print JSON.

    Returns:
        0 when the graph is sound, 1 when it is damaged.
    """
    store = _opened(graph, whole=True)
    with reported("reading, in bytes") as track:
        found = store.verify(track)
    emit(found, json)
    return 0 if found.sound else 1


def graph_export(graph: Where, out: Here, *, snapshot: str | None = None, json: Json = False) -> None:
    """Write a graph to a file.

    Args:
        graph: the graph's folder, or its address (s3://BUCKET/PATH).
        out: the file: .jsonl keeps everything, .parquet and .csv keep further columns as JSON in one.
        snapshot: id or number of the snapshot to write; the newest if not given.
        json: print JSON.
    """
    store = _opened(graph, snapshot)
    with reported("exporting entities") as track:
        done = store.export(out, snapshot, track)
    emit(done, json)


def _opened(graph: Where, snapshot: str | None = None, whole: bool = False) -> GraphStore:
    """A graph, or a copy of what is at an address: of a snapshot, or the whole of it."""
    from otmel.data.store import GraphStore
    from otmel.data.store.layout import GraphLayout
    from otmel.remote import local

    return GraphStore.open(local(graph, GraphLayout(snapshot, whole)))


def _table(found: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (
        ("", "right"),
        ("snapshot", "left"),
        ("time", "left"),
        ("made by", "left"),
        ("entities", "right"),
    ):
        table.add_column(heading, justify=side, no_wrap=True)  # pyright: ignore[reportArgumentType]
    for one in found:
        table.add_row(str(one["number"]), one["id"], one["time"], one["operation"], f"{one['rows']:,}")
    return table
