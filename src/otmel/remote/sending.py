"""What a writer's copy holds is sent: what is new first, then what makes the commit; what is left over goes last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from otmel.errors import StorageError
from otmel.progress import progress
from otmel.remote.cache import walked
from otmel.remote.faults import Moved
from otmel.remote.fetching import in_parallel
from otmel.remote.layouts import Layout
from otmel.remote.lease import Lease
from otmel.remote.store import Entry, Listing, Store
from otmel.remote.work import Work

EMPTY: Final = ""
"""The stamp of a place where there is nothing."""


def stamp_there(store: Store, listed: Listing, layout: Layout) -> str:
    """The stamp of what the store holds. Raises ``StorageError`` where it holds something else."""
    if layout.committed(listed):
        return layout.stamp(listed, store.read)
    foreign = sorted(name for name in listed if not layout.owns(name))
    if foreign:
        problem = f"something else stands here, such as {foreign[0]}"
        raise StorageError(problem, where=str(store.uri), cure="choose another address")
    return EMPTY


def stamp_here(work: Work, layout: Layout) -> str:
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
        if stamp_there(self.store, self.store.content(), self.layout) != self.work.begun.stamp:
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
        self.work.settle(stamp_here(self.work, self.layout), here, self.layout.heads(list(here), ()))
