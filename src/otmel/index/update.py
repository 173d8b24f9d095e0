"""``update_index``: an index follows its graph; what did not change is neither encoded nor written again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from otmel.index.build import writing
from otmel.index.expected import Expected
from otmel.index.manifest import Made
from otmel.index.places import Places
from otmel.index.pool import Note, Stored, matched, stored
from otmel.index.source import RunSource
from otmel.index.store import StoredIndex, open_index
from otmel.index.writer import Built, IndexSettings, Writer


def update_index(
    source: RunSource, folder: str | Path, settings: IndexSettings | None = None, note: Note = lambda message: None
) -> Built:
    """Bring an index to the state of a graph: encode what is new or changed, mask what is deleted.

    What this leaves is what a build from nothing would leave: the same scores, bit for bit, on the same machine.
    Masked entries stay on disk until they are the greater part of their segment; then the rest of it is encoded anew.

    Args:
        source: the run that the index was built with, and the graph as it is now.
        folder: the index.
        settings: how; its precision does not matter, the index keeps its own.
        note: told what else is to be known.

    Raises:
        CheckpointError: there is no index, it was made by another model (both hashes are named), or it is damaged.
        StorageError: the disk refused, or another process is writing to it.
    """
    settings, places = settings or IndexSettings(), Places(Path(folder))
    places.read()  # before a folder is made
    with writing(places, settings, note):
        expected = Expected(source.model, source.inputs, composition=source.composition)
        opened = open_index(places.root, expected, check="ends")
        made = opened.manifest.made
        _note_machines(opened, source, note)
        pool = _pool(opened, places, made, note)
        return Writer(places, source, source.graph, settings, made).write(
            matched(pool, places, source.graph), opened.manifest
        )


def _pool(opened: StoredIndex, places: Places, made: Made, note: Note) -> list[Stored]:
    """The index's segments, checked as opening does, and those that a killed writer finished, checked as a whole."""
    pairs = zip(opened.manifest.segments, opened.records, strict=True)
    own = [Stored(entry, record, np.full(entry.entries, -1, dtype=np.int64)) for entry, record in pairs]
    left = [path.name for path in places.leftovers(opened.manifest) if path.name.isdigit()]
    return own + stored(places, made, dict.fromkeys(left), note)


def _note_machines(opened: StoredIndex, source: RunSource, note: Note) -> None:
    others = {record.machine for record in opened.records} - {source.machine}
    if others:
        note(f"the index was encoded by {', '.join(sorted(others))}, this is {source.machine}: last bits may differ")
