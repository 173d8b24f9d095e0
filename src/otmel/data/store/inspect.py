"""Looking at a graph's folder: what it holds, and whether every byte of it is as it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from otmel.checksums import Fault, FileSum, find_faults
from otmel.data.store.folder import Folder, Images
from otmel.data.store.manifest import files_of, fragments_of, manifest_name
from otmel.data.store.opening import checked_keys
from otmel.data.store.snapshots import Ledger, Snapshot
from otmel.data.store.state import read_state
from otmel.data.store.table import Table
from otmel.data.store.writer import files_under
from otmel.errors import DataError

Track = Callable[[int, int], Any]


@dataclass(frozen=True)
class Info:
    """What a graph's folder holds.

    Attributes:
        path: the folder.
        images: whether it stores images, or their paths.
        newest: its newest snapshot; ``None`` before the first.
        snapshots: how many there are.
        bytes: what its files take, of all snapshots together.
        fragments: pieces that the newest snapshot's rows lie in.
        unfinished: how far an unfinished import came, in words; ``None`` when there is none.
        orphans: files that no snapshot needs, which the next writer removes.
    """

    path: str
    images: Images
    newest: Snapshot | None
    snapshots: int
    bytes: int
    fragments: int
    unfinished: str | None
    orphans: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything, of the newest snapshot all but its files."""
        newest = None if self.newest is None else self.newest.as_json()
        return {**vars(self), "newest": newest, "orphans": list(self.orphans)}

    def as_text(self) -> str:
        """The same in a few lines."""
        one = self.newest
        lines = [f"{self.path}: {'no snapshot yet' if one is None else f'{one.rows:,} entities'}"]
        if one is not None:
            lines.append(f"  snapshot   {one.id} ({one.number}), {one.operation} at {one.time}")
            lines.append(f"  snapshots  {self.snapshots:,}, {self.bytes / 1e6:,.1f} MB in {self.fragments:,} pieces")
        lines.append(f"  images     {'stored' if self.images == 'store' else 'by their paths'}")
        if self.unfinished:
            lines.append(f"  unfinished {self.unfinished}")
        if self.orphans:
            lines.append(f"  left over  {len(self.orphans):,} files of no snapshot; the next writer removes them")
        return "\n".join(lines)


def inspected(folder: Folder) -> Info:
    """Look at a graph without reading its data. Raises ``DataError`` when there is none, or it is damaged."""
    images, ledger = folder.images(), Ledger.read(folder.snapshots)
    newest, state = ledger.newest, read_state(folder.importing)
    unfinished = None
    if state is not None:
        unfinished = f"import of {state.identity.get('path')}: {state.counts.get('read', 0):,} rows read"
    return Info(
        path=str(folder.root),
        images=images,
        newest=newest,
        snapshots=len(ledger.records),
        bytes=_bytes(folder, ledger),
        fragments=0 if newest is None else fragments_of(folder.table, newest.lance_version),
        unfinished=unfinished,
        orphans=tuple(orphans(folder, ledger)),
    )


def _bytes(folder: Folder, ledger: Ledger) -> int:
    """Of all that is here, and of what older snapshots need that a copy of the newest one does without."""
    here = sum(path.stat().st_size for path in folder.root.rglob("*") if path.is_file())
    return here + sum(one.size for name, one in ledger.sums.items() if not (folder.table / name).exists())


def orphans(folder: Folder, ledger: Ledger) -> list[str]:
    """Files of the table that neither a snapshot nor an unfinished import needs."""
    state = read_state(folder.importing)
    return sorted(set(files_under(folder.table)) - ledger.sums.keys() - (set(state.files) if state else set()))


@dataclass(frozen=True)
class Verification:
    """What was found wrong with a graph's folder.

    Attributes:
        faults: damaged files, with the place where the damage begins.
        damaged: id of each snapshot that needs one of them → the first such file.
        snapshots: how many were looked at; ``files`` and ``bytes`` likewise.
        orphans: files that no snapshot needs: no damage.
    """

    faults: tuple[Fault, ...]
    damaged: Mapping[str, str]
    snapshots: int
    files: int
    bytes: int
    orphans: tuple[str, ...] = field(default=())

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """Everything, and whether it is sound."""
        faults = [{"file": one.file, "offset": one.offset, "problem": one.problem} for one in self.faults]
        return {"sound": self.sound, **vars(self), "faults": faults, "orphans": list(self.orphans)}

    def as_text(self) -> str:
        """The faults, one a line."""
        looked = f"{self.files:,} files of {self.snapshots:,} snapshots, {self.bytes / 1e6:,.1f} MB"
        lines = [f"{looked}: {'sound' if self.sound else f'{len(self.faults):,} faults'}"]
        lines += [f"  {fault}" for fault in self.faults]
        lines += [f"  snapshot {name} cannot be read: {file}" for name, file in self.damaged.items()]
        if self.orphans:
            lines.append(f"  {len(self.orphans):,} files of no snapshot are left over; the next writer removes them")
        return "\n".join(lines)


def verified(folder: Folder, track: Track) -> Verification:
    """Read every file of every snapshot; then compare the newest one's rows with its checksums, if its files are sound.

    Raises:
        DataError: this is no graph's folder, or its format cannot be told.
    """
    folder.images()
    ledger = Ledger.read(folder.snapshots)
    sums = ledger.sums
    total, done = sum(one.size for one in sums.values()), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        track(done, total)

    faults = [
        Fault(f"{folder.table.name}/{one.file}", one.offset, one.problem)
        for one in find_faults(folder.table, sums, advance)
    ]
    damaged = _damaged(folder, ledger, {fault.file for fault in faults})
    faults = [*ledger.faults(), *faults]
    newest = ledger.records.get(ledger.last)
    if newest is not None and newest.id not in damaged:
        faults += _row_faults(folder, newest)
    return Verification(tuple(faults), damaged, len(ledger.records), len(sums), total, tuple(orphans(folder, ledger)))


def _damaged(folder: Folder, ledger: Ledger, files: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for snapshot in ledger.records.values() if files else ():
        manifest = f"{folder.table.name}/{manifest_name(snapshot.lance_version)}"
        try:
            names = [manifest] if manifest in files else files_of(folder.table, snapshot.lance_version)
        except DataError:
            names = [manifest]
        needed = [name for name in names if name in files or f"{folder.table.name}/{name}" in files]
        if needed:
            found[snapshot.id] = needed[0]
    return found


def _row_faults(folder: Folder, snapshot: Snapshot) -> list[Fault]:
    try:
        checked_keys(snapshot, Table(folder.root, snapshot.lance_version))
    except DataError as fault:
        return [Fault(f"{folder.table.name}/{manifest_name(snapshot.lance_version)}", 0, f"altered: {fault.problem}")]
    return []


def sums_needed(folder: Folder, ledger: Ledger, snapshots: list[Snapshot]) -> dict[str, FileSum]:
    """Name → checksum of every file that some of ``snapshots`` needs."""
    sums = ledger.sums
    return {name: sums[name] for one in snapshots for name in files_of(folder.table, one.lance_version)}
