"""``KnowledgeGraph``: entities in rows, with the maps between id and row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from otmel.data.entities import Entities, HeldEntities
from otmel.data.findings import Findings
from otmel.data.records import Entity
from otmel.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from otmel.remote.places import Place


def entities_at(place: Place, snapshot: str | int | None = None) -> Path:
    """A path to read a graph from: the place, or a copy of what an address holds. Raises ``StorageError``."""
    from otmel.remote.places import placed

    if isinstance(at := placed(place), Path):
        return at
    from otmel.data.store.layout import GraphLayout
    from otmel.remote import local

    return local(at, GraphLayout(snapshot, tables=True))


class KnowledgeGraph(Sequence[Entity]):
    """An immutable, ordered set of entities, in memory or in a store.

    Args:
        entities: the entities, whose order gives the rows; or a snapshot of a store, which is read as it is needed.
        findings: what the reader of these entities met on its way.

    Raises:
        DataError: there are no entities (of a store, there may be none), or an id occurs twice.
    """

    def __init__(self, entities: Iterable[Entity] | Entities, findings: Findings | None = None) -> None:
        self._entities: Entities = entities if isinstance(entities, Entities) else HeldEntities(entities)
        self.findings = findings or Findings()

    @staticmethod
    def open(path: Place, snapshot: str | int | None = None) -> KnowledgeGraph:
        """Open a graph's folder, or read a graph from a benchmark folder or a JSONL, CSV or Parquet file.

        Args:
            path: where it is; of an address (``s3://…``), a checked copy of what is there now is opened.
            snapshot: of a graph's folder, id or number of the snapshot to open; the newest if not given.

        Raises:
            DataError: there is nothing to read, it is damaged, or there is no such snapshot.
            StorageError: the store of an address refuses, or has nothing there.
        """
        from otmel.data.importers import open_graph
        from otmel.data.store.folder import is_store

        path = entities_at(path, snapshot)
        if is_store(path):
            from otmel.data.store.view import StoredEntities

            return KnowledgeGraph(StoredEntities(path, snapshot))
        if snapshot is not None:
            cure = "make one: otmel graph build SOURCE --out GRAPH"
            raise DataError("only a graph's folder has snapshots", where=str(path), cure=cure)
        return open_graph(path)

    def __len__(self) -> int:
        return len(self._entities)

    def __getitem__(self, row: int) -> Entity:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._entities[row]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._entities)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._entities.rows

    def take(self, rows: Iterable[int]) -> list[Entity]:
        """The entities in these rows: of a store, read together."""
        return self._entities.take(rows)

    def batches(self, size: int = 256, images: bool = True) -> Iterator[list[Entity]]:
        """All entities in their order, ``size`` at a time; ``images=False`` spares a store reading their images."""
        return self._entities.batches(size, images)

    def row(self, entity_id: str) -> int:
        """The row of an id. Raises ``DataError`` for an id that is not in the graph."""
        try:
            return self._entities.rows[entity_id]
        except KeyError:
            raise DataError(f"the graph has no entity with the id {entity_id!r}") from None

    def entity(self, entity_id: str) -> Entity:
        """The entity of an id. Raises ``DataError`` for an id that is not in the graph."""
        return self._entities[self.row(entity_id)]

    @property
    def ids(self) -> Sequence[str]:
        """The ids by row."""
        return self._entities.ids

    @property
    def digests(self) -> NDArray[np.uint64]:
        """Sixteen bytes a row that change with anything the row says, as ``uint64[n, 2]``; see ``digest``."""
        return self._entities.digests

    @property
    def snapshot(self) -> str:
        """Sixteen hexadecimal digits: a store's snapshot; else they change with any id, text or image name."""
        return self._entities.snapshot

    def __repr__(self) -> str:
        return f"KnowledgeGraph({len(self):,} entities, snapshot {self.snapshot})"
