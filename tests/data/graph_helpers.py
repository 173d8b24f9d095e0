"""Helpers of the store's tests: entities, sources and graphs, all really on the disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from otmel.data.records import Entity
from otmel.data.store import GraphStore

PEOPLE = tuple(Entity(f"Q{n}", f"person {n}", (f"p{n}", "x"), "somebody", "a: b", (b"image %d" % n,)) for n in range(6))


def jsonl(path: Path, rows: Iterable[Any]) -> Path:
    """Rows as JSONL; bytes and texts as lines as they are."""
    lines = (row if isinstance(row, (bytes, str)) else json.dumps(row) for row in rows)
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return path


def numbered(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of ``count`` entities."""
    return [{"id": f"Q{n}", "name": f"name {n}", "aliases": ["a", f"b{n}"]} for n in range(start, start + count)]


def contents(store: GraphStore, snapshot: str | int | None = None) -> list[tuple[str, str]]:
    """Id and name of every entity of a snapshot, in the order of the rows."""
    return [(one.id, one.name) for one in store.graph(snapshot)]
