"""Imports: a source read once, in batches, into one snapshot; what was read before a crash need not be read again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field

from otmel.data.findings import Findings
from otmel.data.sources import EntityRow, EntitySource
from otmel.data.store.batches import Batch, Pending
from otmel.data.store.faults import refusals
from otmel.data.store.pictures import Pictures
from otmel.data.store.report import Report, Tally
from otmel.data.store.state import REJECTS, Progress, State
from otmel.data.store.table import Table, predicates
from otmel.data.store.writer import Change, Writer
from otmel.errors import DataError
from otmel.settings import Settings
from otmel.storage import atomic_path, json_text

Operation: TypeAlias = Literal["build", "replace", "upsert"]
Track: TypeAlias = Callable[[int, int], Any]
"""Told of (bytes read, bytes in all) after every batch of rows."""

SHOWN_ROWS: Final = 512


class ImportSettings(Settings):
    """How rows are taken in.

    Attributes:
        strict: stop at the first row that cannot be used, and commit nothing.
        image_cap: bytes above which an image is left out.
        batch_rows: rows written at a time.
        batch_bytes: bytes of texts and images after which a batch is written, however few its rows.
    """

    strict: bool = False
    image_cap: int = Field(default=32 << 20, ge=0)
    batch_rows: int = Field(default=16_384, ge=1)
    batch_bytes: int = Field(default=64 << 20, ge=1)


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
            return self._finish(time.monotonic() - began)
        except DataError:
            self._progress.close()
            Progress.discard(self.writer.folder.importing)
            self.writer.start()
            raise
        finally:
            self._progress.close()

    def _begin(self, state: State | None) -> None:
        head = self.writer.head
        self.writer.start(state.lance_version if state else None, state.sums if state else None)
        with refusals(self.writer.folder.root):
            self._progress = Progress(self.writer.folder.importing, state)
        self.before = Table(self.writer.folder.root, head.lance_version) if head and head.rows else None
        self.checksum = self.keys = 0
        self.replaced: list[int] = []
        if state is not None:
            self._go_on(state)

    def _go_on(self, state: State) -> None:
        self.tally, self.resumed = state.tally, state.tally.read
        self.checksum, self.keys = int(state.checksum, 16), int(state.keys, 16)
        for kind, found in state.findings.items():
            self.pictures.findings.merge(Findings(_counter(kind, found), {kind: list(found["examples"])}))
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
        met = batch.without_duplicates(self._progress.seen)
        self._reject(batch)
        decided = batch.decided(self.before if self.operation == "upsert" else None, self._base)
        if decided.rows:
            self.writer.append(decided.encoded(self.writer.number))
        with refusals(self.writer.folder.root):
            self._progress.met(met)
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
                self._progress.reject(reject)

    @property
    def _base(self) -> int:
        return self.writer.head.next_seq if self.writer.head else 0

    def _save(self) -> None:
        if self.identity is None:
            return
        with refusals(self.writer.folder.root):
            ids, rejects = self._progress.sizes()
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
        self._progress.save(state)

    def _finish(self, seconds: float) -> Report:
        head, tally = self.writer.head, self.tally
        if self.operation != "upsert" and not tally.accepted:
            raise self._nothing_usable()
        rejects = self._publish_rejects()
        rows = tally.added + (head.rows if head and self.operation == "upsert" else 0)
        if self.operation == "upsert" and not tally.added + tally.replaced and head is not None:
            self.writer.start()
            shutil.rmtree(self.writer.folder.importing, ignore_errors=True)
            return self._report(head, rejects, seconds, changed=False)
        self._remove_old()
        change = Change(self.operation, tally.as_json(), rows, self._base + tally.read + 1, *self._sums())
        return self._report(self.writer.commit(change), rejects, seconds)

    def _sums(self) -> tuple[int, int]:
        """What the commit adds to the checksums; a replacement also takes away all that was there."""
        head = self.writer.head
        if self.operation == "upsert" or head is None:
            return self.checksum, self.keys
        return self.checksum - int(head.checksum, 16), self.keys - int(head.keys, 16)

    def _remove_old(self) -> None:
        older = f"born < {self.writer.number}"
        if self.operation == "upsert":
            for condition, count in predicates("seq", self.replaced):
                self.writer.delete(f"({condition}) AND {older}", count)
        elif self.writer.head and self.writer.head.rows:
            self.writer.delete(older, self.writer.head.rows)

    def _publish_rejects(self) -> str | None:
        """Put the rejected rows beside the graph, in the place of an earlier import's."""
        place = self.writer.folder.rejects
        with refusals(self.writer.folder.root):
            self._progress.sizes()
            if not self.tally.rejected:
                place.unlink(missing_ok=True)
                return None
        with atomic_path(place) as temporary:
            shutil.copyfile(self.writer.folder.importing / REJECTS, temporary)
        return str(place)

    def _nothing_usable(self) -> DataError:
        self._progress.sizes()
        with (self.writer.folder.importing / REJECTS).open(encoding="utf-8") as file:
            first = file.readline().strip()
        problem = f"there is no usable entity in its {self.tally.read:,} rows" + (f": {first}" if first else "")
        return DataError(problem, where=str(self.source.path), cure="every entity needs an id and a name")

    def _report(self, snapshot: Any, rejects: str | None, seconds: float, changed: bool = True) -> Report:
        return Report(
            operation=self.operation,
            snapshot=snapshot.id,
            number=snapshot.number,
            rows=snapshot.rows,
            counts=self.tally.as_json(),
            changed=changed,
            resumed=self.resumed,
            rejects=rejects,
            findings=self.pictures.findings.as_json(),
            seconds=seconds,
            notes=tuple(self.notes),
        )


def _counter(kind: str, found: dict[str, Any]) -> Any:
    from collections import Counter

    return Counter({kind: int(found["count"])})
