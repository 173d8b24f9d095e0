"""The folder that image names are relative to: from a store, images are on their way before they are looked for.

A store answers after tens of milliseconds, and an image takes three requests: fetched one after the other, ten a second
come in. Rows are therefore read somewhat further than they are used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from otmel.data.findings import Findings
from otmel.data.images import found_there, name_fault, resolve_image
from otmel.remote import lazy
from otmel.remote.early import Early, Send

HELD_ROWS: Final = 128
"""Rows that are read before they are used, at most."""
HELD_BYTES: Final = 8 << 20
"""Bytes of texts and images in such rows, at most; a single row may have more."""


class HasValues(Protocol):
    """A row: what stands in its columns."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Column → value."""
        ...


R = TypeVar("R", bound=HasValues)
Names: TypeAlias = Iterable[Sequence[str]]
"""For each image the names that it may have: the first that is there is meant."""


@dataclass
class ImageRoot:
    """The images of one reading.

    Attributes:
        folder: the folder that names are relative to and may not leave.
        rows_held: how many rows may be read before they are used; 0 where whoever writes them waits for answers.
    """

    folder: Path
    rows_held: int = HELD_ROWS
    _early: Early | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, place: Path | ImageRoot) -> ImageRoot:
        """A folder as what it is for one reading."""
        return place if isinstance(place, ImageRoot) else cls(place)

    @property
    def in_store(self) -> bool:
        """Whether the images lie in a store."""
        return lazy.is_late(self.folder)

    def find(self, name: str, findings: Findings, where: str) -> Path | None:
        """The image of this name, or ``None`` and a count of why not (``resolve_image``)."""
        return resolve_image(self.folder, name, findings, where, self.look)

    def look(self, path: Path) -> Path | None:
        """The file at a path in the folder; from a store its copy."""
        return found_there(path) if self._early is None else self._early.get(path)

    def ahead(self, rows: Iterable[R], names: Callable[[R], Names]) -> Generator[R]:
        """The rows in their order; from a store, the images that they name have been sent for.

        What an earlier call has sent for, and what came of it, is forgotten.

        Args:
            rows: the rows.
            names: those of a row's images; raises nothing.

        Raises:
            Exception: what reading the rows raises, after every row before it has been given.
        """
        if not self.in_store or self.rows_held < 1:
            yield from rows
            return
        self._early = Early(lazy.fetched_late)
        with self._early.sending() as send:
            yield from self._held(rows, lambda row: self._sent(names(row), send))

    def _sent(self, names: Names, send: Send) -> bool:
        """Send for images; whether there were any."""
        some = False
        for one in names:
            paths = [self.folder / name for name in one if name_fault(name) is None]
            if paths:
                send(paths)
                some = True
        return some

    def _held(self, rows: Iterable[R], sent: Callable[[R], bool]) -> Iterator[R]:
        """The rows, each given when those after it that may be held have been read."""
        waiting: deque[tuple[R, int]] = deque()
        held, reading = 0, iter(rows)
        while True:
            try:
                row = next(reading)
            except StopIteration:
                yield from (one for one, _ in waiting)
                return
            except Exception:
                yield from (one for one, _ in waiting)
                raise
            if not sent(row) and not waiting:
                yield row
                continue
            waiting.append((row, size := _bytes(row.values)))
            held += size
            while waiting and (len(waiting) > self.rows_held or held > HELD_BYTES):
                first, size = waiting.popleft()
                held -= size
                yield first


def stated(row: HasValues) -> Names:
    """The names of images in a row's ``image`` (or ``images``), as ``Fields.images`` takes them."""
    return stated_in(row.values)


def stated_in(values: Mapping[str, Any]) -> Iterator[tuple[str]]:
    """The names of images in ``image`` (or ``images``)."""
    value = values.get("image") or values.get("images")
    yield from ((one,) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _bytes(values: Mapping[str, Any]) -> int:
    """About how many bytes a row's texts and images have, those of nested values too."""
    size, waiting = 0, [*values.values()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (str, bytes)):
            size += len(value)
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
    return size
