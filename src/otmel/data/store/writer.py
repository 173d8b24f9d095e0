"""A writer's turn: whatever an earlier one left unfinished is undone, rows are written, and a record makes a commit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from otmel.checksums import FileSum, checksum, flushed
from otmel.data.store.change import Change
from otmel.data.store.faults import refusals
from otmel.data.store.folder import Folder
from otmel.data.store.manifest import files_of, manifest_name, versions
from otmel.data.store.schema import schema
from otmel.data.store.snapshots import Ledger, Snapshot, snapshot_id, write_record
from otmel.data.store.table import Table
from otmel.errors import DataError, OtmelError, StorageError
from otmel.locks import Note, silent, writer_lock

if TYPE_CHECKING:
    import pyarrow as pa

DIGESTS = 1 << 128
KEYS = 1 << 64


@dataclass
class Writer:
    """The holder of a graph's lock.

    Attributes:
        folder: the graph's.
        ledger: its snapshots.
        sums: checksums of the files written since the newest of them.
        floor: the table's version to go back to when something fails; 0 for no table at all.
    """

    folder: Folder
    ledger: Ledger
    sums: dict[str, FileSum] = field(default_factory=dict)
    floor: int = 0
    _table: Table | None = None

    @property
    def head(self) -> Snapshot | None:
        """The snapshot that this turn starts from."""
        return self.ledger.newest

    @property
    def number(self) -> int:
        """The number of the snapshot that this turn makes."""
        return self.ledger.last + 1

    @property
    def table(self) -> Table:
        """The table as this writer sees it; made when there is none."""
        if self._table is None:
            if not versions(self.folder.table):
                Table.create(self.folder.root, schema())
            self._table = Table(self.folder.root)
        return self._table

    def start(self, version: int | None = None, sums: Mapping[str, FileSum] | None = None) -> None:
        """Go back to a version of the table: the head's, or one that an unfinished import vouches for with ``sums``."""
        head = self.head
        self.floor = version if version is not None else 0 if head is None else head.lance_version
        self.sums = dict(sums or {})
        self.folder.sweep_temporaries()
        self.undo()

    def undo(self) -> None:
        """Remove every version after ``floor``, and every file that nothing vouched for needs."""
        self._table = None
        # A record may have been written although writing it was reported to have failed: what it says counts.
        self.ledger = Ledger.read(self.folder.snapshots, self.ledger)
        self.floor = max(self.floor, self.head.lance_version if self.head else 0)
        if self.floor == 0:
            if self.folder.table.exists():
                shutil.rmtree(self.folder.table)
            return
        for version in reversed(versions(self.folder.table)):
            if version > self.floor:
                (self.folder.table / manifest_name(version)).unlink()
        self.sweep()

    def sweep(self) -> None:
        """Remove every file of the table that no snapshot and no unfinished import needs."""
        for name in set(files_under(self.folder.table)) - self.ledger.sums.keys() - self.sums.keys():
            (self.folder.table / name).unlink()

    def append(self, rows: pa.RecordBatch) -> None:
        """Write rows. Raises ``StorageError``."""
        self.table.append(rows)

    def delete(self, predicate: str, expected: int) -> None:
        """Delete rows. Raises ``StorageError``, also when they are not as many as expected."""
        count = self.table.delete(predicate)
        if count != expected:
            cure = f"otmel graph verify {self.folder.root}"
            raise StorageError(f"{count} rows were deleted, not {expected}", where=str(self.folder.root), cure=cure)

    def vouch(self) -> int:
        """Put everything written so far on the disk, note its checksums, and return the table's version.

        From here on ``undo`` comes back to this.
        """
        version, table = self.table.version, self.folder.table
        known = self.ledger.sums
        with refusals(self.folder.root):
            names = set(files_of(table, version)) - known.keys()
            self.sums = {name: self.sums.get(name) or checksum(flushed(table / name)) for name in sorted(names)}
            for place in {(table / name).parent for name in names} | {table, self.folder.root}:
                flushed(place)
        self.floor = version
        return version

    def commit(self, change: Change) -> Snapshot:
        """Make what was written the newest snapshot.

        Raises:
            StorageError: the disk refused, or the table does not hold the rows it should; nothing is committed then.
        """
        head, floor, sums = self.head, self.floor, self.sums
        if (rows := self.table.rows()) != change.rows:
            raise StorageError(f"the table holds {rows} rows, not {change.rows}", where=str(self.folder.root))
        content = ((int(head.checksum, 16) if head else 0) + change.checksum) % DIGESTS
        keys = ((int(head.keys, 16) if head else 0) + change.keys) % KEYS
        try:
            version = self.vouch()
            snapshot = self._record(change, version, content, keys)
            write_record(self.folder.snapshots, snapshot)
        except BaseException:
            self.floor, self.sums = floor, sums
            raise
        self._committed(version)
        return snapshot

    def _record(self, change: Change, version: int, content: int, keys: int) -> Snapshot:
        return Snapshot(
            id=snapshot_id(self.number, content),
            number=self.number,
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            operation=change.operation,
            counts=dict(change.counts),
            rows=change.rows,
            next_seq=change.next_seq,
            checksum=f"{content:032x}",
            keys=f"{keys:016x}",
            lance_version=version,
            files={name: found.as_json() for name, found in self.sums.items()},
        )

    def _committed(self, version: int) -> None:
        """What follows a commit can fail without harm: the next writer does it."""
        self.floor = version
        with suppress(OSError, OtmelError):
            self.ledger = Ledger.read(self.folder.snapshots, self.ledger)
            self.sums = {}
            shutil.rmtree(self.folder.importing, ignore_errors=True)
            self.sweep()


def files_under(table: Path) -> Iterator[str]:
    """The files of a table's folder, by their names relative to it."""
    root = str(table)
    for place, _, names in os.walk(root):
        prefix = place[len(root) + 1 :]
        yield from (f"{prefix}/{name}" if prefix else name for name in names)


@contextmanager
def writer(folder: Folder, wait: float = 0.0, note: Note = silent, ledger: Ledger | None = None) -> Iterator[Writer]:
    """Hold a graph's lock and write. What the block leaves uncommitted is undone, unless it was vouched for.

    Raises:
        StorageError: another writer holds the lock, or the disk refuses.
        DataError: the newest snapshot's record is damaged.
    """
    with writer_lock(folder.lock, wait, note):
        own = Writer(folder, Ledger.read(folder.snapshots, ledger))
        if own.ledger.damaged.get(own.ledger.last):
            _ = own.ledger.newest  # which raises
        try:
            yield own
        except BaseException:
            with suppress(OSError, DataError):
                own.undo()
            raise
