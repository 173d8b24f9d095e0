"""The records of an index: what each says, and how it is written and read back.

A record is a JSON file that holds its own checksum. It is small, it is read only up to a size, and a reader takes it
only if it is byte for byte what ``write_record`` writes, so that no flipped bit and no second reading gets by.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import xxhash
from pydantic import Field, ValidationError

from otmel.errors import CheckpointError
from otmel.index.encode import ENCODING
from otmel.index.npy import ArrayRecord
from otmel.kernels import Precision
from otmel.models.composition import Composition
from otmel.settings import Settings
from otmel.storage import atomic_write_text, json_text

FORMAT: Final = "otmel-index"
VERSION: Final = 1
"""Raised with anything that changes what the files mean, what bounds are told of entities (``described``) included."""
MANIFEST: Final = "manifest.json"
RECORD: Final = "segment.json"
LARGEST_RECORD: Final = 2**24
"""Bytes above which a file is no record."""
MOST_ENTRIES: Final = 2**31
REBUILD: Final = "build it again: otmel index build RUN --graph GRAPH"

Word = Annotated[str, Field(max_length=200)]
PartName = Annotated[str, Field(pattern="^[A-Za-z0-9_]{1,40}$")]
R = TypeVar("R", bound="Record")


class PartMade(Settings):
    """A part of the score, as far as entries depend on it.

    Attributes:
        name: ``F``, ``T``, ``V`` …
        dense: whether it has an inner product.
        late: its late term (``Formula.title``); ``None`` where it has none.
    """

    name: PartName
    dense: bool
    late: Word | None


class Made(Settings):
    """What an entry depends on beside its entity.

    Attributes:
        model: hash of weights and configuration.
        inputs: hash of tokenizer, image processor, input settings and name match.
        parts: what the score is made of.
        names: whether it has the part N.
        precision: in which vectors and tokens are kept.
        encoding: version of how entities are encoded.
    """

    model: Word
    inputs: Word
    parts: tuple[PartMade, ...] = Field(max_length=40)
    names: bool
    precision: Precision
    encoding: int = ENCODING

    @classmethod
    def of(cls, composition: Composition, model: str, inputs: str, precision: Precision) -> Made:
        """What a model makes of entities."""
        parts = tuple(
            PartMade(name=part.name, dense=bool(part.dense), late=None if part.formula is None else part.formula.title)
            for part in composition.parts
        )
        names = composition.name_weight is not None
        return cls(model=model, inputs=inputs, parts=parts, names=names, precision=precision)


class Record(Settings):
    """What every record begins with."""

    format: str = FORMAT
    version: int = VERSION


class SegmentRecord(Record):
    """One segment, once and for all.

    Attributes:
        made: what its entries depend on.
        machine: what encoded it; elsewhere the last bits may be others.
        entries: how many entities.
        arrays: name → file.
    """

    made: Made
    machine: Word
    entries: int = Field(ge=1, le=MOST_ENTRIES)
    arrays: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,2}$")], ArrayRecord]


class SegmentEntry(Settings):
    """A segment of an index: its name, its number of entries, and the checksum of its record."""

    name: str = Field(pattern="^[0-9]{6,9}$")
    entries: int = Field(ge=1, le=MOST_ENTRIES)
    size: int = Field(ge=0, le=LARGEST_RECORD)
    chunks: str = Field(pattern="^[0-9a-f]*$")


class Manifest(Record):
    """An index: what was made of what, and which files it is.

    Attributes:
        made: what its entries depend on beside the graph.
        graph: the graph's snapshot.
        entities: how many it holds.
        generation: 1 for the first build, one more for every change since.
        time: when it was written (UTC, ISO 8601).
        widths: array → columns.
        segments: in the order of the entries.
        rows: each entry's row in the graph, of all segments one after the other; −1 for one that is masked out.
        rows_name: the file of ``rows``.
    """

    made: Made
    graph: Word
    entities: int = Field(ge=0, le=MOST_ENTRIES)
    generation: int = Field(ge=1)
    time: Word
    widths: dict[Word, int]
    segments: tuple[SegmentEntry, ...]
    rows: ArrayRecord
    rows_name: str = Field(pattern=r"^rows-[0-9]{6,18}\.npy$")

    @property
    def entries(self) -> int:
        """Entries of all segments, masked ones included."""
        return sum(segment.entries for segment in self.segments)


def write_record(path: Path, record: Record) -> None:
    """Write a record, in full or not at all. Raises ``StorageError``."""
    atomic_write_text(path, _text(record))


def read_record(path: Path, kind: type[R]) -> R:
    """Read a record.

    Raises:
        CheckpointError: it is missing, too large to be one, damaged, or of another format or version.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST_RECORD else b""
    except OSError as fault:
        raise CheckpointError(
            f"the file cannot be read: {(fault.strerror or str(fault)).lower()}", where=str(path)
        ) from fault
    if size > LARGEST_RECORD:
        raise CheckpointError(f"a file of {size:,} bytes is no record of an index", where=str(path))
    try:
        values = json.loads(content)["record"]
        _check_version(values, path)
        record = kind.model_validate_json(json.dumps(values))
        if _text(record).encode() == content:
            return record
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        pass
    raise CheckpointError("the record is damaged", where=str(path), cure=REBUILD)


def _check_version(values: Any, path: Path) -> None:
    if values["format"] != FORMAT:
        raise CheckpointError(f"this is a record of {values['format']!r}, not of {FORMAT!r}", where=str(path))
    if values["version"] != VERSION:
        problem = f"the index has version {values['version']!r} of the format, this otmel reads {VERSION}"
        raise CheckpointError(problem, where=str(path), cure=REBUILD)


def _text(record: Record) -> str:
    values = record.model_dump(mode="json")
    plain = json_text(values, indent=None)
    return json_text({"sum": xxhash.xxh3_128_hexdigest(plain.encode()), "record": values}) + "\n"
