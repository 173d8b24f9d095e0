"""``KnowledgeGraph``: entities in rows, with the maps between id and row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from otmel.data.findings import Findings
from otmel.data.records import Entity
from otmel.errors import DataError


class KnowledgeGraph(Sequence[Entity]):
    """An immutable, ordered set of entities.

    Args:
        entities: the entities; their order gives the rows.
        findings: what the reader of these entities met on its way.

    Raises:
        DataError: the graph is empty or an id occurs twice.
    """

    def __init__(self, entities: Iterable[Entity], findings: Findings | None = None) -> None:
        self._entities = tuple(entities)
        self.findings = findings or Findings()
        if not self._entities:
            raise DataError("the graph holds no entity", cure="a graph needs at least one entity with an id and a name")
        self._rows: dict[str, int] = {}
        for row, entity in enumerate(self._entities):
            first = self._rows.setdefault(entity.id, row)
            if first != row:
                raise DataError(
                    f"the id {entity.id!r} occurs twice, in rows {first} and {row}",
                    cure="give every entity its own id, or remove the duplicate row",
                )

    @staticmethod
    def open(path: str | Path) -> KnowledgeGraph:
        """Read a graph from a benchmark folder or a JSONL, CSV or Parquet file."""
        from otmel.data.importers import open_graph

        return open_graph(Path(path))

    def __len__(self) -> int:
        return len(self._entities)

    def __getitem__(self, row: int) -> Entity:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._entities[row]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._entities)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._rows

    def row(self, entity_id: str) -> int:
        """The row of an id. Raises ``DataError`` for an id that is not in the graph."""
        try:
            return self._rows[entity_id]
        except KeyError:
            raise DataError(f"the graph has no entity with the id {entity_id!r}") from None

    def entity(self, entity_id: str) -> Entity:
        """The entity of an id. Raises ``DataError`` for an id that is not in the graph."""
        return self._entities[self.row(entity_id)]

    @cached_property
    def snapshot(self) -> str:
        """Sixteen hexadecimal digits that change with any id, name, text or image name."""
        digest = hashlib.sha256()
        for entity in self._entities:
            images = [image.name if isinstance(image, Path) else str(image) for image in entity.images]
            row = [entity.id, entity.name, entity.aliases, entity.description, entity.attributes, images]
            digest.update(json.dumps(row, ensure_ascii=True).encode())
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        return f"KnowledgeGraph({len(self):,} entities, snapshot {self.snapshot})"
