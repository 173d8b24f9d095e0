"""Single files of a folder in a store, fetched when they are asked for: a table, and the images that its rows name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

from otmel.locks import locked
from otmel.remote.cache import Nest, cache_root
from otmel.remote.faults import Absent
from otmel.remote.fetching import Fetch
from otmel.remote.places import Place, Uri, placed
from otmel.remote.store import Store
from otmel.remote.told import remember
from otmel.storage import refusals_named

STRIPES: Final = 64
"""So many files of one folder can be fetched at the same time."""


def folder(place: Place) -> Path:
    """A folder whose files are fetched when ``resolve_image`` or ``fetch`` looks for them; a path as it is."""
    at = placed(place)
    if isinstance(at, Path):
        return at
    nest = Nest.of(at)
    nest.lazy.mkdir(parents=True, exist_ok=True)
    return remember(nest.lazy, at)


def fetch(uri: Uri) -> Path:
    """A copy of one file, as it is in the store now. Raises ``StorageError``; ``Absent`` where there is none."""
    store, nest, name = Store(uri.parent), Nest.of(uri.parent), uri.name
    entry = store.stat(name)
    if entry is None:
        raise Absent("there is nothing here", where=str(uri), cure="check the address")
    with refusals_named(nest.root):
        nest.lazy.mkdir(parents=True, exist_ok=True)
        with locked(nest.root / f"lazy-{zlib.crc32(name.encode('utf-8', 'surrogatepass')) % STRIPES}.lock"):
            Fetch(store, {name: entry}, nest.lazy, ()).run({name: None})
    return remember(nest.lazy, uri.parent) / name


def fetched_late(path: Path) -> Path | None:
    """The copy of a file in a folder of ``folder``; ``None`` where neither it nor its original is there."""
    uri = _origin(path)
    try:
        return None if uri is None else fetch(uri)
    except Absent:
        return None


def _origin(path: Path) -> Uri | None:
    """The address that a path in a folder of ``folder`` stands for; ``None`` for any other path."""
    root = cache_root()
    if not path.is_relative_to(root):
        return None
    nest, *inside = path.relative_to(root).parts
    if len(inside) < 3 or inside[0] != "lazy":
        return None
    uri = Nest(root / nest, "").uri
    return None if uri is None else uri / "/".join(inside[2:])
