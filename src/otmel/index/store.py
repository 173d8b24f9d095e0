"""An index on disk.

    index/manifest.json               what was made of what, and which of the rest is the index (``Manifest``)
          rows-000007.npy             each entry's row in the graph
          segments/000001/*.npy       entries, once and for all; segment.json lists the files (``SegmentRecord``)
          lock                        taken by a writer

The manifest is written last: with it an index is there, or has become another. Whatever it does not name is left over
from a writer that was killed, and the next one removes it.

Opening reads the manifest and each segment's record, and compares every file with them: its size, dtype and shape, and
the checksums of all that leads from one number to another (offsets, lengths, slots, rows, postings). Vectors and tokens
are checked as a whole where an index has at most ``CHECKED_WHOLE`` bytes of them, else at both ends of each file: a
truncated or zeroed one is always noticed, a single flipped bit in a large one by ``verify_index``. A file that is cut
while it is mapped cannot be noticed: nothing here ever writes to a file that a manifest names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor

from otmel.checksums import find_faults
from otmel.errors import CheckpointError
from otmel.index.columns import KEYS, PAYLOAD, segment_of, widths
from otmel.index.expected import Expected
from otmel.index.index import EntityIndex, SearchSettings
from otmel.index.layout import INDEX
from otmel.index.manifest import REBUILD, Manifest, SegmentEntry, SegmentRecord
from otmel.index.npy import map_array
from otmel.index.places import Places, check_files, ids_of, read_arrays, read_segment_record, stop_at
from otmel.index.segment import Segment
from otmel.index.soundness import check_names, check_rows, check_segment
from otmel.models.composition import Composition
from otmel.remote import Place, local

CHECKED_WHOLE: Final = 2**30
"""Bytes of vectors and tokens up to which opening checks all of them."""
ATTEMPTS: Final = 5
Check: TypeAlias = Literal["auto", "ends", "whole"]
"""How much of vectors and tokens is compared with their checksums."""


@dataclass(frozen=True)
class StoredIndex:
    """An open index: everything is checked and mapped, nothing is copied.

    Attributes:
        root: its folder.
        manifest: what it says of itself.
        records: what it says of each segment.
        segments: the entries.
        keys: the ids of each segment's entries, as arrays.
    """

    root: Path
    manifest: Manifest
    records: tuple[SegmentRecord, ...]
    segments: tuple[Segment, ...]
    keys: tuple[Mapping[str, Tensor], ...]

    def index(self, composition: Composition, settings: SearchSettings | None = None) -> EntityIndex:
        """The index of a model's score. Raises ``CheckpointError`` when the score is made of other parts."""
        Expected(composition=composition).check(self.manifest, str(self.root))
        return EntityIndex(composition, self.segments, settings)

    @cached_property
    def ids(self) -> list[str]:
        """The entities' ids by graph row."""
        listed = [""] * self.manifest.entities
        for entry, segment, arrays in zip(self.manifest.segments, self.segments, self.keys, strict=True):
            ids = ids_of(arrays, str(Places(self.root).segment(entry.name)))
            for row, one in zip(segment.rows.tolist(), ids, strict=True):
                if row >= 0:
                    listed[row] = one
        return listed


def open_index(
    folder: Place, expected: Expected | None = None, check: Check = "auto", share: tuple[int, int] = (0, 1)
) -> StoredIndex:
    """Open an index.

    Args:
        folder: where it lies; of an address (``s3://…``), a checked copy of what is there now is opened.
        expected: what it must have been made of.
        check: how much of vectors and tokens is read.
        share: ``(i, n)`` opens the ``i``-th of ``n`` groups of its segments, and reads no others.

    Raises:
        CheckpointError: there is none, it was made of something else, or it is damaged.
        StorageError: the store of an address refuses, or has nothing there.
    """
    places, generation = Places(local(folder, INDEX)), 0
    for attempt in range(ATTEMPTS):
        manifest = places.read()
        (expected or Expected()).check(manifest, str(places.root))
        try:
            return _opened(places, manifest, check, share)
        except CheckpointError:  # a writer may have replaced the index in the meantime
            if manifest.generation == generation or attempt == ATTEMPTS - 1:
                raise
            generation = manifest.generation
    raise AssertionError


def _opened(places: Places, manifest: Manifest, check: Check, share: tuple[int, int]) -> StoredIndex:
    group = slice(share[0], None, share[1])
    chosen = manifest.segments[group]
    records = [read_segment_record(places, entry) for entry in chosen]
    for entry, record in zip(chosen, records, strict=True):
        _check_record(manifest, entry, record, str(places.segment(entry.name)))
    payload = sum(one.size for record in records for name, one in record.arrays.items() if name.endswith(PAYLOAD))
    whole = check == "whole" or (check == "auto" and payload <= CHECKED_WHOLE)
    stop_at(find_faults(places.root, {manifest.rows_name: manifest.rows.sum(manifest.rows_name)}), places)
    rows = map_array(places.root / manifest.rows_name, manifest.rows)
    if rows.dtype != torch.int64 or tuple(rows.shape) != (manifest.entries,):
        raise CheckpointError("there is not one row for every entry", where=str(places.manifest), cure=REBUILD)
    check_rows(rows, manifest.entities, str(places.root / manifest.rows_name))
    segments, keys = [], []
    parts = rows.split([entry.entries for entry in manifest.segments])[group]
    for entry, record, own in zip(chosen, records, parts, strict=True):
        stop_at(check_files(places, entry.name, record, whole), places)
        folder = places.segment(entry.name)
        arrays = read_arrays(folder, record, list(record.arrays))
        keys.append({name: arrays[name] for name in KEYS})
        check_names(arrays, str(folder))
        segments.append(segment_of(record.made, arrays, own))
        check_segment(segments[-1], str(folder))
    manifest = manifest.model_copy(update={"segments": chosen})
    return StoredIndex(places.root, manifest, tuple(records), tuple(segments), tuple(keys))


def _check_record(manifest: Manifest, entry: SegmentEntry, record: SegmentRecord, where: str) -> None:
    if record.made != manifest.made or record.entries != entry.entries:
        raise CheckpointError("the segment belongs to another index", where=where, cure=REBUILD)
    if widths(record, where) != manifest.widths:
        raise CheckpointError(
            "the segment's vectors have other widths than the manifest says", where=where, cure=REBUILD
        )
