"""``GraphStore``: a graph on the disk that can be changed, and every state of which can be read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.sources import SourceOptions
from otmel.data.store.change import Change
from otmel.data.store.deletion import deleted
from otmel.data.store.folder import Folder, Images
from otmel.data.store.given import Source, existing
from otmel.data.store.given import opened as given
from otmel.data.store.import_settings import ImportSettings, Operation, Track
from otmel.data.store.imports import Import
from otmel.data.store.pictures import Pictures
from otmel.data.store.report import Report
from otmel.data.store.snapshots import Ledger, Snapshot
from otmel.data.store.state import State, read_state
from otmel.data.store.writer import Writer, writer
from otmel.errors import DataError
from otmel.locks import Note, silent

if TYPE_CHECKING:
    from otmel.data.store.inspect import Info, Verification


def nowhere(done: int, total: int) -> None:
    """A ``Track`` that shows nothing."""


class GraphStore:
    """A graph's folder.

    Args:
        root: the folder.
        wait: seconds to wait for another writer.
        note: told what is worth knowing meanwhile.
    """

    def __init__(self, root: str | Path, wait: float = 0.0, note: Note = silent) -> None:
        self.folder, self.wait, self.note = Folder(Path(root)), wait, note
        self._ledger: Ledger | None = None

    @classmethod
    def create(cls, path: str | Path, images: Images = "store", wait: float = 0.0, note: Note = silent) -> GraphStore:
        """Make an empty graph, with a snapshot of no entities. Raises ``StorageError`` where something stands."""
        store = cls(path, wait, note)
        store.folder.create(images)
        with store._writing() as own:
            own.start()
            own.commit(Change("create", {}, 0, 0, 0, 0))
        return store

    @classmethod
    def open(cls, path: str | Path, wait: float = 0.0, note: Note = silent) -> GraphStore:
        """Open a graph to change it. Raises ``DataError`` when there is none, or of another format or version."""
        store = cls(path, wait, note)
        store.folder.images()
        return store

    def build(
        self,
        source: Source,
        settings: ImportSettings | None = None,
        options: SourceOptions | None = None,
        replace: bool = False,
        track: Track = nowhere,
    ) -> Report:
        """Fill the graph from a source; an interrupted build of the same source goes on where it stopped.

        Args:
            source: a file (see ``open_source``), an open source, or entities (all of which must be usable).
            settings: how rows are taken in.
            options: how the file is read.
            replace: put the source in the place of what the graph holds, in one commit.
            track: told how far it is, in bytes.

        Raises:
            DataError: the graph holds entities already; the source cannot be read or has no usable row, or (strict)
                one that is not. Nothing is committed.
            StorageError: another writer is at work, or the disk refuses. What is committed stays as it is.
        """
        return self._import("replace" if replace else "build", source, settings, options, track)

    def upsert(
        self,
        source: Source,
        settings: ImportSettings | None = None,
        options: SourceOptions | None = None,
        track: Track = nowhere,
    ) -> Report:
        """Insert entities, and replace those whose id is in the graph (they keep their row). Arguments as in ``build``.

        Without any change there is no new snapshot.
        """
        return self._import("upsert", source, settings, options, track)

    def delete(self, ids: Iterable[str]) -> Report:
        """Remove entities by id, in one commit; unknown ids are counted. Raises ``StorageError``."""
        began = time.monotonic()
        with self._writing() as own:
            snapshot, counts = deleted(own, existing(own, self.folder), ids)
            self._ledger = own.ledger
        return Report(
            operation="delete",
            snapshot=snapshot.id,
            number=snapshot.number,
            rows=snapshot.rows,
            counts=counts,
            changed=counts["deleted"] > 0,
            seconds=time.monotonic() - began,
        )

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest first."""
        self._ledger = Ledger.read(self.folder.snapshots, self._ledger)
        return list(self._ledger.records.values())

    def graph(self, snapshot: str | int | None = None) -> KnowledgeGraph:
        """The entities of a snapshot (id or number), the newest if not given. Raises ``DataError``."""
        return KnowledgeGraph.open(self.folder.root, snapshot=snapshot)

    def info(self) -> Info:
        """What the graph holds, and what lies about."""
        from otmel.data.store.inspect import inspected

        return inspected(self.folder)

    def verify(self, track: Track = nowhere) -> Verification:
        """Read every file of every snapshot and compare it with its checksum."""
        from otmel.data.store.inspect import verified

        return verified(self.folder, track)

    def export(self, path: str | Path, snapshot: str | int | None = None, track: Track = nowhere) -> Any:
        """Write the entities to a JSONL, CSV or Parquet file, and their images to a folder beside it."""
        from otmel.data.store.export import exported
        from otmel.data.store.view import StoredEntities

        return exported(StoredEntities(self.folder.root, snapshot), Path(path), track)

    def expire(self, keep: int | None = None, older_than: timedelta | None = None, compact: bool = False) -> Any:
        """Drop old snapshots and the files that only they need (see ``expiry``)."""
        from otmel.data.store.expiry import expired

        with self._writing() as own:
            return expired(own, keep, older_than, compact)

    def _import(
        self,
        operation: Operation,
        source: Source,
        settings: ImportSettings | None,
        options: SourceOptions | None,
        track: Track,
    ) -> Report:
        settings, findings = settings or ImportSettings(), Findings()
        opened, identity = given(source, options or SourceOptions.model_validate({}), findings)
        if identity is None:
            settings = settings.model_copy(update={"strict": True})
        else:
            identity |= {"operation": operation, "import": settings.model_dump(mode="json")}
        pictures = Pictures(self.folder.images(), settings.image_cap, findings)
        with self._writing() as own:
            head = own.head
            if operation == "build" and head is not None and head.rows:
                cure = "change it: otmel graph upsert; or put the source in its place: otmel graph build … --replace"
                raise DataError(f"the graph holds {head.rows:,} entities", where=str(self.folder.root), cure=cure)
            if operation == "upsert":
                existing(own, self.folder)
            one = Import(own, operation, opened, settings, pictures, identity)
            report = one.run(self._unfinished(own, identity, one.notes), track)
            self._ledger = own.ledger
        return report

    def _unfinished(self, own: Writer, identity: dict[str, Any] | None, notes: list[str]) -> State | None:
        """The state of an interrupted run of the same import; one of another import is given up, and this is said."""
        state = read_state(self.folder.importing)
        if state is None or state.number != own.number:
            return None
        if state.identity == identity:
            return state
        notes.append(f"gave up an unfinished import of {state.identity.get('path')} ({state.counts['read']:,} rows)")
        return None

    def _writing(self) -> Any:
        return writer(self.folder, self.wait, self.note, self._ledger)
