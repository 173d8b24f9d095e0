"""``build_index``: every entity of a graph encoded once, in segments that stay whatever happens.

A segment once written is never written again, and is told by what it holds: the same command after Ctrl-C or
``kill -9`` finds the finished segments and goes on with what is missing. The manifest comes last; until then the index
that stood there is served, and what is no part of the new one is removed after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otmel.errors import StorageError
from otmel.index.manifest import Made, Manifest, SegmentEntry
from otmel.index.places import Places
from otmel.index.pool import Note, matched, stored
from otmel.index.source import RunSource
from otmel.index.writer import Built, Encoders, IndexSettings, Writer
from otmel.locks import writer_lock


def build_index(
    source: RunSource,
    folder: str | Path,
    settings: IndexSettings | None = None,
    note: Note = lambda message: None,
    encoders: Encoders | None = None,
) -> Built:
    """Index a graph; go on with a build that was interrupted; replace an index of another model or graph.

    Entities that are there already, encoded by the same model with the same settings, are read, checked and kept.

    Args:
        source: run and graph.
        folder: where to write.
        settings: how.
        note: told what was found and is of no use.
        encoders: who encodes; this process where there are none.

    Raises:
        StorageError: the disk refused, something else stands there, or another process is writing to it.
        ConfigurationError: the memory limit is too small.
        CheckpointError: the run reads no text.
    """
    settings, places = settings or IndexSettings(), Places(Path(folder))
    made = Made.of(source.composition, source.model, source.inputs, settings.precision)
    with writing(places, settings, note):
        before = places.read_if_sound(note)
        if encoders is not None:
            encoders.take_up(places)
        if before is not None and before.made != made:
            note("the index there was made by another model or with other settings: building anew, replacing it then")
        kept = matched(stored(places, made, _all(places, before), note), places, source.graph)
        return Writer(places, source, source.graph, settings, made, encoders).write(kept, before)


def _all(places: Places, manifest: Manifest | None) -> dict[str, SegmentEntry | None]:
    """All segments of a folder, those of an index and those that are left over."""
    left = {path.name: None for path in places.leftovers(manifest) if path.name.isdigit()}
    return left | {entry.name: entry for entry in (manifest.segments if manifest else ())}


@contextmanager
def writing(places: Places, settings: IndexSettings, note: Note) -> Iterator[None]:
    """Hold an index's folder, which is made where there is none. Raises ``StorageError``."""
    root = places.root
    if root.exists() and (not root.is_dir() or (any(root.iterdir()) and not places.segments.is_dir())):
        raise StorageError("something else stands here", where=str(root), cure="choose another folder")
    try:
        places.segments.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise StorageError(f"the folder cannot be made: {reason}", where=str(root)) from fault
    with writer_lock(places.lock, settings.wait, note):
        yield
