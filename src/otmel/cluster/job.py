"""What every worker of a command is told, and the settings of a cluster's share in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from pydantic import Field

from otmel.cluster.sameness import Versions
from otmel.data.graph import KnowledgeGraph
from otmel.errors import DataError
from otmel.remote import Place, Uri, placed
from otmel.settings import Settings

T = TypeVar("T")


def found_anywhere(place: Place) -> Path | Uri:
    """A place in words that do not depend on the folder that a process works in."""
    at = placed(place)
    return at.absolute() if isinstance(at, Path) else at


class ClusterSettings(Settings):
    """Where and how widely work is spread.

    Attributes:
        address: ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``; ``None``: what ``RAY_ADDRESS`` says, else ``auto``.
        workers: how many; ``None``: one for each accelerator of the cluster, or for each processor where it has none.
    """

    address: str | None = None
    workers: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class Material:
    """What work is done with, as the driver found it: a worker must find the same.

    Attributes:
        run: the run's place.
        graph: the graph's.
        snapshot: the graph's snapshot.
        versions: the driver's.
    """

    run: Place
    graph: Place
    snapshot: str
    versions: Versions

    def opened(self) -> KnowledgeGraph:
        """The graph at the driver's snapshot. Raises ``DataError`` where another one stands there."""
        graph = KnowledgeGraph.open(self.graph)
        if graph.snapshot == self.snapshot:
            return graph
        try:  # a graph's folder has gone on since, and keeps what it was
            return KnowledgeGraph.open(self.graph, self.snapshot)
        except DataError:
            problem = f"the graph here is {graph.snapshot}, the driver's is {self.snapshot}"
            cure = "the folder must be the same on every node"
            raise DataError(problem, where=str(self.graph), cure=cure) from None


@dataclass
class Stages:
    """Seconds that a worker spent, stage by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block's time to a stage."""
        began = perf_counter()
        try:
            yield
        finally:
            self.add(name, perf_counter() - began)

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """``items``; waiting for them counts to a stage."""
        waiting = iter(items)
        while True:
            with self.stage(name):
                item = next(waiting, waiting)
            if item is waiting:
                return
            yield item  # pyright: ignore[reportReturnType]

    def add(self, name: str, seconds: float) -> None:
        """So many more seconds of a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def merge(self, other: Stages) -> None:
        """Those of another worker or task too."""
        for name, seconds in other.seconds.items():
            self.add(name, seconds)


@dataclass
class Summary:
    """What a command did on a cluster.

    Attributes:
        rows: rows that came in: entities or mentions.
        done: rows that came out.
        rejected: rows that could not be used, each named in the output or in a note.
        kept: rows that an earlier command had done.
        retried: tasks begun again because their worker had died, at least; what a killed ledger knew is missing.
        seconds: from the plan to the commit.
        workers: most of them at once.
        nodes: on so many machines.
        stages: seconds of all workers together, stage by stage.
        address: of the cluster.
        dashboard: its page, where there is one.
    """

    rows: int = 0
    done: int = 0
    rejected: int = 0
    kept: int = 0
    retried: int = 0
    seconds: float = 0.0
    workers: int = 0
    nodes: int = 0
    stages: Stages = field(default_factory=Stages)
    address: str = ""
    dashboard: str = ""

    @property
    def fresh(self) -> int:
        """Rows worked on now."""
        return self.done + self.rejected - self.kept

    @property
    def worker_hours_per_million(self) -> float | None:
        """What a million rows cost, in hours of one worker; ``None`` where none was worked on."""
        if not self.fresh:
            return None
        return self.workers * self.seconds / 3600 * 1e6 / self.fresh

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rows": self.rows,
            "done": self.done,
            "rejected": self.rejected,
            "kept": self.kept,
            "retried": self.retried,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.fresh / self.seconds, 3) if self.seconds else 0.0,
            "workers": self.workers,
            "nodes": self.nodes,
            "worker_hours_per_million": self.worker_hours_per_million,
            "stage_seconds": {name: round(seconds, 3) for name, seconds in self.stages.seconds.items()},
            "rows_per_second_of_a_worker": self._rates(),
            "address": self.address,
            "dashboard": self.dashboard or None,
        }

    def as_lines(self, what: str) -> list[str]:
        """The same for reading; ``what`` the rows are, as in ``entities``."""
        lines = [
            f"  {self.rows:,} {what} in, {self.done:,} done ({self.kept:,} of them before), "
            f"{self.rejected:,} rejected; {self.retried:,} tasks retried",
            f"  {self.seconds:,.1f} s on {self.workers:,} workers of {self.nodes:,} nodes: "
            f"{self.fresh / max(self.seconds, 1e-9):,.1f} {what}/s",
        ]
        if (cost := self.worker_hours_per_million) is not None:
            lines.append(f"  {cost:,.2f} worker-hours for a million {what}")
        if rates := self._rates():
            said = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
            lines.append(f"  {what}/s of one worker, stage by stage: {said}")
        return lines

    def _rates(self) -> dict[str, float]:
        pairs = self.stages.seconds.items()
        return {name: round(self.fresh / seconds, 3) for name, seconds in pairs if seconds > 0 and self.fresh}
