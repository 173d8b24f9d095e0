"""Single files of a folder in a store, fetched when they are asked for: a table, and the images that its rows name."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from otmel.locks import locked
from otmel.remote.cache import Nest, cache_root, within
from otmel.remote.faults import Absent
from otmel.remote.fetching import Fetch
from otmel.remote.places import Place, Uri, placed
from otmel.remote.store import Store
from otmel.remote.told import remember
from otmel.storage import refusals_named

STRIPES: Final = 256
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
    return _copy(uri, lambda one, name: one.run({name: None}))


def is_late(place: Path) -> bool:
    """Whether a folder is one of ``folder``, or lies in one."""
    return within(place)[1:2] == ("lazy",)


def fetched_late(path: Path) -> Path | None:
    """A copy of a file in a folder of ``folder``, as it is in the store now; ``None`` where there is none."""
    uri = _origin(path)
    if uri is None or len(within(path)) < 4 or not _nameable(path):  # a folder itself is no file of it
        return None
    try:
        return _copy(uri, Fetch.one)
    except Absent:
        return None


def inside(place: Path) -> tuple[list[str], list[str]]:
    """The names of folders and of files that lie right in one of ``folder``'s in the store. Raises ``StorageError``."""
    uri = _origin(place)
    return ([], []) if uri is None else Store(uri).inside()


def _nameable(path: Path) -> bool:
    """Whether a disk can hold a file under this path: not if a part of it is too long, or has a NUL."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return True


def _copy(uri: Uri, bring: Callable[[Fetch, str], None]) -> Path:
    store, nest, name = Store(uri.parent), Nest.of(uri.parent), uri.name
    with refusals_named(nest.root):
        nest.lazy.mkdir(parents=True, exist_ok=True)
        with locked(nest.root / f"lazy-{zlib.crc32(name.encode('utf-8', 'surrogatepass')) % STRIPES}.lock"):
            entry = store.stat(name)  # under the lock: an older answer would undo what another reader has brought since
            if entry is None:
                raise Absent("there is nothing here", where=str(uri), cure="check the address")
            bring(Fetch(store, {name: entry}, nest.lazy, ()), name)
    return remember(nest.lazy, uri.parent) / name


def _origin(path: Path) -> Uri | None:
    """The address that one of ``folder``, or a path in it, stands for; ``None`` for any other path."""
    nest, kind, *names = within(path) or ("", "")
    if kind != "lazy" or not names:
        return None
    uri = Nest(cache_root() / nest, "").uri
    return uri if uri is None or not names[1:] else uri / "/".join(names[1:])
