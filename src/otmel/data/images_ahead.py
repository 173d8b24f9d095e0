"""Images of the rows to come: from a store they are on their way before they are looked for, many at a time.

A store answers after tens of milliseconds, and an image takes three requests: fetched one after the other, ten a second
come in. Rows are therefore read somewhat further than they are used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from otmel.data.images import name_fault
from otmel.data.raw_rows import RawRow

T = TypeVar("T")
AHEAD: Final = 128
"""Rows that are read before they are used."""


def stated(row: RawRow) -> Iterator[str]:
    """The names of images in a row's ``image`` (or ``images``)."""
    value = row.values.get("image") or row.values.get("images")
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def images_ahead(rows: Iterable[T], folder: Path | None, names: Callable[[T], Iterable[str]]) -> Iterator[T]:
    """The rows as they come, where their images lie here; where these lie in a store, they are sent for early.

    Args:
        rows: the rows.
        folder: the folder that image names are relative to; ``None``: there is none.
        names: those of a row's images; raises nothing.

    Raises:
        Exception: what reading the rows raises, after every row before it has been given.
    """
    from otmel.remote import lazy

    if folder is None or not lazy.is_late(folder):
        yield from rows
        return
    waiting: deque[T] = deque()
    with lazy.ahead() as reader:
        reading = iter(rows)
        while True:
            try:
                row = next(reading)
            except StopIteration:
                yield from waiting
                return
            except Exception:
                yield from waiting
                raise
            for name in names(row):
                if name_fault(name) is None:
                    reader.send(folder / name)
            waiting.append(row)
            if len(waiting) > AHEAD:
                yield waiting.popleft()
