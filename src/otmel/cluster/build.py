"""``otmel index build --engine ray``: the index of a local build, encoded by workers on many machines.

Workers write segments into a folder of this command's own, ``segments/.job-….tmp``; what they report is checked by the
driver and moved to its place, and the manifest comes last. So a worker of a driver that was killed can never touch what
a later one has: at worst it leaves a folder that the next build takes up or removes. A killed driver goes on with what
stands in place, and with what its workers had finished in their own folder.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from otmel.cluster.connection import Cluster, Note
from otmel.cluster.crew import Post, Share, joined
from otmel.cluster.encoder import Encoder, Encoding, Fresh, Written, ranges
from otmel.cluster.job import ClusterSettings, Material, Summary, found_anywhere
from otmel.cluster.ledger import Watch
from otmel.cluster.sameness import Versions
from otmel.errors import CheckpointError
from otmel.index.build import build_index
from otmel.index.manifest import RECORD
from otmel.index.places import Places
from otmel.index.pool import Stored, sound
from otmel.index.source import RunSource
from otmel.index.writer import Built, IndexSettings, Writer, remove
from otmel.progress import progress
from otmel.remote import Place
from otmel.storage import atomic_folder, put_in_place, refusals_named

STAGED: Final = ".job-*.tmp"


@dataclass(frozen=True)
class Where:
    """Places that the driver and its workers are told.

    Attributes:
        run: the run.
        graph: the graph.
        index: the folder of the index.
    """

    run: Place
    graph: Place
    index: Path


def build_on_cluster(
    where: Where,
    source: RunSource,
    cluster: ClusterSettings | None = None,
    settings: IndexSettings | None = None,
    note: Note = lambda message: None,
) -> tuple[Built, Summary]:
    """Index a graph as ``build_index`` does, with the workers of a Ray cluster.

    Args:
        where: run, graph and index.
        source: run and graph, opened: what the workers must find too.
        cluster: where to find workers.
        settings: how to write; the memory limit is that of each worker.
        note: told what is worth knowing.

    Raises:
        MissingExtra: ray is not installed.
        ConfigurationError: there is no cluster, or its versions differ from ours.
        StorageError: the disk refused, or another process is writing to the index.
        CheckpointError: the run reads no text, or a worker found another run.
        DataError: a worker found another graph, or cannot read it.
    """
    began, summary = perf_counter(), Summary(rows=len(source.graph))
    _ = source.processor  # a run that reads no text is refused before anything is started
    with joined(cluster, summary, note) as there:
        encoders = Everywhere(where, there, (cluster or ClusterSettings()).workers, summary, note)
        built = build_index(source, where.index, settings, note, encoders)
    summary.done, summary.kept, summary.seconds = len(source.graph), built.kept, perf_counter() - began
    return built, summary


@dataclass
class Everywhere:
    """Encodes with the workers of a cluster.

    Attributes:
        where: run, graph and index.
        cluster: the cluster.
        workers: how many; ``None``: as many as it has room for.
        summary: takes what was done.
        note: told what is worth knowing.
    """

    where: Where
    cluster: Cluster
    workers: int | None
    summary: Summary
    note: Note

    def take_up(self, places: Places) -> None:
        """Put in place what the workers of a killed driver have finished."""
        number = highest(places)
        for record in sorted(places.segments.glob(f"{STAGED}/[0-9]*/segments/[0-9]*/{RECORD}")):
            number += 1
            moved(record.parent, places.segment(f"{number:06d}"))

    def segments(self, writer: Writer, rows: NDArray[np.int64], number: int) -> list[Stored]:
        """New segments of the entities in these rows."""
        if not len(rows):
            return []
        source, share = writer.source, Share.of(self.cluster)
        assert isinstance(source, RunSource)
        tasks = ranges(rows, writer.settings.most, self.workers or share.fit(self.cluster))
        fresh: list[Stored] = []
        with (
            staging(Places(writer.places.root.absolute())) as staged,
            progress("encoding entities", len(rows)) as advance,
        ):
            material = Material(
                found_anywhere(self.where.run), found_anywhere(self.where.graph), source.graph.snapshot, Versions.here()
            )
            job = Encoding(material, staged, writer.made, writer.settings)
            watch = Watch.of(self.cluster.ray, advance)
            crew = Post(Encoder, job, len(tasks), self.workers, self.note, watch.look).crew(self.cluster)
            for written in crew.results(tasks, lambda one, task: one.write.remote(task, watch.ledger)):
                for segment in written.segments:
                    number += 1
                    fresh.append(self._placed(writer, segment, f"{number:06d}"))
                self._count(written, source, watch)
        crew.sign_off(self.summary, "encoded")
        return fresh

    def _count(self, written: Written, source: RunSource, watch: Watch) -> None:
        watch.finished(written.task.number, len(written.task.rows))
        source.processor.findings.merge(written.findings)
        self.summary.stages.merge(written.stages)
        self.summary.retried = watch.retried

    def _placed(self, writer: Writer, segment: Fresh, name: str) -> Stored:
        """Move a segment to its place, and check it there. Raises ``CheckpointError``."""
        target = writer.places.segment(name)
        if segment.files is None:
            moved(segment.folder, target)
        else:
            self._fetched(segment, target)
        stored = sound(writer.places, name, writer.made, whole=segment.files is not None)
        if stored.entry.entries != len(segment.rows):
            raise CheckpointError("a worker's segment does not hold what it was to hold", where=str(target))
        return Stored(stored.entry, stored.record, segment.rows)

    def _fetched(self, segment: Fresh, target: Path) -> None:
        with atomic_folder(target) as folder:
            for name, content in (segment.files or {}).items():
                (folder / name).write_bytes(memoryview(self.cluster.ray.get(content)))


@contextmanager
def staging(places: Places) -> Iterator[Path]:
    """A folder for the workers of one command; it goes when all is in place, and else waits for the next command."""
    folder = places.segments / f".job-{secrets.token_hex(8)}.tmp"
    with refusals_named(folder):
        folder.mkdir()
    yield folder
    remove(folder)


def highest(places: Places) -> int:
    """The highest number that a segment has, in the index or beside it."""
    return max((int(path.name) for path in places.segments.glob("[0-9]*") if path.name.isdigit()), default=0)


def moved(folder: Path, target: Path) -> None:
    """Move a finished segment to its place. Raises ``StorageError``."""
    with refusals_named(target):
        put_in_place(folder, target)
