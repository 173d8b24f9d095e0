"""Fetching: objects become files of a copy, many at a time; each is checked before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otmel.checksums import FileSum, find_faults
from otmel.progress import progress
from otmel.remote.cache import link_or_copy
from otmel.remote.faults import Absent, Damaged
from otmel.remote.layouts import Needs
from otmel.remote.store import PIECE, Entry, Listing, Store, fingerprint

AT_ONCE: Final = 16
"""Objects on their way at the same time."""
TIMES: Final = 3
"""How often an object is fetched whose bytes are not those that its checksum tells."""


@dataclass(frozen=True)
class Fetch:
    """What is fetched from where to where.

    Attributes:
        store: the folder in the store.
        listed: what lies there.
        folder: where the files go.
        donors: copies of other states, whose files are taken where they are the same.
    """

    store: Store
    listed: Listing
    folder: Path
    donors: tuple[Path, ...]

    def run(self, needs: Needs) -> None:
        """Bring these files to the folder; what is there already, or in a donor, stays or is linked.

        Raises:
            Absent: the store does not have one of them.
            StorageError: one cannot be read, or is damaged; the others stay, and the next run goes on.
            OSError: the disk refuses.
        """
        missing = sorted(name for name in needs if name not in self.listed)
        if missing:
            raise Absent("the object is missing", where=self.store.where(missing[0]), cure="copy the folder whole")
        wanted = {name: one for name, one in needs.items() if not self._there(name, one)}
        size = sum(self.listed[name].size for name in wanted)
        with progress(f"fetching {self.store.uri}, in bytes", size) as advance:
            in_parallel([lambda name=name: self._fetch(name, wanted[name], advance) for name in sorted(wanted)])

    def one(self, name: str) -> None:
        """Bring one file of many, without a bar. Raises as ``run`` does."""
        if not self._there(name, None):
            self._fetch(name, None, lambda count: None)

    def _there(self, name: str, stated: FileSum | None) -> bool:
        """Whether the file is here by now: from an earlier run, or linked from a donor."""
        target = self.folder / name
        if self._same(target, name, stated):
            return True
        for donor in self.donors:
            if self._same(donor / name, name, stated):
                target.unlink(missing_ok=True)
                link_or_copy(donor / name, target)
                return True
        return False

    def _same(self, path: Path, name: str, stated: FileSum | None) -> bool:
        """Whether a file is what the object is: by size and time, or else by its checksum."""
        try:
            status = path.stat()
        except OSError:
            return False
        entry = self.listed[name]
        if status.st_size != entry.size:
            return False
        if status.st_mtime_ns == entry.time and entry.time:
            return True
        return stated is not None and not find_faults(path.parent, {path.name: stated})

    def _fetch(self, name: str, stated: FileSum | None, advance: Callable[[int], Any]) -> None:
        target, entry = self.folder / name, self.listed[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not by the file's own name, which may be as long as a name can be.
        part = target.with_name(f".{fingerprint(name.encode('utf-8', 'surrogatepass'))[:16]}.{entry.time}.part")
        faults: list[Any] = []
        for _ in range(TIMES):
            self._copy(name, entry, part, advance)
            faults = [] if stated is None else find_faults(part.parent, {part.name: stated})
            if not faults:
                os.utime(part, ns=(entry.time, entry.time))
                part.replace(target)
                return
            part.unlink()
            advance(-entry.size)
        problem = f"the object is damaged: {faults[0].problem} (byte {faults[0].offset:,})"
        cure = "nothing was taken from it: put a sound copy there, or build it again"
        raise Damaged(problem, where=self.store.where(name), cure=cure)

    def _copy(self, name: str, entry: Entry, part: Path, advance: Callable[[int], Any]) -> None:
        """Append to what an earlier attempt brought, piece by piece, and put it on the disk."""
        with part.open("ab") as file:
            start = min(file.tell(), entry.size) // PIECE * PIECE
            file.truncate(start)
            file.seek(start)
            advance(start)
            while start < entry.size:
                piece = self.store.read(name, start, min(PIECE, entry.size - start))
                file.write(piece)
                start += len(piece)
                advance(len(piece))
            file.flush()
            os.fsync(file.fileno())


def in_parallel(tasks: list[Callable[[], Any]]) -> None:
    """Do all of these, several at once. The first error ends it: what has not begun is not begun."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
