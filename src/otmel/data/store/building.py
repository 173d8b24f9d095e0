"""A new graph's folder, made for an import and gone again when that fails for good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otmel.data.store.folder import Images
from otmel.data.store.graph_store import GraphStore
from otmel.data.store.report import Report
from otmel.errors import OtmelError, StorageError


def build_graph(
    path: str | Path, fill: Callable[[GraphStore], Report], images: Images = "store", **turn: Any
) -> Report:
    """Make a graph's folder where there is none, and fill it; when that fails for good, the folder goes again.

    Args:
        path: the folder.
        fill: calls ``build`` of the store it is given.
        images: whether a new graph stores its images, or their paths.
        turn: ``wait`` and ``note`` of ``GraphStore``.
    """
    store = GraphStore(path, **turn)
    fresh = not store.folder.format.exists()
    if fresh:
        store.folder.create(images)
    try:
        return fill(GraphStore.open(path, **turn))
    except (OtmelError, OSError) as fault:
        if fresh and not isinstance(fault, StorageError) and not store.snapshots():
            shutil.rmtree(path, ignore_errors=True)
        raise
