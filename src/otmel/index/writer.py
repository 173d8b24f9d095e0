"""Brings a folder to the state of a graph: new segments, then rows and manifest, then what is no more needed goes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from otmel.data.graph import KnowledgeGraph
from otmel.errors import StorageError
from otmel.index.columns import arrays_of, names_of, widths
from otmel.index.gather import Gathered, room
from otmel.index.manifest import RECORD, Made, Manifest, SegmentRecord, write_record
from otmel.index.npy import write_array
from otmel.index.packing import packed
from otmel.index.places import Places
from otmel.index.pool import Stored, entry_of, worth_keeping
from otmel.index.source import Source
from otmel.kernels import Precision
from otmel.models.base import State
from otmel.progress import Advance, progress
from otmel.settings import Settings
from otmel.storage import atomic_folder, atomic_path


class IndexSettings(Settings):
    """How an index is written.

    Attributes:
        precision: in which vectors and tokens are kept.
        memory_limit: bytes that building takes beyond model and graph.
        most: entities of a segment, about; fewer where the memory does not allow them.
        wait: seconds to wait while another process is writing to the index.
    """

    precision: Precision = "float32"
    memory_limit: int = Field(default=2**31, ge=1)
    most: int = Field(default=2**14, ge=1)
    wait: float = Field(default=0.0, ge=0)


@dataclass(frozen=True)
class Built:
    """What a build or an update did.

    Attributes:
        folder: the index.
        manifest: the index as it is now.
        encoded: entities encoded.
        kept: entities that were there already.
        changed: whether there is a new manifest.
    """

    folder: Path
    manifest: Manifest
    encoded: int
    kept: int
    changed: bool


class Encoders(Protocol):
    """Who encodes in the place of this process. Implementations: ``otmel.cluster.build.Everywhere``."""

    def take_up(self, places: Places) -> None:
        """Put what a killed writer has finished elsewhere among the segments."""
        ...

    def segments(self, writer: Writer, rows: NDArray[np.int64], number: int) -> list[Stored]:
        """New segments of the entities in these rows, the first with the number that follows ``number``."""
        ...


@dataclass(frozen=True)
class Writer:
    """Brings a folder, whose lock is held, to the state of a graph.

    Attributes:
        places: the folder.
        source: what encodes.
        graph: the entities.
        settings: how.
        made: what the entries depend on.
        encoders: who encodes; this process where there are none.
    """

    places: Places
    source: Source
    graph: KnowledgeGraph
    settings: IndexSettings
    made: Made
    encoders: Encoders | None = None

    def write(self, segments: Sequence[Stored], before: Manifest | None) -> Built:
        """Keep what is worth it of the segments on disk, encode the rest, and make it the index."""
        kept = worth_keeping(segments)
        missing = np.setdiff1d(np.arange(len(self.graph)), np.concatenate([[-1], *(one.rows for one in kept)]))
        names = tuple(one.entry.name for one in kept)
        if before is not None and self._is(before, names) and not len(missing):
            self._sweep(before, set())
            return Built(self.places.root, before, 0, len(self.graph), changed=False)
        self._sweep(before, set(names))
        used = [*names, *(entry.name for entry in (before.segments if before else ()))]
        number = max(map(int, used), default=0)
        fresh = self.encoders.segments(self, missing, number) if self.encoders else self.encoded(missing, number)
        manifest = self._commit([*kept, *fresh], before)
        self._sweep(manifest, set())
        return Built(self.places.root, manifest, len(missing), len(self.graph) - len(missing), changed=True)

    def _is(self, before: Manifest, names: tuple[str, ...]) -> bool:
        same = before.made == self.made and before.graph == self.graph.snapshot
        return same and names == tuple(entry.name for entry in before.segments)

    def encoded(self, missing: NDArray[np.int64], number: int) -> list[Stored]:
        """New segments of the entities in these rows, the first with the number that follows ``number``."""
        if not len(missing):
            return []
        with progress("encoding entities", len(missing)) as advance:
            return self.segments(missing, number, advance)

    def segments(self, missing: NDArray[np.int64], number: int, advance: Advance) -> list[Stored]:
        """The same; ``advance`` is told how many entities are encoded."""
        fresh = []
        gathered = Gathered(self.settings.most, room(self.settings.memory_limit, self.source.held(len(missing))))
        for rows, state in self.source.states(torch.from_numpy(missing)):
            gathered.add(rows, state)
            advance(len(rows))
            if gathered.full:
                number += 1
                fresh.append(self._segment(f"{number:06d}", *gathered.take()))
        if len(gathered):
            fresh.append(self._segment(f"{number + 1:06d}", *gathered.take()))
        return fresh

    def _segment(self, name: str, rows: NDArray[np.int64], state: State) -> Stored:
        listed = self.source.names(rows.tolist())
        full = State(state.dense, state.late, state.has_image, listed)
        segment = packed(full, torch.from_numpy(rows), self.source.composition, self.made.precision)
        ids = self.graph.ids
        text = [str(ids[row]).encode("utf-8", "surrogatepass") for row in rows.tolist()]
        arrays = {
            "ids.text": np.frombuffer(b"".join(text), dtype=np.uint8),
            "ids.start": np.cumsum([0, *map(len, text)], dtype=np.int64),
            "digests": self.graph.digests[rows],
            **arrays_of(segment),
            **({} if segment.names is None else names_of(segment.names)),
        }
        with atomic_folder(self.places.segment(name)) as folder:
            records = {key: write_array(folder / f"{key}.npy", array) for key, array in arrays.items()}
            record = SegmentRecord(made=self.made, machine=self.source.machine, entries=len(rows), arrays=records)
            write_record(folder / RECORD, record)
        return Stored(entry_of(self.places, name, len(rows)), record, rows)

    def _commit(self, segments: Sequence[Stored], before: Manifest | None) -> Manifest:
        """Write rows and manifest: with the manifest, the index is another."""
        generation = 1 if before is None else before.generation + 1
        name = f"rows-{generation:06d}.npy"
        with atomic_path(self.places.root / name) as path:
            rows = np.concatenate([np.zeros(0, dtype=np.int64), *(one.rows for one in segments)])
            array = write_array(path, rows)
        manifest = Manifest(
            made=self.made,
            graph=self.graph.snapshot,
            entities=len(self.graph),
            generation=generation,
            time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            widths=widths(segments[0].record, segments[0].entry.name) if segments else {},
            segments=tuple(one.entry for one in segments),
            rows=array,
            rows_name=name,
        )
        write_record(self.places.manifest, manifest)
        return manifest

    def _sweep(self, manifest: Manifest | None, also: set[str]) -> None:
        """Remove what neither the manifest nor ``also`` names: what a killed writer left, or an older index had."""
        kept = also | ({entry.name for entry in manifest.segments} if manifest else set())
        for path in self.places.leftovers(manifest):
            if path.name not in kept:
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder. Raises ``StorageError``."""
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as fault:
        problem = f"this is left over and cannot be removed: {(fault.strerror or str(fault)).lower()}"
        raise StorageError(problem, where=str(path), cure="remove it by hand; the index is not harmed") from fault
