"""``changing`` and ``written``: folders and files of a store are changed here, and sent when that is done.

What is new is sent first, the one file that makes it the content (a manifest, a snapshot's record) last and only if
nobody else has written one: until then readers see what stood there before. What a killed writer sent is not part of
anything; the next one removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from otmel.errors import StorageError
from otmel.locks import Note, locked, silent
from otmel.progress import progress
from otmel.remote.cache import Nest, walked
from otmel.remote.faults import Moved
from otmel.remote.layouts import Layout
from otmel.remote.lease import Lease
from otmel.remote.opening import places_named, view
from otmel.remote.places import Place, Uri, placed
from otmel.remote.sending import EMPTY, Push, stamp_here, stamp_there
from otmel.remote.store import Store
from otmel.remote.told import remember
from otmel.remote.work import Work
from otmel.storage import refusals_named


@dataclass(frozen=True)
class Change:
    """A copy that is being changed.

    Attributes:
        folder: where it lies.
        send: makes what it holds now the content of its original. Raises ``StorageError``.
    """

    folder: Path
    send: Callable[[], None]


@contextmanager
def changing(place: Place, layout: Layout, wait: float = 0.0, note: Note = silent) -> Iterator[Path]:
    """A folder to change, which holds what is at a place; what the block leaves there becomes its content.

    A path is given back as it is. Of an address it is a copy, of which what changed is sent when the block ends
    without an error; what an interrupted command has done so far is found again by the next.

    Args:
        place: a path, or an address, at which there may be nothing yet.
        layout: what kind of folder it is.
        wait: seconds to wait for another writer.
        note: told what is worth knowing meanwhile.

    Raises:
        StorageError: another writer is at work or was quicker, or the store refuses; nothing is committed then.
    """
    at = placed(place)
    if isinstance(at, Path):
        yield at
        return
    with change(at, Nest.of(at), layout, wait, note) as one:
        yield one.folder
        one.send()


@contextmanager
def change(at: Uri, nest: Nest, layout: Layout, wait: float = 0.0, note: Note = silent) -> Iterator[Change]:
    """A copy to change of what is at an address, which is sent as often as that is asked for, by nobody else.

    Args:
        at: the address, at which there may be nothing yet.
        nest: where the copy lies.
        layout: what kind of folder it is.
        wait: seconds to wait for another writer.
        note: told what is worth knowing meanwhile.

    Raises:
        StorageError: another writer is at work, or the store refuses.
    """
    store = Store(at)
    with locked(nest.root / "work.lock", wait, str(at)):
        work = Work.found(nest)
        with Lease(store, work.begun.claim, wait, note) as lease:
            _begin(store, work, layout, note)
            push = Push(store, work, layout, lease)
            with places_named(work.folder, at):
                yield Change(remember(work.folder, at), lambda: _send(push))


def _send(push: Push) -> None:
    """Raises ``StorageError``, which says where lies what could not be sent."""
    try:
        with refusals_named(push.work.nest.root):
            push.run()
    except Moved:
        raise
    except StorageError as fault:
        kept = f"what could not be sent is kept below {push.work.folder.parent}"
        fault.cure = f"{fault.cure}; {kept}" if fault.cure else kept
        raise


@contextmanager
def written(place: Place) -> Iterator[Path]:
    """A file to write, which becomes the file at a place when the block ends without an error.

    A path is given back as it is: to write it whole or not at all is the block's own affair.
    """
    at = placed(place)
    if isinstance(at, Path):
        yield at
        return
    nest = Nest.of(at)
    with locked(nest.root / "work.lock", 0.0, str(at)):
        nest.work.mkdir(parents=True, exist_ok=True)
        path = remember(nest.work / at.name, at)
        yield path
        with progress(f"sending {at}, in bytes", path.stat().st_size) as advance:
            Store(at.parent).put(at.name, path, advance)
        path.unlink()


def _begin(store: Store, work: Work, layout: Layout, note: Note) -> None:
    """Have the copy stand at what the store holds now; one that does already stays, with all that was done in it."""
    listed = store.content()
    stamp = stamp_there(store, listed, layout)
    own = stamp_here(work, layout)
    if stamp == work.begun.stamp:
        if own not in (EMPTY, stamp):
            note(f"a change of {store.uri} that could not be sent is kept below {work.folder.parent}: it goes along")
        return
    if own != stamp:
        if own not in (EMPTY, work.begun.stamp):
            note(f"{store.uri} has changed since: what an interrupted command did to the copy here is given up")
        work.renew(None if stamp == EMPTY else view(store, listed, layout))
    here = walked(work.folder)
    files = {name: here[name] for name in layout.content(here, work.folder)}
    work.settle(stamp, files, layout.heads(list(files), ()))
