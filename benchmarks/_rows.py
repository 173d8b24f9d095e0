"""What an index holds of each entity, whatever segment it lies in: two indexes are compared row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

from torch import Tensor

from otmel.index.names import NamePostings
from otmel.index.places import ids_of
from otmel.index.segment import LateEntries, Segment, Vectors
from otmel.index.store import open_index

CHUNK = 512
"""Entries whose tokens are unpacked together."""


def row_digests(folder: str | Path, told: bool = True) -> dict[int, str]:
    """Graph row → a digest of all that the index holds of it, to the last bit.

    Without ``told``, all but the entity's own digest: it tells, too, where an image's file lies and how old it is.
    """
    opened, found = open_index(folder, check="whole"), {}
    for segment, keys in zip(opened.segments, opened.keys, strict=True):
        ids, digests = ids_of(keys, str(folder)), keys["digests"].numpy()
        for entry, (row, parts) in enumerate(zip(segment.rows.tolist(), _entries(segment), strict=True)):
            if row >= 0:
                digest = hashlib.sha256(ids[entry].encode("utf-8", "surrogatepass"))
                if told:
                    digest.update(digests[entry].tobytes())
                for part in parts:
                    digest.update(part)
                found[row] = digest.hexdigest()
    return found


def differing(first: str | Path, second: str | Path, told: bool = True) -> int:
    """Rows of which two indexes hold different things, or only one holds anything; ``told`` as of ``row_digests``."""
    one, other = row_digests(first, told), row_digests(second, told)
    return sum(one.get(row) != other.get(row) for row in one.keys() | other.keys())


def _entries(segment: Segment) -> Iterator[list[bytes]]:
    """The bytes of every entry: vectors, tokens with their target and bounds, names."""
    pictured = [[bytes([there])] for there in segment.has_image.tolist()]
    dense = [_dense(segment.dense[name]) for name in sorted(segment.dense)]
    late = [_late(segment.late[name]) for name in sorted(segment.late)]
    names = [] if segment.names is None else [_names(segment.names)]
    for parts in zip(pictured, *dense, *late, *names, strict=True):
        yield [one for part in parts for one in part]


def _dense(vectors: Vectors) -> Iterator[list[bytes]]:
    arrays = [one.numpy() for one in (vectors.numbers, vectors.norms, vectors.scales) if one is not None]
    for entry in range(len(vectors.numbers)):
        yield [array[entry].tobytes() for array in arrays]


def _late(late: LateEntries) -> Iterator[list[bytes]]:
    for slots in late.slot.split(CHUNK):
        filled = slots[slots >= 0]
        tokens, mask, target = late.blocks.unpacked(filled)
        there = zip(tokens, mask, target, late.target[filled.long()], late.described[filled.long()], strict=True)
        for slot in slots.tolist():
            yield [_bytes(own[0][own[1]], *own[2:]) for own in islice(there, int(slot >= 0))]


def _bytes(*arrays: Tensor) -> bytes:
    return b"".join(array.contiguous().numpy().tobytes() for array in arrays)


def _names(names: NamePostings) -> Iterator[list[bytes]]:
    columns = names.postings.tocsc()
    columns.sort_indices()
    for first, last in pairwise(names.first.tolist()):
        bounds = columns.indptr[first : last + 1]
        inside = slice(bounds[0], bounds[-1])
        buckets = names.buckets[columns.indices[inside]]
        yield [buckets.tobytes(), columns.data[inside].tobytes(), (bounds - bounds[0]).tobytes()]
