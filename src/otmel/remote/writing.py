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
from typing import Any, Final

from otmel.errors import StorageError
from otmel.locks import Note, locked, silent
from otmel.progress import progress
from otmel.remote.cache import Nest, walked
from otmel.remote.faults import Moved
from otmel.remote.fetching import in_parallel
from otmel.remote.layouts import Layout
from otmel.remote.lease import Lease
from otmel.remote.opening import places_named, view
from otmel.remote.places import Place, placed
from otmel.remote.store import Entry, Listing, Store
from otmel.remote.told import remember
from otmel.remote.work import Work
from otmel.storage import refusals_named

EMPTY: Final = ""
"""The stamp of a place where there is nothing."""


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
    store, nest = Store(at), Nest.of(at)
    with locked(nest.root / "work.lock", wait, str(at)):
        work = Work.found(nest)
        with Lease(store, work.begun.claim, wait, note) as lease:
            _begin(store, work, layout, note)
            with places_named(work.folder, at):
                yield remember(work.folder, at)
            with refusals_named(nest.root):
                Push(store, work, layout, lease).run()


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
    stamp = _stamp_there(store, listed, layout)
    own = _stamp_here(work, layout)
    if stamp == work.begun.stamp:
        if own not in (EMPTY, stamp):
            note(f"a change of {store.uri} that could not be sent is kept in {work.folder}: it goes along")
        return
    if own != stamp:
        if own not in (EMPTY, work.begun.stamp):
            note(f"{store.uri} has changed since: what an interrupted command did to the copy here is given up")
        work.renew(None if stamp == EMPTY else view(store, listed, layout))
    here = walked(work.folder)
    files = {name: here[name] for name in layout.content(here, work.folder)}
    work.settle(stamp, files, layout.heads(list(files), ()))


def _stamp_there(store: Store, listed: Listing, layout: Layout) -> str:
    """The stamp of what the store holds. Raises ``StorageError`` where it holds something else."""
    if layout.committed(listed):
        return layout.stamp(listed, store.read)
    foreign = sorted(name for name in listed if not layout.owns(name))
    if foreign:
        problem = f"something else stands here, such as {foreign[0]}"
        raise StorageError(problem, where=str(store.uri), cure="choose another address")
    return EMPTY


def _stamp_here(work: Work, layout: Layout) -> str:
    """The stamp of the copy; that of nothing where it is not complete."""
    here = walked(work.folder)
    if not layout.committed(here):
        return EMPTY
    return layout.stamp(here, lambda name: (work.folder / name).read_bytes())


@dataclass(frozen=True)
class Push:
    """What is sent from where to where.

    Attributes:
        store: the folder in the store.
        work: the copy.
        layout: what kind of folder it is.
        lease: the right to write.
    """

    store: Store
    work: Work
    layout: Layout
    lease: Lease

    def run(self) -> None:
        """Send what is new, commit it, and remove what is no part of it.

        Raises:
            StorageError: the store refuses, or another writer was quicker. Nothing is committed then, but for those
                of several commits that were made before.
        """
        here = walked(self.work.folder)
        if not self.layout.committed(here):  # nothing was made that could be committed
            return
        here = {name: here[name] for name in sorted(self.layout.content(here, self.work.folder))}
        changed = self.work.changed(here)
        if not changed and here.keys() == self.work.begun.files.keys():
            return
        if _stamp_there(self.store, self.store.content(), self.layout) != self.work.begun.stamp:
            cure = "run the same command again: it begins with what is there now"
            raise Moved("another writer has changed it", where=str(self.store.uri), cure=cure)
        heads = self.layout.heads(changed, self.work.begun.files)
        self._send({name: here[name] for name in changed if name not in heads})
        self._check({name: one for name, one in here.items() if name not in heads})
        for head in heads:
            self._commit(head)
        self._settle(here)
        self.store.delete(self.layout.garbage(self.store.content(), self.work.folder))

    def _send(self, files: Listing) -> None:
        there = self.store.content()
        files = {name: one for name, one in files.items() if not self.work.is_sent(name, one, there.get(name))}
        with progress(f"sending to {self.store.uri}, in bytes", sum(one.size for one in files.values())) as advance:
            in_parallel([lambda name=name: self._put(name, files[name], advance) for name in files])

    def _put(self, name: str, here: Entry, advance: Callable[[int], Any]) -> None:
        self.lease.check()
        there = self.store.put(name, self.work.folder / name, advance)
        self.work.note_sent(name, here, there)

    def _check(self, files: Listing) -> None:
        """Everything that the commit will name stands there, as long as it is here."""
        there = self.store.content()
        for name, one in files.items():
            if name not in there or there[name].size != one.size:
                problem = f"the object is not there as it was sent ({one.size:,} bytes)"
                raise StorageError(problem, where=self.store.where(name), cure="run the same command again")

    def _commit(self, head: str) -> None:
        self.lease.check()
        before = self.work.begun.heads.get(head)
        self.store.exchange(head, (self.work.folder / head).read_bytes(), before)

    def _settle(self, here: Listing) -> None:
        self.work.settle(_stamp_here(self.work, self.layout), here, self.layout.heads(list(here), ()))
