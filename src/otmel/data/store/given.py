"""What an import is given: a file, an open source, or entities."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias, cast

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.data.sources import EntitySource, SourceOptions, open_source
from otmel.data.store.folder import Folder
from otmel.data.store.listing import Listing
from otmel.data.store.snapshots import Snapshot
from otmel.data.store.state import identity_of
from otmel.data.store.writer import Writer
from otmel.errors import DataError

Source: TypeAlias = "str | Path | EntitySource | Iterable[Entity]"


def opened(source: Source, options: SourceOptions, findings: Findings) -> tuple[EntitySource, dict[str, Any] | None]:
    """The source, and what tells it from another; ``None`` for entities, which cannot be read again.

    Raises:
        DataError: there is no such file, or its format cannot be told.
    """
    if isinstance(source, (str, Path)):
        found = open_source(Path(source), options, findings)
        return found, identity_of(found.path, options.model_dump(mode="json"))
    if hasattr(source, "rows") and not isinstance(source, KnowledgeGraph):
        found = cast("EntitySource", source)
        return found, identity_of(found.path, {})
    return Listing(cast("Iterable[Entity]", source)), None


def existing(own: Writer, folder: Folder) -> Snapshot:
    """The snapshot to start from. Raises ``DataError`` when there is none yet."""
    if own.head is None:
        cure = "run otmel graph build to its end first"
        raise DataError("the graph has no snapshot yet", where=str(folder.root), cure=cure)
    return own.head
