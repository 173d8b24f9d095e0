"""The entries that are on disk already, and which of them a graph still wants as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from otmel.checksums import Fault, checksum, find_faults
from otmel.data.graph import KnowledgeGraph
from otmel.errors import CheckpointError
from otmel.index.columns import KEYS, widths
from otmel.index.manifest import RECORD, Made, SegmentEntry, SegmentRecord, read_record
from otmel.index.npy import file_sum
from otmel.index.places import Places, check_files, ids_of, read_arrays

MASKED: Final = 0.5
"""Share of masked entries above which what is left of a segment is encoded anew."""
ALIKE: Final = 8
"""So many segments of about the same size become one; sizes are alike within this factor."""

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Stored:
    """A segment on disk.

    Attributes:
        entry: what a manifest says of it.
        record: what it says of itself.
        rows: each entry's row in the graph; −1 where the graph wants it no more, or has it from another segment.
    """

    entry: SegmentEntry
    record: SegmentRecord
    rows: NDArray[np.int64]

    @property
    def alive(self) -> int:
        """Entries that are entities of the graph."""
        return int((self.rows >= 0).sum())


def entry_of(places: Places, name: str, entries: int) -> SegmentEntry:
    """What a manifest is to say of a segment whose record lies on disk. Raises ``OSError``."""
    written = checksum(places.segment(name) / RECORD).as_json()
    return SegmentEntry(name=name, entries=entries, size=written["size"], chunks=written["chunks"])


def stored(places: Places, made: Made, entries: Mapping[str, SegmentEntry | None], note: Note) -> list[Stored]:
    """The sound ones of some segments that hold what ``made`` says; each file is read.

    Args:
        places: the folder.
        made: what they must have been made of.
        entries: name → what the manifest says of it; ``None`` for a segment that it does not name.
        note: told what is of no use.
    """
    found = []
    for name, entry in sorted(entries.items()):
        try:
            found.append(sound(places, name, made, entry))
        except (CheckpointError, OSError) as fault:
            note(f"segment {name} is of no use: {getattr(fault, 'problem', fault)}")
    return found


def matched(segments: Sequence[Stored], places: Places, graph: KnowledgeGraph) -> list[Stored]:
    """The same segments; an entry is alive where id and digest are those of an entity that no other entry has."""
    digests, taken, found = graph.digests, np.zeros(len(graph), dtype=bool), []
    for segment in segments:
        folder = places.segment(segment.entry.name)
        keys = read_arrays(folder, segment.record, KEYS)
        ids = ids_of(keys, str(folder))
        rows = np.fromiter((graph.row(one) if one in graph else -1 for one in ids), np.int64, len(ids))
        same = rows >= 0
        own = keys["digests"].numpy()
        same[same] = (own[same] == digests[rows[same]]).all(1) & ~taken[rows[same]]
        rows[~same] = -1
        taken[rows[same]] = True
        found.append(Stored(segment.entry, segment.record, rows))
    return found


def worth_keeping(segments: Sequence[Stored]) -> list[Stored]:
    """Without the segments that are mostly masked, and those that are better joined to larger ones.

    A deletion so costs at most one encoding, and an entity is encoded anew at most once for every step in size.
    """
    kept = [segment for segment in segments if segment.alive > (1 - MASKED) * segment.entry.entries]
    largest = max((segment.entry.entries for segment in kept), default=0)
    by_size: dict[int, list[str]] = defaultdict(list)
    for segment in kept:
        if segment.alive * ALIKE <= largest:
            by_size[int(log(segment.alive, ALIKE) + 1e-9)].append(segment.entry.name)
    joined = {name for names in by_size.values() if len(names) >= ALIKE for name in names}
    return [segment for segment in kept if segment.entry.name not in joined]


def sound(places: Places, name: str, made: Made, entry: SegmentEntry | None = None, whole: bool = True) -> Stored:
    """A segment on disk that holds what ``made`` says; its entries are of no row yet.

    Raises:
        CheckpointError: it is of something else, or damaged; of vectors and tokens, only the ends unless ``whole``.
    """
    record = read_record(places.segment(name) / RECORD, SegmentRecord)
    if record.made != made:
        raise CheckpointError("it was made by another model, or with other settings")
    widths(record, name)
    faults: list[Fault] = []
    if entry is not None:
        faults += find_faults(places.segments, {f"{name}/{RECORD}": file_sum(entry.model_dump(), name)})
    faults += check_files(places, name, record, whole=whole)
    if faults:
        raise CheckpointError(str(faults[0]))
    nothing = np.full(record.entries, -1, dtype=np.int64)
    return Stored(entry or entry_of(places, name, record.entries), record, nothing)
