"""Multimodal entity linking by optimal transport: link a mention in text and image to an entity of a knowledge graph.

    graph = otmel.KnowledgeGraph.open("graph.jsonl")
    linker = otmel.Linker.load("runs/world", graph)
    (link,) = linker.link([otmel.Mention("Robert", context="The actors Robert …", image="premiere.jpg")], k=5)

Every public name is here. Nothing is imported before it is asked for, so that ``import otmel`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "Entity": "otmel.data.records",
    "KnowledgeGraph": "otmel.data.graph",
    "Link": "otmel.linking",
    "Linker": "otmel.linking",
    "Mention": "otmel.data.records",
    "evaluate": "otmel.evaluation.run",
    "load_dataset": "otmel.data.datasets",
}

__all__ = ["Entity", "KnowledgeGraph", "Link", "Linker", "Mention", "__version__", "evaluate", "load_dataset"]

if TYPE_CHECKING:
    from otmel.data.datasets import load_dataset
    from otmel.data.graph import KnowledgeGraph
    from otmel.data.records import Entity, Mention
    from otmel.evaluation.run import evaluate
    from otmel.linking import Link, Linker


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
