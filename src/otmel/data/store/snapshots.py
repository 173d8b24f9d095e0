"""Snapshots: the records that make a commit. A graph is what its newest record says, whatever else lies about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import xxhash
from pydantic import ValidationError

from otmel.checksums import Fault, FileSum
from otmel.data.digest import file_stats
from otmel.errors import DataError
from otmel.settings import Settings
from otmel.storage import atomic_write_json, json_text

MAX_RECORD: Final = 256_000_000
"""Bytes above which a record is refused before it is read."""


class Snapshot(Settings):
    """One commit.

    Attributes:
        id: sixteen hexadecimal digits of number and content.
        number: 1, 2, 3 … in the order of the commits.
        time: when it was committed (UTC, ISO 8601).
        operation: ``create``, ``build``, ``replace``, ``upsert``, ``delete`` or ``compact``.
        counts: what the operation did.
        rows: entities.
        next_seq: the place in the order that the next new entity gets.
        checksum: sum of the rows' digests, modulo 2^128; the order of the rows does not matter.
        keys: the same of what each row's id, place and digest give together, modulo 2^64.
        lance_version: the table's version.
        files: name (relative to the table) → checksum, of the files that came with this commit.
    """

    id: str
    number: int
    time: str
    operation: str
    counts: dict[str, int]
    rows: int
    next_seq: int
    checksum: str
    keys: str
    lance_version: int
    files: dict[str, dict[str, Any]]

    @cached_property
    def sums(self) -> dict[str, FileSum]:
        """``files`` as checksums. Raises ``DataError`` for a name that leads out of the table."""
        for name in self.files:
            if name.startswith("/") or ".." in name.split("/"):
                raise DataError(f"the name {name!r} leads out of the table", where=f"snapshot {self.id}")
        return {name: FileSum.from_json(value, f"snapshot {self.id}: {name}") for name, value in self.files.items()}

    def as_json(self) -> dict[str, Any]:
        """Everything but the files."""
        return self.model_dump(exclude={"files"})


def snapshot_id(number: int, checksum: int) -> str:
    """The id of the ``number``-th snapshot with this content."""
    return xxhash.xxh3_64_hexdigest(f"{number}:{checksum:032x}".encode())


def record_name(number: int) -> str:
    """The file of the ``number``-th snapshot."""
    return f"{number:06d}.json"


def write_record(folder: Path, snapshot: Snapshot) -> None:
    """Write a record, in full or not at all: with this, a commit is done. Raises ``StorageError``."""
    content = snapshot.model_dump(mode="json")
    record = {"sum": _sum(content), "snapshot": content}
    atomic_write_json(folder / record_name(snapshot.number), record)


def read_record(path: Path) -> Snapshot:
    """Read a record.

    Raises:
        DataError: it is missing, damaged (its own checksum does not fit) or too large to be one.
    """
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= MAX_RECORD else b""
    except FileNotFoundError:
        raise DataError("the snapshot is not there any more", where=str(path)) from None
    except OSError as fault:
        raise DataError(f"the snapshot cannot be read ({fault.strerror})", where=str(path)) from None
    try:
        record = json.loads(text)
        if record["sum"] == _sum(record["snapshot"]):
            return Snapshot.model_validate(record["snapshot"])
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        pass
    raise DataError("the snapshot's record is damaged", where=str(path), cure="otmel graph verify GRAPH says more")


def _sum(content: Any) -> str:
    return xxhash.xxh3_128_hexdigest(json_text(content, indent=None).encode())


@dataclass(frozen=True)
class Ledger:
    """All records of a graph.

    Attributes:
        folder: where they lie.
        records: number → snapshot, oldest first.
        damaged: number → what is wrong with its record.
        stamps: number → time and size of the record's file, by which one that was read before is known again.
    """

    folder: Path
    records: Mapping[int, Snapshot]
    damaged: Mapping[int, DataError]
    stamps: Mapping[int, tuple[int, int]]

    @classmethod
    def read(cls, folder: Path, before: Ledger | None = None) -> Ledger:
        """Read every record, but those that ``before`` holds already."""
        records, damaged, stamps = {}, {}, {}
        for number in sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit()):
            path = folder / record_name(number)
            stamps[number] = file_stats(path)
            try:
                known = before is not None and before.stamps.get(number) == stamps[number]
                kept = before.records.get(number) if before is not None and known else None
                records[number] = kept or read_record(path)
            except DataError as fault:
                damaged[number] = fault
        return cls(folder, records, damaged, stamps)

    @property
    def newest(self) -> Snapshot | None:
        """The snapshot a graph is at; ``None`` before the first. Raises ``DataError`` when its record is damaged."""
        number = self.last
        if number in self.damaged:
            sound = max(self.records, default=None)
            cure = "build the graph again"
            if sound is not None:
                cure += (
                    f", or open the snapshot {self.records[sound].id} before it; to go back to that, remove the file"
                )
            raise DataError(self.damaged[number].problem, where=self.damaged[number].where, cure=cure)
        return self.records[number] if number else None

    @property
    def last(self) -> int:
        """The highest number; 0 when there is none."""
        return max([*self.records, *self.damaged], default=0)

    def find(self, name: str | int) -> Snapshot:
        """The snapshot with an id or a number. Raises ``DataError`` when there is none (any more)."""
        for snapshot in self.records.values():
            if name in (snapshot.id, snapshot.number) or name == str(snapshot.number):
                return snapshot
        listed = ", ".join(f"{one.id} ({one.number})" for one in list(self.records.values())[-5:])
        problem = f"there is no snapshot {name!r} (any more)"
        raise DataError(problem, where=str(self.folder.parent), cure=f"the newest are: {listed or 'none'}")

    @property
    def sums(self) -> dict[str, FileSum]:
        """Name → checksum of every file that any snapshot came with."""
        return {name: found for snapshot in self.records.values() for name, found in snapshot.sums.items()}

    def faults(self) -> list[Fault]:
        """The damaged records."""
        return [Fault(f"snapshots/{record_name(n)}", 0, f"altered: {e.problem}") for n, e in self.damaged.items()]
