"""Expiry: old snapshots are dropped, with the files that only they need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from otmel.data.store.change import Change
from otmel.data.store.faults import refusals
from otmel.data.store.inspect import sums_needed
from otmel.data.store.manifest import files_of
from otmel.data.store.snapshots import Ledger, Snapshot, record_name, write_record
from otmel.data.store.view import live_snapshots
from otmel.data.store.writer import Writer, files_under
from otmel.errors import ConfigurationError, DataError


@dataclass(frozen=True)
class Expired:
    """What was dropped.

    Attributes:
        snapshots: ids of the dropped snapshots.
        held: ids of those that were to go but are being read in this process.
        kept: how many there still are.
        bytes: what became free.
        compacted: id of the snapshot made by compacting, if any.
    """

    snapshots: tuple[str, ...]
    held: tuple[str, ...]
    kept: int
    bytes: int
    compacted: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return {**vars(self), "snapshots": list(self.snapshots), "held": list(self.held)}

    def as_text(self) -> str:
        """The same in words."""
        text = f"expired {len(self.snapshots):,} snapshots, {self.bytes / 1e6:,.1f} MB; {self.kept:,} are left"
        if self.compacted:
            text += f"\n  compacted, as snapshot {self.compacted}"
        return text + (f"\n  still being read: {', '.join(self.held)}" if self.held else "")


def expired(writer: Writer, keep: int | None, older_than: timedelta | None, compact: bool = False) -> Expired:
    """Drop snapshots. The newest stays, and so does every one that a reader in this process holds.

    Readers in other processes are not known: one whose snapshot goes gets a ``DataError`` that says so.

    Args:
        writer: the holder of the lock.
        keep: how many of the newest to keep.
        older_than: drop only what is older.
        compact: first put the rows together that many small changes have scattered, as one more snapshot.

    Raises:
        ConfigurationError: neither ``keep`` nor ``older_than`` is given, or ``keep`` is less than one.
        DataError: the graph has no snapshot, or what a kept one needs is damaged; nothing is dropped then.
        StorageError: the disk refuses.
    """
    if (keep is None and older_than is None) or (keep is not None and keep < 1):
        cure = "say how many to keep (at least one), or how old those are that go"
        raise ConfigurationError("it is not said which snapshots are to go", cure=cure)
    if writer.head is None:
        raise DataError("the graph has no snapshot yet", where=str(writer.folder.root))
    writer.start()
    compacted = _compacted(writer, writer.head) if compact else None
    candidates = _candidates(writer.ledger, keep, older_than)
    live = live_snapshots(writer.folder.root)
    dropped = [one for one in candidates if one.number not in live]
    before = _bytes(writer)
    if dropped:
        _drop(writer, dropped)
    return Expired(
        snapshots=tuple(one.id for one in dropped),
        held=tuple(one.id for one in candidates if one.number in live),
        kept=len(writer.ledger.records),
        bytes=before - _bytes(writer),
        compacted=compacted,
    )


def _candidates(ledger: Ledger, keep: int | None, older_than: timedelta | None) -> list[Snapshot]:
    candidates = [one for one in ledger.records.values() if one.number != ledger.last]
    if keep is not None:
        candidates = candidates[: max(0, len(candidates) + 1 - keep)]
    if older_than is not None:
        limit = datetime.now(timezone.utc) - older_than
        candidates = [one for one in candidates if datetime.fromisoformat(one.time) < limit]
    return candidates


def _drop(writer: Writer, dropped: list[Snapshot]) -> None:
    """The checksums that kept snapshots need move to the oldest of them; then records go, and after them files."""
    gone = {one.number for one in dropped}
    kept = [one for one in writer.ledger.records.values() if one.number not in gone]
    needed = sums_needed(writer.folder, writer.ledger, kept)
    own = {name for one in kept[1:] for name in one.files}
    files = {name: found.as_json() for name, found in needed.items() if name not in own}
    write_record(writer.folder.snapshots, kept[0].model_copy(update={"files": files}))
    with refusals(writer.folder.root):
        for one in dropped:
            (writer.folder.snapshots / record_name(one.number)).unlink()
        writer.ledger = Ledger.read(writer.folder.snapshots)
        writer.sweep()


def _compacted(writer: Writer, head: Snapshot) -> str | None:
    """Put scattered rows together; nothing happens when they are not scattered."""
    before = set(files_of(writer.folder.table, head.lance_version))
    writer.table.compact()
    if writer.table.version == head.lance_version:
        return None
    change = Change("compact", {"files": len(before)}, head.rows, head.next_seq, 0, 0)
    return writer.commit(change).id


def _bytes(writer: Writer) -> int:
    return sum((writer.folder.table / name).stat().st_size for name in files_under(writer.folder.table))
