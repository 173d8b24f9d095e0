"""Where the files of an index lie, and how they are read and compared with what their records say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from otmel.checksums import Fault, find_faults
from otmel.errors import CheckpointError
from otmel.index.columns import PAYLOAD
from otmel.index.manifest import MANIFEST, REBUILD, RECORD, Manifest, SegmentEntry, SegmentRecord, read_record
from otmel.index.npy import file_sum, map_array


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie in an index's folder."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The file that says what the index is."""
        return self.root / MANIFEST

    @property
    def segments(self) -> Path:
        """Where the segments' folders lie."""
        return self.root / "segments"

    @property
    def lock(self) -> Path:
        """The file that a writer holds."""
        return self.root / "lock"

    def segment(self, name: str) -> Path:
        """The folder of a segment."""
        return self.segments / name

    def read(self) -> Manifest:
        """The manifest. Raises ``CheckpointError`` when there is none, or it is damaged."""
        if not self.manifest.is_file():
            begun = "its build has not ended" if self.segments.is_dir() else "it has no manifest.json"
            raise CheckpointError(f"there is no index here: {begun}", where=str(self.root), cure=REBUILD)
        return read_record(self.manifest, Manifest)

    def read_if_sound(self, note: Callable[[str], None]) -> Manifest | None:
        """The manifest; ``None`` where there is none, or one that ``note`` is told is damaged."""
        try:
            return self.read() if self.manifest.exists() else None
        except CheckpointError as fault:
            note(f"the index there is of no use: {fault.problem}")
            return None

    def leftovers(self, manifest: Manifest | None) -> list[Path]:
        """What is no part of an index: what a killed writer left, or an older index had."""
        kept = set() if manifest is None else {manifest.rows_name, *(entry.name for entry in manifest.segments)}
        found = [*self.root.glob("rows-*.npy"), *self.segments.glob("[0-9]*")]
        temporary = [*self.root.glob(".*.tmp*"), *self.segments.glob(".*.tmp*")]
        return sorted(path for path in found if path.name not in kept) + sorted(temporary)


def read_segment_record(places: Places, entry: SegmentEntry) -> SegmentRecord:
    """The record of a segment that a manifest names. Raises ``CheckpointError`` when it is not that one."""
    stated = file_sum({"size": entry.size, "chunks": entry.chunks}, f"{places.manifest}: {entry.name}")
    stop_at(find_faults(places.segments, {f"{entry.name}/{RECORD}": stated}), places)
    return read_record(places.segment(entry.name) / RECORD, SegmentRecord)


def check_files(places: Places, name: str, record: SegmentRecord, whole: bool) -> list[Fault]:
    """Compare a segment's files with their checksums; vectors and tokens only at their ends unless ``whole``."""
    sums = {f"{name}/{array}.npy": one.sum(f"{name}/{array}") for array, one in record.arrays.items()}
    large = {file: one for file, one in sums.items() if file.removesuffix(".npy").endswith(PAYLOAD)}
    small = {file: one for file, one in sums.items() if file not in large}
    return find_faults(places.segments, small) + find_faults(places.segments, large, whole=whole)


def stop_at(faults: Sequence[Fault], places: Places) -> None:
    """Raises ``CheckpointError`` for the first of the faults."""
    if faults:
        cure = f"otmel index verify {places.root} lists all damage; otmel index build replaces what is damaged"
        raise CheckpointError(f"the index is damaged: {faults[0]}", where=str(places.root), cure=cure)


def read_arrays(folder: Path, record: SegmentRecord, names: Sequence[str]) -> Mapping[str, Tensor]:
    """Some arrays of a segment by name. Raises ``CheckpointError``."""
    return {name: map_array(folder / f"{name}.npy", record.arrays[name]) for name in names}


def ids_of(arrays: Mapping[str, Tensor], where: str) -> list[str]:
    """The ids of a segment's entries, from its arrays. Raises ``CheckpointError``."""
    text, start = arrays["ids.text"].numpy().tobytes(), arrays["ids.start"].tolist()
    if start[0] != 0 or start[-1] != len(text) or any(last < first for first, last in pairwise(start)):
        raise CheckpointError("the ids do not follow one another to the end of their text", where=where, cure=REBUILD)
    try:
        return [text[first:last].decode("utf-8", "surrogatepass") for first, last in pairwise(start)]
    except UnicodeDecodeError as fault:
        raise CheckpointError(f"an id is no text: {fault}", where=where, cure=REBUILD) from None
