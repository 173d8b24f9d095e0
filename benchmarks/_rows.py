"""What an index holds of each entity, whatever segment it lies in: two indexes are compared row by row."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from otmel.index.places import ids_of
from otmel.index.segment import Segment
from otmel.index.store import open_index


def row_digests(folder: str | Path) -> dict[int, str]:
    """Graph row → a digest of all that the index holds of it, to the last bit."""
    opened, found = open_index(folder, check="whole"), {}
    for segment, keys in zip(opened.segments, opened.keys, strict=True):
        ids = ids_of(keys, str(folder))
        for entry, row in enumerate(segment.rows.tolist()):
            if row >= 0:
                digest = hashlib.sha256(ids[entry].encode("utf-8", "surrogatepass"))
                digest.update(keys["digests"][entry].numpy().tobytes())
                for part in _parts(segment, entry):
                    digest.update(part)
                found[row] = digest.hexdigest()
    return found


def differing(first: str | Path, second: str | Path) -> int:
    """Rows of which two indexes hold different things, or only one holds anything."""
    one, other = row_digests(first), row_digests(second)
    return sum(one.get(row) != other.get(row) for row in one.keys() | other.keys())


def _parts(segment: Segment, entry: int) -> list[bytes]:
    """The bytes of one entry: vectors, tokens with their target and bounds, names."""
    found = [bytes(segment.has_image[entry : entry + 1].tolist())]
    for name in sorted(segment.dense):
        vectors = segment.dense[name]
        arrays = (vectors.numbers, vectors.norms, vectors.scales)
        found += [array[entry].numpy().tobytes() for array in arrays if array is not None]
    for name in sorted(segment.late):
        late = segment.late[name]
        slot = int(late.slot[entry])
        if slot >= 0:
            tokens, mask, target = late.blocks.unpacked(torch.tensor([slot]))
            own = (tokens[0][mask[0]], target, late.target[slot], late.described[slot])
            found += [array.contiguous().numpy().tobytes() for array in own]
    if segment.names is not None:
        names = segment.names
        columns = names.postings[:, int(names.first[entry]) : int(names.first[entry + 1])].tocsc()
        columns.sort_indices()
        found += [names.buckets[columns.indices].tobytes(), columns.data.tobytes(), columns.indptr.tobytes()]
    return found
