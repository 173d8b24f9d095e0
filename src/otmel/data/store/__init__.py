"""The graph store: entities in an embedded LanceDB table, committed as snapshots.

The names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otmel.data.store.building import build_graph
    from otmel.data.store.folder import is_store
    from otmel.data.store.graph_store import GraphStore
    from otmel.data.store.import_settings import ImportSettings
    from otmel.data.store.report import Report
    from otmel.data.store.snapshots import Snapshot

_HOME_OF: Final = {
    "GraphStore": "graph_store",
    "ImportSettings": "import_settings",
    "Report": "report",
    "Snapshot": "snapshots",
    "build_graph": "building",
    "is_store": "folder",
}

__all__ = ["GraphStore", "ImportSettings", "Report", "Snapshot", "build_graph", "is_store"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
