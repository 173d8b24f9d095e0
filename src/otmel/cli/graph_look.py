"""``otmel graph info``, ``snapshots``, ``verify`` and ``export``: verbs that leave a stored graph as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otmel.cli.console import Json, emit, reported


def graph_info(graph: Path, *, json: Json = False) -> None:
    """Say what a graph holds.

    Args:
        graph: the graph's folder.
        json: print JSON.
    """
    from otmel.data.store import GraphStore

    emit(GraphStore.open(graph).info(), json)


def graph_snapshots(graph: Path, *, json: Json = False) -> None:
    """List snapshots.

    Args:
        graph: the graph's folder.
        json: print JSON.
    """
    from otmel.data.store import GraphStore

    found = [snapshot.as_json() for snapshot in GraphStore.open(graph).snapshots()]
    emit(found if json else _table(found), json)


def graph_verify(graph: Path, *, json: Json = False) -> int:
    """Find damage.

    Args:
        graph: the graph's folder.
        json: print JSON.

    Returns:
        0 when the graph is sound, 1 when it is damaged.
    """
    from otmel.data.store import GraphStore

    with reported("reading, in bytes") as track:
        found = GraphStore.open(graph).verify(track)
    emit(found, json)
    return 0 if found.sound else 1


def graph_export(graph: Path, out: Path, *, snapshot: str | None = None, json: Json = False) -> None:
    """Write a graph to a file.

    Args:
        graph: the graph's folder.
        out: the file: .jsonl keeps everything, .parquet and .csv keep further columns as JSON in one.
        snapshot: id or number of the snapshot to write; the newest if not given.
        json: print JSON.
    """
    from otmel.data.store import GraphStore

    with reported("exporting entities") as track:
        done = GraphStore.open(graph).export(out, snapshot, track)
    emit(done, json)


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
