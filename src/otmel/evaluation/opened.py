"""A run ready to be ranked: its model, what it is called, and its index over a graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otmel.data.graph import KnowledgeGraph
from otmel.evaluation.results import System
from otmel.index.expected import Expected
from otmel.index.source import inputs_hash
from otmel.index.store import StoredIndex, open_index
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.registry import OURS
from otmel.models.registry import system as registered
from otmel.remote import RUN, Place, local


@dataclass(frozen=True)
class Opened:
    """A run ready to be ranked.

    Attributes:
        bundle: the model with its processor.
        system: what it is.
        stored: its index over the graph, where one is given.
    """

    bundle: Bundle
    system: System
    stored: StoredIndex | None

    @classmethod
    def of(cls, run: Place, graph: KnowledgeGraph, index: Place | None = None) -> Opened:
        """Open a run, and an index of it over ``graph``. Raises ``CheckpointError``."""
        run = local(run, RUN)
        bundle = Bundle.load(run)
        settings: dict[str, Any] = bundle.record["settings"]
        kind = settings["model"].get("kind", OURS.name)
        system = System(
            model=Path(settings["encoder"] or "features").name if kind == OURS.name else registered(kind).title,
            preset=settings["preset"],
            variant=settings["variant"],
            seed=settings["seed"],
            hash=weights_hash(run),
        )
        if index is None:
            return cls(bundle, system, None)
        expected = Expected(model=system.hash, inputs=inputs_hash(run), graph=graph.snapshot)
        return cls(bundle, system, open_index(index, expected))
