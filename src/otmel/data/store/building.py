"""A new graph's folder, made for an import and gone again when that fails for good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otmel.data.store.folder import Images
from otmel.data.store.graph_store import GraphStore
from otmel.data.store.report import Report
from otmel.errors import ConfigurationError, OtmelError, StorageError


def build_graph(
    path: str | Path, fill: Callable[[GraphStore], Report], images: Images | None = None, **turn: Any
) -> Report:
    """Make a graph's folder where there is none, and fill it; when that fails for good, the folder goes again.

    Args:
        path: the folder.
        fill: calls ``build`` of the store it is given.
        images: whether a new graph stores its images (as it does by default), or their paths.
        turn: ``wait`` and ``note`` of ``GraphStore``.

    Raises:
        ConfigurationError: the graph is there already and keeps its images in another way.
    """
    store = GraphStore(path, **turn)
    fresh = not store.folder.format.exists()
    if fresh:
        store.folder.create(images or "store")
    elif images not in (None, store.folder.images()):
        problem = f"the graph keeps images as {store.folder.images()!r}, not as {images!r}"
        raise ConfigurationError(problem, where=str(path), cure="build another graph, or leave out --images")
    try:
        return fill(GraphStore.open(path, **turn))
    except (OtmelError, OSError) as fault:
        if fresh and not isinstance(fault, StorageError) and not store.snapshots():
            shutil.rmtree(path, ignore_errors=True)
        raise
