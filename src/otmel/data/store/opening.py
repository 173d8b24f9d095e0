"""Opening a snapshot: the right one, and sound, or an error that says what is wrong and what can be opened instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otmel.checksums import find_faults
from otmel.data.store.folder import Folder
from otmel.data.store.keys import Keys
from otmel.data.store.manifest import files_of, manifest_name
from otmel.data.store.snapshots import Ledger, Snapshot
from otmel.data.store.table import Table
from otmel.errors import DataError

CHECKED_WHOLE: Final = 256 << 20
"""Bytes up to which a graph's files are read through when it is opened; of a larger one, sizes and both ends of each
file, its keys, and every row when it is read."""


def check_files(folder: Folder, ledger: Ledger, snapshot: Snapshot) -> None:
    """Compare a snapshot's files with their checksums, as far as opening does. Raises ``DataError`` naming a fault."""
    sums, manifest = ledger.sums, manifest_name(snapshot.lance_version)
    if manifest in sums:
        _stop_at(folder, find_faults(folder.table, {manifest: sums[manifest]}))
    names = files_of(folder.table, snapshot.lance_version)
    if unknown := [name for name in names if name not in sums]:
        raise DataError(f"no snapshot has a checksum for {unknown[0]}", where=str(folder.table))
    needed = {name: sums[name] for name in names}
    whole = sum(one.size for one in needed.values()) <= CHECKED_WHOLE
    _stop_at(folder, find_faults(folder.table, needed, whole=whole))


def checked_keys(snapshot: Snapshot, table: Table) -> Keys:
    """The keys of a snapshot's rows. Raises ``DataError`` when they are not those that were committed."""
    keys = Keys.read(table)
    if (len(keys), keys.checksum, keys.sum) != (snapshot.rows, snapshot.checksum, snapshot.keys):
        problem = f"snapshot {snapshot.id} is damaged: its {len(keys):,} rows are not the {snapshot.rows:,} committed"
        raise DataError(problem, where=str(table.root), cure=f"otmel graph verify {table.root}")
    return keys


def chosen(folder: Folder, ledger: Ledger, name: str | int | None) -> Snapshot:
    """The snapshot with an id or a number, the newest for ``None``. Raises ``DataError`` when there is none."""
    if name is not None:
        return ledger.find(name)
    if ledger.newest is None:
        unfinished = "an import was begun and not finished" if folder.importing.exists() else "nothing was imported"
        cure = "run the same otmel graph build again: it goes on where it stopped"
        raise DataError(f"the graph has no snapshot yet: {unfinished}", where=str(folder.root), cure=cure)
    return ledger.newest


def _stop_at(folder: Folder, faults: Sequence[object]) -> None:
    if faults:
        cure = f"otmel graph verify {folder.root} lists all damage"
        raise DataError(f"the graph is damaged: {faults[0]}", where=str(folder.table), cure=cure)


def with_older(fault: DataError, folder: Folder, ledger: Ledger, damaged: Snapshot) -> DataError:
    """The same error; its cure names the newest sound snapshot before the damaged one."""
    for number in sorted(ledger.records, reverse=True):
        older = ledger.records[number]
        if number < damaged.number:
            try:
                check_files(folder, ledger, older)
            except DataError:
                continue
            cure = f"{fault.cure}; snapshot {older.id} of {older.time} is sound: open that one"
            return DataError(fault.problem, where=fault.where, cure=cure)
    return fault
