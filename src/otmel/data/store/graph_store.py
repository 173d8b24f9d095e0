"""``GraphStore``: a graph on the disk that can be changed, and every state of which can be read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.data.sources import EntitySource, SourceOptions, open_source
from otmel.data.store.batches import sums_of
from otmel.data.store.folder import Folder, Images
from otmel.data.store.imports import Import, ImportSettings, Operation, Track
from otmel.data.store.keys import find
from otmel.data.store.listing import Listing
from otmel.data.store.lock import Note, silent
from otmel.data.store.pictures import Pictures
from otmel.data.store.report import Report
from otmel.data.store.snapshots import Ledger, Snapshot
from otmel.data.store.state import State, identity_of, read_state
from otmel.data.store.table import Table, predicates
from otmel.data.store.writer import Change, Writer, writer
from otmel.errors import DataError, OtmelError, StorageError

if TYPE_CHECKING:
    from otmel.data.store.inspect import Info, Verification

Source: TypeAlias = "str | Path | EntitySource | Iterable[Entity]"
DELETED_AT_ONCE = 16_384


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
            head = _existing(own, self.folder)
            own.start()
            before, found = Table(self.folder.root, head.lance_version), {}
            wanted, asked = iter(dict.fromkeys(ids)), 0
            while batch := list(islice(wanted, DELETED_AT_ONCE)):
                asked += len(batch)
                found |= find(before, [one for one in batch if _is_text(one)])
            counts = {"deleted": len(found), "unknown": asked - len(found)}
            snapshot = head if not found else self._without(own, head, found, counts)
            self._ledger = own.ledger
        seconds = time.monotonic() - began
        made = {"snapshot": snapshot.id, "number": snapshot.number, "rows": snapshot.rows, "changed": bool(found)}
        return Report(operation="delete", counts=counts, seconds=seconds, **cast("Any", made))

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
        opened, identity = _opened(source, options or SourceOptions.model_validate({}), findings)
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
                _existing(own, self.folder)
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

    def _without(self, own: Writer, head: Snapshot, found: dict[str, tuple[int, bytes]], counts: dict[str, int]) -> Any:
        places = [seq for seq, _ in found.values()]
        for condition, count in predicates("seq", places):
            own.delete(condition, count)
        checksum, keys = sums_of(found)
        change = Change("delete", counts, head.rows - len(found), head.next_seq, -checksum, -keys)
        return own.commit(change)

    def _writing(self) -> Any:
        return writer(self.folder, self.wait, self.note, self._ledger)


def build_graph(
    path: str | Path, fill: Callable[[GraphStore], Report], images: Images = "store", **turn: Any
) -> Report:
    """Make a graph's folder where there is none, and fill it; when that fails for good, the folder goes again.

    Args:
        path: the folder.
        fill: calls ``build`` of the store it is given.
        images: whether a new graph stores its images, or their paths.
        turn: ``wait`` and ``note`` of ``GraphStore``.
    """
    store = GraphStore(path, **turn)
    fresh = not store.folder.format.exists()
    if fresh:
        store.folder.create(images)
    try:
        return fill(GraphStore.open(path, **turn))
    except (OtmelError, OSError) as fault:
        if fresh and not isinstance(fault, StorageError) and not store.snapshots():
            shutil.rmtree(path, ignore_errors=True)
        raise


def _opened(source: Source, options: SourceOptions, findings: Findings) -> tuple[EntitySource, dict[str, Any] | None]:
    if isinstance(source, (str, Path)):
        opened = open_source(Path(source), options, findings)
        return opened, identity_of(opened.path, options.model_dump(mode="json"))
    if hasattr(source, "rows") and not isinstance(source, KnowledgeGraph):
        opened = cast("EntitySource", source)
        return opened, identity_of(opened.path, {})
    return Listing(cast("Iterable[Entity]", source)), None


def _existing(own: Writer, folder: Folder) -> Snapshot:
    if own.head is None:
        cure = "run otmel graph build to its end first"
        raise DataError("the graph has no snapshot yet", where=str(folder.root), cure=cure)
    return own.head


def _is_text(one: object) -> bool:
    """Whether an id can be in a graph at all."""
    try:
        return isinstance(one, str) and bool(one.encode())
    except UnicodeEncodeError:
        return False
