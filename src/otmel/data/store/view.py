"""The entities of a stored snapshot: read when they are asked for, checked against their digests."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from otmel.data.entities import Entities
from otmel.data.records import Entity
from otmel.data.store.folder import Folder
from otmel.data.store.keys import StoredIds, StoredRows
from otmel.data.store.opening import check_files, checked_keys, chosen, with_older
from otmel.data.store.schema import ROW, TEXTS, decoded, without_images
from otmel.data.store.snapshots import Ledger
from otmel.data.store.table import Table
from otmel.errors import DataError

CACHE_BYTES: Final = 64 << 20
AHEAD: Final = 64
"""Rows fetched at once for a reader that goes from one row to the next."""
BATCH: Final = 256

_live: WeakSet[StoredEntities] = WeakSet()


class StoredEntities(Entities):
    """A snapshot's entities in rows; the ids and digests are in memory, about 70 bytes an entity.

    Args:
        root: the graph's folder.
        snapshot: id or number; the newest if not given.

    Raises:
        DataError: there is no such snapshot, or it is damaged (the error names an older sound one).
    """

    def __init__(self, root: Path, snapshot: str | int | None = None) -> None:
        self.root = Path(os.path.realpath(root))
        folder = Folder(self.root)
        folder.images()
        ledger = Ledger.read(folder.snapshots)
        self.record = chosen(folder, ledger, snapshot)
        try:
            check_files(folder, ledger, self.record)
            self._table = Table(self.root, self.record.lance_version)
            self._keys = checked_keys(self.record, self._table)
        except DataError as fault:
            raise with_older(fault, folder, ledger, self.record) from fault
        self._cache: OrderedDict[int, Entity] = OrderedDict()
        self._cached_bytes, self._last = 0, -2
        _live.add(self)

    @property
    def snapshot(self) -> str:
        """The snapshot's id."""
        return self.record.id

    @property
    def ids(self) -> StoredIds:
        """The ids by row."""
        return self._keys.ids

    @property
    def digests(self) -> NDArray[np.uint64]:
        """The digests ``uint64[n, 2]`` by row."""
        return self._keys.digests

    @property
    def rows(self) -> StoredRows:
        """Id → row."""
        return self._keys.rows

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, row: int) -> Entity:
        row = range(len(self))[int(row)]
        if row not in self._cache:
            ahead = range(row, min(row + AHEAD, len(self))) if row == self._last + 1 else (row,)
            self._remember(dict(zip(ahead, self.take(ahead), strict=True)))
        self._last = row
        self._cache.move_to_end(row)
        return self._cache[row]

    def __iter__(self) -> Iterator[Entity]:
        for batch in self.batches():
            yield from batch

    def take(self, rows: Iterable[int]) -> list[Entity]:
        """The entities in these rows. Raises ``DataError`` when one is damaged."""
        wanted = np.fromiter(rows, dtype=np.int64)
        if not len(wanted):
            return []
        table = self._table.take(self._keys.addresses[wanted].tolist(), ROW)
        return self._ordered(wanted, {row.seq: row.entity for row in decoded(table, str(self.root))})

    def batches(self, size: int = BATCH, images: bool = True) -> Iterator[list[Entity]]:
        """All entities in their order, ``size`` at a time; without their images, which are not read then, if asked."""
        for start in range(0, len(self), size):
            rows = np.arange(start, min(start + size, len(self)))
            yield self.take(rows) if images else self._texts(rows)

    def columns(self, rows: Iterable[int], names: Sequence[str]) -> list[Mapping[str, object]]:
        """Some columns (see ``schema``) of these rows, as they are stored and unchecked."""
        wanted = np.fromiter(rows, dtype=np.int64)
        found = self._table.take(self._keys.addresses[wanted].tolist(), ["seq", *names]).to_pylist()
        places = {values["seq"]: values for values in found}
        return [places[seq] for seq in self._keys.seq[wanted].tolist()]

    def _texts(self, rows: NDArray[np.int64]) -> list[Entity]:
        table = self._table.take(self._keys.addresses[rows].tolist(), (*TEXTS, "seq"))
        return self._ordered(rows, dict(without_images(table)))

    def _ordered(self, rows: NDArray[np.int64], found: Mapping[int, Entity]) -> list[Entity]:
        try:
            entities = [found[seq] for seq in self._keys.seq[rows].tolist()]
        except KeyError as fault:
            raise DataError(f"the row of place {fault} is not where it was", where=str(self.root)) from None
        for row, entity in zip(rows.tolist(), entities, strict=True):
            if entity.id != self.ids[row]:
                raise DataError(f"row {row} holds {entity.id!r}, not {self.ids[row]!r}", where=str(self.root))
        return entities

    def _remember(self, entities: Mapping[int, Entity]) -> None:
        for row, entity in entities.items():
            self._cache[row] = entity
            self._cached_bytes += _bytes(entity)
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > len(entities):
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= _bytes(oldest)

    def __reduce__(self) -> tuple[type[StoredEntities], tuple[Path, str]]:
        return StoredEntities, (self.root, self.snapshot)


def live_snapshots(root: Path) -> set[int]:
    """The numbers of the snapshots of a graph that readers in this process hold."""
    root = Path(os.path.realpath(root))
    return {reader.record.number for reader in _live if reader.root == root}


def _bytes(entity: Entity) -> int:
    return 1_000 + sum(len(image) for image in entity.images if isinstance(image, bytes))
