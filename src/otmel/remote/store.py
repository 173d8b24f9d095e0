"""A folder in a store: listed, read, written and deleted by names relative to it, every call tried several times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from otmel.errors import StorageError
from otmel.remote.clients import file_system
from otmel.remote.faults import Moved, Retry
from otmel.remote.places import Uri

T = TypeVar("T")
PIECE: Final = 8 << 20
"""Bytes read or written at once."""
PRIVATE: Final = ".otmel-"
"""What names begin with that are no part of the content."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object: its bytes, and when it was written (nanoseconds; 0 where the store does not say)."""

    size: int
    time: int


Listing: TypeAlias = dict[str, Entry]
"""Name, relative to a folder → object."""


@dataclass
class Store:
    """A folder in a store.

    Attributes:
        uri: its address.
        retry: how often a call is tried.
    """

    uri: Uri
    retry: Retry = field(default_factory=Retry)

    @cached_property
    def files(self) -> Any:
        """The file system (``pyarrow.fs``)."""
        return file_system(self.uri)

    def list(self, under: str = "") -> Listing:
        """All objects below the folder, or below a folder in it; none where there is no such folder."""
        from pyarrow.fs import FileSelector

        root = f"{self._path(under)}"
        selector = FileSelector(root, recursive=True, allow_not_found=True)
        found = self._tried("be listed", under, lambda: self.files.get_file_info(selector))
        cut = len(self.uri.key) + 1
        return {one.path.lstrip("/")[cut:]: Entry(one.size, one.mtime_ns or 0) for one in found if one.is_file}

    def inside(self, under: str = "") -> tuple[list[str], list[str]]:
        """The names of the folders and of the objects that lie right in the folder, or right in a folder in it."""
        from pyarrow.fs import FileSelector

        selector = FileSelector(self._path(under), allow_not_found=True)
        found = self._tried("be listed", under, lambda: self.files.get_file_info(selector))
        names = [(one.is_file, one.path.rstrip("/").rsplit("/", 1)[-1]) for one in found]
        return sorted(name for file, name in names if not file), sorted(name for file, name in names if file)

    def content(self) -> Listing:
        """The objects of ``list`` that are content."""
        return {name: one for name, one in self.list().items() if f"/{PRIVATE}" not in f"/{name}"}

    def stat(self, name: str = "") -> Entry | None:
        """An object, or the folder's own address as one; ``None`` where there is none."""
        found = self._tried("be looked at", name, lambda: self.files.get_file_info(self._path(name)))
        return Entry(found.size, found.mtime_ns or 0) if found.is_file else None

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of an object, all from ``start`` on by default. Raises ``Absent``."""

        def work() -> bytes:
            with self.files.open_input_file(self._path(name)) as file:
                wanted = file.size() - start if length is None else length
                data = file.read_at(wanted, start)
            if len(data) != wanted:
                raise OSError(f"{len(data):,} of {wanted:,} bytes came")
            return data

        return self._tried("be read", name, work)

    def put(self, name: str, path: Path, advance: Callable[[int], Any] = lambda count: None) -> Entry:
        """Write a file to an object, and say what stands there then."""

        def work() -> None:
            with path.open("rb") as source, self._opened(name) as target:
                while piece := source.read(PIECE):
                    target.write(piece)

        self._tried("be written", name, work)
        written, size = self.stat(name), path.stat().st_size
        if written is None or written.size != size:
            found = 0 if written is None else written.size
            raise StorageError(f"{found:,} of {size:,} bytes arrived", where=self.where(name), cure="run it again")
        advance(size)
        return written

    def write(self, name: str, data: bytes) -> None:
        """Write bytes to an object."""

        def work() -> None:
            with self._opened(name) as target:
                target.write(data)

        self._tried("be written", name, work)

    def exchange(self, name: str, data: bytes, before: str | None) -> None:
        """Write bytes to an object whose content has the SHA-256 ``before`` (``None``: that is not there), or to none.

        Where the store can write on a condition, this is one step; elsewhere the object is read just before.

        Raises:
            Moved: the object holds something else.
        """
        from otmel.remote.conditional import Expected, conditional

        write = conditional(self.uri, name)
        if write is None:
            self._look(name, data, before)
            self.write(name, data)
            return
        expected = Expected(None) if before is None else self._tried("be read", name, lambda: write.tag(before))
        if expected is not None and self._tried("be written", name, lambda: write.put(data, expected)):
            return
        self._look(name, data, fingerprint(data))  # an answer that was lost: what is there may be what was written

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there is as good as deleted."""
        for name in names:
            try:
                self._tried("be deleted", name, lambda name=name: self.files.delete_file(self._path(name)))
            except StorageError:
                if self.stat(name) is not None:
                    raise

    def where(self, name: str) -> str:
        """The address of an object."""
        return f"{self.uri}/{name}" if name else str(self.uri)

    def _look(self, name: str, data: bytes, before: str | None) -> None:
        found = fingerprint(self.read(name)) if self.stat(name) is not None else None
        if found not in (before, fingerprint(data)):
            raise Moved("another writer has changed it", where=self.where(name), cure="run the same command again")

    def _opened(self, name: str) -> Any:
        path = self._path(name)
        if self.files.type_name not in ("s3", "gcs", "abfs"):  # elsewhere a file needs a folder
            self.files.create_dir(path.rsplit("/", 1)[0], recursive=True)
        return self.files.open_output_stream(path, compression=None)

    def _path(self, name: str) -> str:
        return f"{self.uri.key}/{name}" if name else self.uri.key

    def _tried(self, what: str, name: str, work: Callable[[], T]) -> T:
        return self.retry.call(self.where(name), what, work)


def fingerprint(data: bytes) -> str:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()
