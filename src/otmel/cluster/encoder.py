"""The worker of ``otmel index build --engine ray``: some rows of a graph become segments, in a place of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from otmel.cluster.job import Material, Stages
from otmel.cluster.metrics import count
from otmel.cluster.refusal import refusing, this_node
from otmel.cluster.sameness import Welcome
from otmel.data.findings import Findings
from otmel.errors import CheckpointError
from otmel.index.encode import Pieces
from otmel.index.manifest import Made
from otmel.index.places import Places
from otmel.index.source import RunSource
from otmel.index.writer import IndexSettings, Writer
from otmel.inputs.processor import OnceFindings
from otmel.types import Batch


@dataclass(frozen=True)
class Task:
    """Some rows of the graph.

    Attributes:
        number: of the task.
        rows: the graph's rows.
    """

    number: int
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Fresh:
    """One segment that a task has made.

    Attributes:
        folder: where it lies; its name on the worker's machine where ``files`` has it.
        rows: the graph row of each entry.
        files: name → content, as Ray's objects, where the worker does not see the driver's folder.
    """

    folder: Path
    rows: NDArray[np.int64]
    files: dict[str, Any] | None = None


@dataclass(frozen=True)
class Written:
    """What a task has made."""

    task: Task
    segments: tuple[Fresh, ...]
    findings: Findings
    stages: Stages


@dataclass(frozen=True)
class Encoding:
    """What the workers of a build are told.

    Attributes:
        material: run and graph.
        staging: the folder to write to, if it is to be seen.
        made: what the entries shall depend on.
        settings: how they are written.
    """

    material: Material
    staging: Path
    made: Made
    settings: IndexSettings


class Encoder:
    """An actor. It loads nothing before it is asked, and again after Ray has restarted it.

    Args:
        job: what to do.
    """

    def __init__(self, job: Encoding) -> None:
        self.job = job

    @refusing
    def ready(self) -> Welcome:
        """Load the run and open the graph."""
        return Welcome(this_node(), self._source.machine)

    @refusing
    def write(self, task: Task, ledger: Any) -> Written:
        """Encode the rows of a task and write them as segments; ``ledger`` is told how far that is."""
        ledger.began.remote(task.number)
        stages, source = Stages(), _Timed.of(self._source)
        source.stages, source.processor.findings = stages, OnceFindings()
        places, seen = self._places(task)
        writer = Writer(places, source, source.graph, self.job.settings, self.job.made)
        began = perf_counter()
        made = writer.segments(task.rows, 0, lambda rows: ledger.advanced.remote(task.number, rows))
        stages.add("write", perf_counter() - began - sum(stages.seconds.values()))
        folders = [(places.segment(one.entry.name), one.rows) for one in made]
        segments = tuple(Fresh(folder, rows, None if seen else _content(folder)) for folder, rows in folders)
        if not seen:
            shutil.rmtree(places.root)
        count("index build", {"done": len(task.rows)}, stages)
        found = source.processor.findings
        return Written(task, segments, Findings(found.counts, found.examples), stages)

    def _places(self, task: Task) -> tuple[Places, bool]:
        """Where to write, and whether the driver sees it too."""
        seen = self.job.staging.is_dir()
        root = self.job.staging / f"{task.number:06d}" if seen else Path(tempfile.mkdtemp(prefix="otmel-segments-"))
        places = Places(root)
        places.segments.mkdir(parents=True, exist_ok=True)
        return places, seen

    @cached_property
    def _source(self) -> RunSource:
        material, made = self.job.material, self.job.made
        material.versions.check(this_node())
        source = RunSource.load(material.run, material.opened())
        own = Made.of(source.composition, source.model, source.inputs, made.precision)
        if own != made:
            problem = f"the run here is {own.model}/{own.inputs}, the driver's is {made.model}/{made.inputs}"
            cure = "the folder must be the same on every node"
            raise CheckpointError(problem, where=str(material.run), cure=cure)
        return source


@dataclass
class _Timed(RunSource):
    """A source that knows how long it reads and how long it encodes."""

    stages: Stages = field(default_factory=Stages)

    @staticmethod
    def of(source: RunSource) -> _Timed:
        return _Timed(source.bundle, source.graph, source.model, source.inputs)

    def states(self, rows: Int[Tensor, " n"]) -> Pieces:
        """As the source does."""
        before = self.stages.seconds.get("read", 0.0)
        yield from self.stages.timed("encode", super().states(rows))
        self.stages.add("encode", before - self.stages.seconds.get("read", 0.0))

    def _read(self, rows: Int[Tensor, " n"]) -> Iterator[tuple[Tensor, Batch]]:
        yield from self.stages.timed("read", super()._read(rows))


def _content(folder: Path) -> dict[str, Any]:
    """The files of a segment as Ray's objects."""
    import ray

    return {path.name: ray.put(np.fromfile(path, dtype=np.uint8)) for path in sorted(folder.iterdir())}


def ranges(rows: NDArray[np.int64], most: int, workers: int) -> Sequence[Task]:
    """Tasks of as many rows as a segment has; fewer where there would not be two for every worker."""
    size = max(1, min(most, -(-len(rows) // (2 * workers))))
    return [Task(number, rows[first : first + size]) for number, first in enumerate(range(0, len(rows), size))]
