"""What a graph stands on: entities by row, held in memory here, or read from a store when they are asked for."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from otmel.data.digest import digests
from otmel.data.records import Entity
from otmel.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Entities(ABC):
    """Entities in rows; the members are ``KnowledgeGraph``'s."""

    @property
    @abstractmethod
    def ids(self) -> Sequence[str]:
        """The ids by row."""

    @property
    @abstractmethod
    def digests(self) -> NDArray[np.uint64]:
        """The digests ``uint64[n, 2]`` by row."""

    @property
    @abstractmethod
    def rows(self) -> Mapping[str, int]:
        """Id → row."""

    @property
    @abstractmethod
    def snapshot(self) -> str:
        """What tells these entities from others, in sixteen hexadecimal digits."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, row: int) -> Entity: ...

    @abstractmethod
    def __iter__(self) -> Iterator[Entity]: ...

    @abstractmethod
    def take(self, rows: Iterable[int]) -> list[Entity]:
        """The entities in these rows."""

    @abstractmethod
    def batches(self, size: int = 256, images: bool = True) -> Iterator[list[Entity]]:
        """All entities in their order, ``size`` at a time."""


class HeldEntities(Entities):
    """Entities in memory.

    Raises:
        DataError: there is none, or an id occurs twice.
    """

    def __init__(self, entities: Iterable[Entity]) -> None:
        self._entities = tuple(entities)
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

    @property
    def rows(self) -> Mapping[str, int]:
        """Id → row."""
        return self._rows

    @cached_property
    def ids(self) -> Sequence[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The ids by row."""
        return tuple(self._rows)

    @cached_property
    def digests(self) -> NDArray[np.uint64]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The digests ``uint64[n, 2]`` by row."""
        return digests(self._entities)

    @cached_property
    def snapshot(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Sixteen hexadecimal digits that change with any id, name, text or image name."""
        digest = hashlib.sha256()
        for entity in self._entities:
            images = [image.name if isinstance(image, Path) else str(image) for image in entity.images]
            row = [entity.id, entity.name, entity.aliases, entity.description, entity.attributes, images]
            digest.update(json.dumps(row, ensure_ascii=True).encode())
        return digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._entities)

    def __getitem__(self, row: int) -> Entity:
        return self._entities[row]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._entities)

    def take(self, rows: Iterable[int]) -> list[Entity]:
        """The entities in these rows."""
        return [self._entities[row] for row in rows]

    def batches(self, size: int = 256, images: bool = True) -> Iterator[list[Entity]]:
        """All entities in their order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield list(self._entities[start : start + size])
