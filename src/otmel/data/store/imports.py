"""Imports: a source read once, in batches, into one snapshot; what was read before a crash need not be read again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from otmel.data.findings import Findings
from otmel.data.sources import EntityRow, EntitySource
from otmel.data.store.batches import Batch, Pending
from otmel.data.store.faults import refusals
from otmel.data.store.finishing import finished
from otmel.data.store.import_settings import ImportSettings, Operation, Track
from otmel.data.store.pictures import Pictures
from otmel.data.store.report import Report, Tally
from otmel.data.store.state import Progress, State
from otmel.data.store.table import Table
from otmel.data.store.writer import Writer
from otmel.errors import DataError
from otmel.storage import json_text

SHOWN_ROWS: Final = 512


@dataclass
class Import:
    """One import.

    Args:
        writer: the holder of the graph's lock.
        operation: ``build`` or ``replace`` all entities, or ``upsert`` some.
        source: where they come from.
        settings: how they are taken in.
        pictures: what becomes of their images.
        identity: tells the source from another; ``None`` when it cannot be read twice, so that nothing is resumed.
    """

    writer: Writer
    operation: Operation
    source: EntitySource
    settings: ImportSettings
    pictures: Pictures
    identity: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    resumed: int = 0

    def run(self, state: State | None, track: Track = lambda done, total: None) -> Report:
        """Read the source to its end and commit.

        Args:
            state: where an interrupted run of this import stood.
            track: told how far it is.

        Raises:
            DataError: the source cannot be read, has no usable row, or (``strict``) one that is not; nothing is
                committed.
            StorageError: the disk refuses; the import can go on from its last batch.
        """
        began = time.monotonic()
        self._begin(state)
        try:
            for batch in self._batches(track):
                self._write(batch)
            return finished(self, time.monotonic() - began)
        except DataError:
            self.progress.close()
            Progress.discard(self.writer.folder.importing)
            self.writer.start()
            raise
        finally:
            self.progress.close()

    def _begin(self, state: State | None) -> None:
        head = self.writer.head
        self.writer.start(state.lance_version if state else None, state.sums if state else None)
        with refusals(self.writer.folder.root):
            self.progress = Progress(self.writer.folder.importing, state)
        self.before = Table(self.writer.folder.root, head.lance_version) if head and head.rows else None
        self.checksum = self.keys = 0
        self.replaced: list[int] = []
        if state is not None:
            self._go_on(state)

    def _go_on(self, state: State) -> None:
        self.tally, self.resumed = state.tally, state.tally.read
        self.checksum, self.keys = int(state.checksum, 16), int(state.keys, 16)
        for kind, found in state.findings.items():
            self.pictures.findings.merge(
                Findings(Counter({kind: int(found["count"])}), {kind: list(found["examples"])})
            )
        if self.operation == "upsert":
            self.replaced = list(
                self._seqs(f"born = {self.writer.number}") & self._seqs(f"born < {self.writer.number}")
            )
        self.notes.append(f"went on after row {self.resumed:,}, where the import had been interrupted")

    def _seqs(self, condition: str) -> set[int]:
        return {seq for part in self.writer.table.scan(["seq"], condition) for seq in part.column("seq").to_pylist()}

    def _batches(self, track: Track) -> Iterator[Batch]:
        """The rows in batches; after each that is not the last, the state is saved."""
        batch = Batch()
        for row in self.source.rows(self.tally.read):
            if batch.full(self.settings.batch_rows, self.settings.batch_bytes):
                yield batch
                self._save()
                batch = Batch()
            self._take(row, batch)
            if row.number % SHOWN_ROWS == 0:
                track(self.source.position, self.source.total_bytes)
        yield batch
        track(self.source.total_bytes, self.source.total_bytes)

    def _take(self, row: EntityRow, batch: Batch) -> None:
        if row.entity is None:
            batch.reject(row.number, row.where, row.reason or "no entity", None, row.foreign)
            if self.settings.strict and not row.foreign:
                self._write(batch)  # which stops at the first such row, this one or a duplicate before it
            return
        entity, stats = self.pictures.taken(row.entity, row.where)
        extra = json_text(dict(row.extra), indent=None) if row.extra else ""
        batch.add(Pending(row.number, row.where, entity, extra, stats))

    def _write(self, batch: Batch) -> None:
        """Decide about every row of a batch and write those that change the graph."""
        met = batch.without_duplicates(self.progress.seen)
        self._reject(batch)
        decided = batch.decided(self.before if self.operation == "upsert" else None, self.base)
        if decided.rows:
            self.writer.append(decided.encoded(self.writer.number))
        with refusals(self.writer.folder.root):
            self.progress.met(met)
        self.checksum += decided.checksum
        self.keys += decided.keys
        self.replaced += decided.replaced
        self.tally.read += batch.count
        self.tally.added += len(decided.rows) - len(decided.replaced)
        self.tally.replaced += len(decided.replaced)
        self.tally.unchanged += decided.unchanged
        self.tally.images += decided.images

    def _reject(self, batch: Batch) -> None:
        for reject in batch.sorted_rejects():
            if self.settings.strict and not reject["foreign"]:
                cure = "correct the row, or import without --strict"
                raise DataError(f"row {reject['row']}: {reject['reason']}", where=reject["where"], cure=cure)
            self.tally.rejected += 1
            self.tally.foreign += reject.pop("foreign")
            with refusals(self.writer.folder.root):
                self.progress.reject(reject)

    @property
    def base(self) -> int:
        """The last place before the import's own rows."""
        return self.writer.head.next_seq if self.writer.head else 0

    def _save(self) -> None:
        if self.identity is None:
            return
        with refusals(self.writer.folder.root):
            ids, rejects = self.progress.sizes()
        state = State(
            identity=self.identity,
            number=self.writer.number,
            lance_version=self.writer.vouch(),
            files={name: found.as_json() for name, found in self.writer.sums.items()},
            counts=dict(vars(self.tally)),
            checksum=f"{self.checksum % (1 << 128):x}",
            keys=f"{self.keys % (1 << 64):x}",
            ids_bytes=ids,
            rejects_bytes=rejects,
            findings={kind: dict(found) for kind, found in self.pictures.findings.as_json().items()},  # pyright: ignore
        )
        self.progress.save(state)
