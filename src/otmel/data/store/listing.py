"""Entities given in a program, as a source: every one of them must be usable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from otmel.data.records import Entity
from otmel.data.sources import EntityRow

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass
class Listing:
    """An ``EntitySource`` over entities in memory, numbered from 1."""

    entities: Iterable[Entity]
    path: Path = field(default_factory=lambda: Path("entities"))
    total_bytes: int = 0
    position: int = 0

    def rows(self, start: int = 0) -> Iterator[EntityRow]:
        """See ``EntitySource``."""
        for number, entity in enumerate(islice(self.entities, start, None), start + 1):
            reason = fault_of(entity)
            yield EntityRow(number, f"entity {number}", entity if reason is None else None, {}, reason)


def fault_of(entity: object) -> str | None:
    """Why an entity cannot be stored; ``None`` when it can."""
    if not isinstance(entity, Entity):
        return f"an Entity was expected, got {type(entity).__name__}"
    texts = (entity.id, entity.name, entity.description, entity.attributes, *entity.aliases)
    if not all(isinstance(text, str) for text in texts):
        return "a text is no text"
    if not entity.id:
        return "id missing"
    return "lone surrogate" if any(map(_SURROGATE.search, texts)) else None
