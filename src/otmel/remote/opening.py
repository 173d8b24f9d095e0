"""``local``: the one place where what says where something lies becomes a path to read from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otmel.errors import OtmelError, StorageError
from otmel.locks import locked
from otmel.remote.cache import Nest, walked
from otmel.remote.faults import Absent, Damaged
from otmel.remote.fetching import Fetch
from otmel.remote.layouts import TREE, Layout
from otmel.remote.lazy import fetch
from otmel.remote.places import Place, Uri, placed
from otmel.remote.store import Listing, Store
from otmel.remote.told import remember
from otmel.storage import refusals_named

TIMES: Final = 4
"""How often a folder is looked at again that changes while it is fetched."""


def local(place: Place, layout: Layout = TREE) -> Path:
    """A path at which a folder or file can be read: the place itself, or a copy of what an address holds now.

    The copy never changes, is shared by all processes of the user, and stays as long as this process lives.

    Args:
        place: a path, or an address.
        layout: what of it is needed.

    Raises:
        ConfigurationError: the address cannot be understood.
        StorageError: there is nothing at the address, it cannot be read, or an object is damaged.
    """
    at = placed(place)
    if isinstance(at, Path):
        return at
    store = Store(at)
    listed = store.content()
    if not listed and store.stat() is not None:
        return fetch(at)
    return view(store, listed, layout)


def view(store: Store, listed: Listing, layout: Layout) -> Path:
    """A copy of what a store holds now, of which ``listed`` was a listing. Raises ``StorageError``."""
    for attempt in range(1, TIMES + 1):
        try:
            if not layout.committed(listed):
                raise _nothing(store, listed)
            nest = Nest.of(store.uri)
            stamp = layout.stamp(listed, store.read)
            with locked(nest.root / "lock"):
                return remember(nest.view(stamp) or _fetched(store, listed, layout, nest), store.uri)
        except (Absent, Damaged):  # a writer may have replaced it in the meantime
            before, listed = listed, store.content()
            if attempt == TIMES or listed == before:
                raise
    raise AssertionError


def _nothing(store: Store, listed: Listing) -> Absent:
    if not listed:
        return Absent("there is nothing here", where=str(store.uri), cure="check bucket and path: s3://BUCKET/PATH")
    problem = f"nothing complete is here, only {len(listed):,} other files such as {min(listed)}"
    return Absent(problem, where=str(store.uri), cure="check the address; or run the command again that writes it")


@contextmanager
def places_named(folder: Path, uri: Uri) -> Iterator[None]:
    """Around the use of a copy: errors speak of the address, not of the copy."""
    try:
        yield
    except OtmelError as fault:
        for part in ("where", "problem", "cure"):
            if text := getattr(fault, part):
                setattr(fault, part, str(text).replace(str(folder), str(uri)))
        raise


def _fetched(store: Store, listed: Listing, layout: Layout, nest: Nest) -> Path:
    """Fetch what is needed, going on with what an interrupted process brought, and make it a view."""
    needed: set[str] = set()
    with refusals_named(nest.root):
        nest.fetching.mkdir(parents=True, exist_ok=True)
        fetch = Fetch(store, listed, nest.fetching, tuple(nest.donors()))
        with _places_named(nest, store.uri):
            for needs in layout.rounds(listed, nest.fetching):
                fetch.run(needs)
                needed |= needs.keys()
        for name in walked(nest.fetching).keys() - needed:
            (nest.fetching / name).unlink()
        stamp = layout.stamp(listed, lambda name: (nest.fetching / name).read_bytes())
        if found := nest.view(stamp):
            shutil.rmtree(nest.fetching)
            return found
        return nest.finish(stamp)


@contextmanager
def _places_named(nest: Nest, uri: Uri) -> Iterator[None]:
    """What is wrong with a file that was fetched is wrong at its address. The file is not used again."""
    try:
        with places_named(nest.fetching, uri):
            yield
    except StorageError:
        raise
    except OtmelError:
        shutil.rmtree(nest.fetching)
        raise
