"""Data: records, graphs, data sets, their readers and writers. Nothing here loads torch.

The names are imported when first used, so that ``import otmel.data`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otmel.data.dataset import Dataset
    from otmel.data.datasets import RICHPEDIAMEL, WIKIDIVERSE, WIKIMEL, Benchmark, load_dataset, recognise
    from otmel.data.findings import Findings
    from otmel.data.graph import KnowledgeGraph
    from otmel.data.images import open_image, try_open
    from otmel.data.importers import open_graph, read_mentions
    from otmel.data.melbench import read_melbench
    from otmel.data.mimic import read_mimic, write_mimic
    from otmel.data.records import NIL, Entity, ImageSource, Mention

_HOMES: Final = {
    "dataset": ("Dataset",),
    "datasets": ("Benchmark", "RICHPEDIAMEL", "WIKIDIVERSE", "WIKIMEL", "load_dataset", "recognise"),
    "findings": ("Findings",),
    "graph": ("KnowledgeGraph",),
    "images": ("open_image", "try_open"),
    "importers": ("open_graph", "read_mentions"),
    "melbench": ("read_melbench",),
    "mimic": ("read_mimic", "write_mimic"),
    "records": ("NIL", "Entity", "ImageSource", "Mention"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "NIL",
    "RICHPEDIAMEL",
    "WIKIDIVERSE",
    "WIKIMEL",
    "Benchmark",
    "Dataset",
    "Entity",
    "Findings",
    "ImageSource",
    "KnowledgeGraph",
    "Mention",
    "load_dataset",
    "open_graph",
    "open_image",
    "read_melbench",
    "read_mentions",
    "read_mimic",
    "recognise",
    "try_open",
    "write_mimic",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
