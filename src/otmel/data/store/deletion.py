"""Deletion: entities found by their ids and removed by their places, in one commit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from otmel.data.store.batches import sums_of
from otmel.data.store.change import Change
from otmel.data.store.keys import find
from otmel.data.store.snapshots import Snapshot
from otmel.data.store.table import Table, predicates
from otmel.data.store.writer import Writer

LOOKED_UP_AT_ONCE: Final = 16_384


def deleted(writer: Writer, head: Snapshot, ids: Iterable[str]) -> tuple[Snapshot, dict[str, int]]:
    """Remove entities from the snapshot ``head``.

    Returns:
        The new snapshot, ``head`` itself when it has none of them; and how many were ``deleted`` and ``unknown``.

    Raises:
        StorageError: the disk refuses.
    """
    writer.start()
    table, found = Table(writer.folder.root, head.lance_version), {}
    wanted, asked = iter(dict.fromkeys(ids)), 0
    while batch := list(islice(wanted, LOOKED_UP_AT_ONCE)):
        asked += len(batch)
        found |= find(table, [one for one in batch if _is_text(one)])
    counts = {"deleted": len(found), "unknown": asked - len(found)}
    if not found:
        return head, counts
    for condition, count in predicates("seq", [seq for seq, _ in found.values()]):
        writer.delete(condition, count)
    checksum, keys = sums_of(found)
    change = Change("delete", counts, head.rows - len(found), head.next_seq, -checksum, -keys)
    return writer.commit(change), counts


def _is_text(one: object) -> bool:
    """Whether an id can be in a graph at all."""
    try:
        return isinstance(one, str) and bool(one.encode())
    except UnicodeEncodeError:
        return False
