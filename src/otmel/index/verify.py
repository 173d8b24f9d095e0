"""``verify_index``: every file read and compared with its checksum, and what the numbers say checked for sense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otmel.checksums import Fault, FileSum, find_faults
from otmel.errors import CheckpointError
from otmel.index.layout import INDEX
from otmel.index.manifest import MANIFEST, RECORD, Manifest, SegmentRecord, read_record
from otmel.index.npy import file_sum
from otmel.index.places import Places
from otmel.index.store import open_index
from otmel.progress import progress
from otmel.remote import Place, local


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        folder: the index.
        faults: every damaged run of bytes, and what else cannot be.
        files: how many were read.
        size: their bytes.
        leftovers: what is no part of the index; the next writer removes it.
    """

    folder: Path
    faults: tuple[Fault, ...]
    files: int
    size: int
    leftovers: tuple[Path, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify_index(folder: Place) -> Verified:
    """Read an index as a whole. Raises ``CheckpointError`` where there is none."""
    places = Places(local(folder, INDEX))
    while True:
        found, manifest = _verified(places)
        # A writer may have replaced the index, and removed files of the old one, in the meantime.
        if found.sound or manifest is None or places.read().generation == manifest.generation:
            return found


def _verified(places: Places) -> tuple[Verified, Manifest | None]:
    if not places.manifest.exists():
        places.read()
    sums: dict[str, FileSum] = {}
    faults = []
    try:
        manifest = places.read()
    except CheckpointError as fault:
        return Verified(places.root, (Fault(MANIFEST, 0, f"altered: {fault.problem}"),), 1, 0, ()), None
    sums[manifest.rows_name] = manifest.rows.sum(manifest.rows_name)
    for name, record in _records(places, manifest, sums, faults):
        sums |= {f"segments/{name}/{key}.npy": one.sum(f"{name}/{key}") for key, one in record.arrays.items()}
    size = sum(one.size for one in sums.values())
    with progress("reading, in bytes", size) as advance:
        faults += find_faults(places.root, sums, advance)
    if not faults:
        faults += list(_nonsense(places))
    return Verified(places.root, tuple(faults), len(sums) + 1, size, tuple(places.leftovers(manifest))), manifest


def _records(
    places: Places, manifest: Manifest, sums: dict[str, FileSum], faults: list[Fault]
) -> Iterator[tuple[str, SegmentRecord]]:
    """The records of the segments; one that cannot be read is a fault of its own."""
    for entry in manifest.segments:
        file = f"segments/{entry.name}/{RECORD}"
        sums[file] = file_sum({"size": entry.size, "chunks": entry.chunks}, file)
        try:
            yield entry.name, read_record(places.root / file, SegmentRecord)
        except CheckpointError as fault:
            if not find_faults(places.root, {file: sums[file]}):  # else it is found with all others
                faults.append(Fault(file, 0, fault.problem))


def _nonsense(places: Places) -> Iterator[Fault]:
    """What no checksum can say: whether files that are as they were written make an index."""
    try:
        opened = open_index(places.root, check="ends")
        ids = opened.ids
    except CheckpointError as fault:
        yield Fault(str(fault.where or places.root), 0, fault.problem)
        return
    if len(set(ids)) < len(ids):
        yield Fault("segments", 0, f"{len(ids) - len(set(ids)):,} ids are there twice")
    for entry, segment in zip(opened.manifest.segments, opened.segments, strict=True):
        vectors = [one.rows().numpy() for one in segment.dense.values()]
        if not all(np.isfinite(one).all() for one in vectors):
            yield Fault(f"segments/{entry.name}", 0, "a vector holds NaN or infinity")
