"""A segment as named arrays, and back: what lies in a segment's folder, and what its records may say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy import sparse
from torch import Tensor

from otmel.errors import CheckpointError
from otmel.index.manifest import Made, SegmentRecord
from otmel.index.names import NamePostings
from otmel.index.npy import ArrayRecord
from otmel.index.segment import LateEntries, Segment, Vectors
from otmel.kernels.layout import LANES, LaneBlocks

NUMBERS: Final = {"float32": "<f4", "float16": "<f2", "int8": "|i1"}
PAYLOAD: Final = (".numbers", ".tokens", ".lanes", ".target", ".described", ".scales", ".norms", ".weights")
"""Arrays of plain numbers: a damaged one may spoil a score, but no other can lead a search out of its memory."""
KEYS: Final = ("ids.text", "ids.start", "digests")
"""Arrays that only a writer reads, and whoever asks for ids."""

COLUMNS: Final = {"D": "dense", "d": "late", "c": "described"}
"""Letters of ``expected`` that stand for columns, and what these are called in a manifest."""


def arrays_of(segment: Segment) -> dict[str, Tensor]:
    """Everything of a segment but its rows, by name."""
    arrays = {"has_image": segment.has_image}
    for part, vectors in segment.dense.items():
        arrays |= {f"dense.{part}.numbers": vectors.numbers, f"dense.{part}.norms": vectors.norms}
        arrays |= _if_there(f"dense.{part}.scales", vectors.scales)
    for part, late in segment.late.items():
        blocks = late.blocks
        own = {"tokens": blocks.tokens, "start": blocks.start, "lengths": blocks.lengths, "lanes": blocks.target}
        own |= {"slot": late.slot, "target": late.target, "described": late.described}
        arrays |= {f"late.{part}.{name}": array for name, array in own.items()}
        arrays |= _if_there(f"late.{part}.scales", blocks.scales)
    return arrays


def names_of(postings: NamePostings) -> dict[str, np.ndarray]:
    """The part N's arrays, by name."""
    inverted = postings.postings
    return {
        "names.buckets": postings.buckets,
        "names.weights": inverted.data,
        "names.places": inverted.indices.astype(np.int32, copy=False),
        "names.starts": inverted.indptr.astype(np.int64),
        "names.first": postings.first,
    }


def segment_of(made: Made, arrays: Mapping[str, Tensor], rows: Tensor) -> Segment:
    """The segment whose arrays these are; nothing is copied but what the part N needs small."""
    dense = {part.name: _vectors(arrays, f"dense.{part.name}") for part in made.parts if part.dense}
    late = {part.name: _late(arrays, f"late.{part.name}") for part in made.parts if part.late is not None}
    return Segment(rows, arrays["has_image"], dense, late, _postings(arrays) if made.names else None)


def expected(made: Made) -> dict[str, tuple[str, tuple[str | int, ...]]]:
    """Name → dtype and shape of a segment's arrays; ``n`` entries, and other letters for lengths yet unknown."""
    numbers, scaled = NUMBERS[made.precision], made.precision == "int8"
    found: dict[str, tuple[str, tuple[str | int, ...]]] = {
        "ids.text": ("|u1", ("text",)),
        "ids.start": ("<i8", ("n+1",)),
        "digests": ("<u8", ("n", 2)),
        "has_image": ("|b1", ("n",)),
    }
    for part in made.parts:
        x = part.name
        if part.dense:
            found |= {f"dense.{x}.numbers": (numbers, ("n", f"D{x}")), f"dense.{x}.norms": ("<f4", ("n",))}
            found |= {f"dense.{x}.scales": ("<f4", ("n",))} if scaled else {}
        if part.late is not None:
            found[f"late.{x}.lengths"] = ("<i4", (f"B{x}", LANES))
            found[f"late.{x}.lanes"] = ("<f4", (f"B{x}", f"d{x}", LANES))
            found[f"late.{x}.start"] = ("<i8", (f"B{x}+1",))
            found[f"late.{x}.tokens"] = (numbers, (f"tokens{x}",))
            found[f"late.{x}.slot"] = ("<i4", ("n",))
            found[f"late.{x}.target"] = ("<f4", (f"S{x}", f"d{x}"))
            found[f"late.{x}.described"] = ("<f4", (f"S{x}", f"c{x}"))
            found |= {f"late.{x}.scales": ("<f4", (f"scales{x}",))} if scaled else {}
    if made.names:
        found |= {"names.buckets": ("<i4", ("U",)), "names.starts": ("<i8", ("U+1",)), "names.first": ("<i8", ("n+1",))}
        found |= {"names.places": ("<i4", ("postings",)), "names.weights": ("<f4", ("postings",))}
    return found


def widths(record: SegmentRecord, where: str) -> dict[str, int]:
    """Array → columns, where all segments of an index must have the same.

    Raises:
        CheckpointError: the record's arrays are not those of a segment, or their dtypes or shapes do not fit together.
    """
    wanted = expected(record.made)
    if odd := sorted(set(wanted) ^ set(record.arrays)):
        problem = "is missing" if odd[0] in wanted else "is none of a segment's"
        raise CheckpointError(f"the array {odd[0]} {problem}", where=where)
    known: dict[str, int] = {"n": record.entries}
    for name, (dtype, shape) in wanted.items():
        _fit(known, record.arrays[name], dtype, shape, f"{where}: {name}")
    for part in record.made.parts:
        x = part.name
        if part.late is not None and known[f"S{x}"] != known[f"B{x}"] * LANES:
            problem = f"{known[f'B{x}']:,} blocks have {known[f'S{x}']:,} slots"
            raise CheckpointError(problem, where=f"{where}: late.{x}")
    return {f"{COLUMNS[name[0]]}.{name[1:]}": known[name] for name in sorted(known) if name[0] in COLUMNS}


def _fit(known: dict[str, int], array: ArrayRecord, dtype: str, shape: tuple[str | int, ...], where: str) -> None:
    """Compare dtype and shape with what is expected, and learn the letters that are new."""
    array.sum(where)
    fits = array.dtype == dtype and len(array.shape) == len(shape)
    for found, wanted in zip(array.shape, shape, strict=False):
        if isinstance(wanted, str):
            letter, _, more = wanted.partition("+")
            wanted = known.setdefault(letter, found - int(more or 0)) + int(more or 0)
        fits = fits and found == wanted
    if not fits or min(known.values()) < 0:
        problem = f"an array {list(array.shape)} of {array.dtype} where {list(shape)} of {dtype} is expected"
        raise CheckpointError(problem, where=where)


def _if_there(name: str, array: Tensor | None) -> dict[str, Tensor]:
    return {} if array is None else {name: array}


def _vectors(arrays: Mapping[str, Tensor], part: str) -> Vectors:
    return Vectors(arrays[f"{part}.numbers"], arrays.get(f"{part}.scales"), arrays[f"{part}.norms"])


def _late(arrays: Mapping[str, Tensor], part: str) -> LateEntries:
    own = {name: arrays[f"{part}.{name}"] for name in ("tokens", "start", "lengths", "lanes")}
    blocks = LaneBlocks(own["tokens"], arrays.get(f"{part}.scales"), own["start"], own["lengths"], own["lanes"])
    return LateEntries(blocks, arrays[f"{part}.slot"], arrays[f"{part}.target"], arrays[f"{part}.described"])


def _postings(arrays: Mapping[str, Tensor]) -> NamePostings:
    first, starts = arrays["names.first"].numpy(), arrays["names.starts"].numpy()
    shape = (len(starts) - 1, int(first[-1]))
    index = starts.astype(np.int32) if len(arrays["names.places"]) < 2**31 else starts
    parts = (arrays["names.weights"].numpy(), arrays["names.places"].numpy(), index)
    return NamePostings(arrays["names.buckets"].numpy(), sparse.csr_matrix(parts, shape=shape), first)
