"""The end of an import: old rows go, and the commit is made."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from otmel.data.store.change import Change
from otmel.data.store.faults import refusals
from otmel.data.store.report import Report
from otmel.data.store.snapshots import Snapshot
from otmel.data.store.table import predicates
from otmel.errors import DataError

if TYPE_CHECKING:
    from otmel.data.store.imports import Import


def finished(one: Import, seconds: float) -> Report:
    """Commit what an import has written, unless it changed nothing.

    Raises:
        DataError: no row was usable.
        StorageError: the disk refuses.
    """
    head, tally = one.writer.head, one.tally
    if one.operation != "upsert" and not tally.accepted:
        raise _nothing_usable(one)
    with refusals(one.writer.folder.root):
        rejects = one.progress.publish(one.writer.folder.rejects)
    rows = tally.added + (head.rows if head and one.operation == "upsert" else 0)
    if one.operation == "upsert" and not tally.added + tally.replaced and head is not None:
        one.writer.start()
        shutil.rmtree(one.writer.folder.importing, ignore_errors=True)
        return _report(one, head, rejects, seconds, changed=False)
    _remove_old(one)
    change = Change(one.operation, tally.as_json(), rows, one.base + tally.read + 1, *_sums(one))
    return _report(one, one.writer.commit(change), rejects, seconds)


def _sums(one: Import) -> tuple[int, int]:
    """What the commit adds to the checksums; a replacement also takes away all that was there."""
    head = one.writer.head
    if one.operation == "upsert" or head is None:
        return one.checksum, one.keys
    return one.checksum - int(head.checksum, 16), one.keys - int(head.keys, 16)


def _remove_old(one: Import) -> None:
    older = f"born < {one.writer.number}"
    if one.operation == "upsert":
        for condition, count in predicates("seq", one.replaced):
            one.writer.delete(f"({condition}) AND {older}", count)
    elif one.writer.head and one.writer.head.rows:
        one.writer.delete(older, one.writer.head.rows)


def _nothing_usable(one: Import) -> DataError:
    first = one.progress.first_reject()
    problem = f"there is no usable entity in its {one.tally.read:,} rows" + (f": {first}" if first else "")
    return DataError(problem, where=str(one.source.path), cure="every entity needs an id and a name")


def _report(one: Import, snapshot: Snapshot, rejects: str | None, seconds: float, changed: bool = True) -> Report:
    return Report(
        operation=one.operation,
        snapshot=snapshot.id,
        number=snapshot.number,
        rows=snapshot.rows,
        counts=one.tally.as_json(),
        changed=changed,
        resumed=one.resumed,
        rejects=rejects,
        findings=one.pictures.findings.as_json(),
        seconds=seconds,
        notes=tuple(one.notes),
    )
