"""Files that are fetched before they are looked for: a reader sends for them, many at a time, and goes on meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from otmel.remote.fetching import AT_ONCE

Coming: TypeAlias = Future[Path | None]
REMEMBERED: Final = 4096
"""Files that a reader has sent for and that nobody has looked for yet; older ones are forgotten."""


@dataclass
class _Sent:
    """A file that was sent for.

    Attributes:
        coming: its copy, ``None`` where there is no such file, or the error that was met.
        uses: how often it will be looked for.
        reader: who sends for it.
    """

    coming: Coming
    reader: Reader
    uses: int = 1


@dataclass
class Reader:
    """Sends for files.

    Attributes:
        fetch: gives the copy of one.
        ended: whether it sends for no more.
    """

    fetch: Callable[[Path], Path | None]
    ended: bool = False
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "otmel-fetch"))
    _asked: deque[Path] = field(default_factory=deque)

    def send(self, path: Path) -> None:
        """Send for a file, and do not wait for it."""
        with _guard:
            if (sent := _sent.get(path)) is not None:
                sent.uses += 1
                return
            _sent[path] = _Sent(self._pool.submit(self.fetch, path), self)
            self._asked.append(path)
            if len(self._asked) > REMEMBERED:
                _sent.pop(self._asked.popleft(), None)

    def end(self, drop: bool) -> None:
        """Send for no more; what has not begun to come is dropped, or is still awaited."""
        self.ended = True
        self._pool.shutdown(wait=False, cancel_futures=drop)


_sent: dict[Path, _Sent] = {}
_guard = threading.Lock()


@contextmanager
def reader(fetch: Callable[[Path], Path | None]) -> Iterator[Reader]:
    """A reader for the length of the block. What it has sent for then still comes, unless the block is broken off."""
    with _guard:  # what earlier readers left may be out of date
        for path in [path for path, sent in _sent.items() if sent.reader.ended]:
            del _sent[path]
    one = Reader(fetch)
    try:
        yield one
    except BaseException:
        one.end(drop=True)
        raise
    one.end(drop=False)


def taken(path: Path) -> Coming | None:
    """What is coming in the place of a file; ``None`` where nobody has sent for it, or all who did have taken it."""
    with _guard:
        sent = _sent.get(path)
        if sent is not None:
            sent.uses -= 1
            if not sent.uses:
                del _sent[path]
    return None if sent is None else sent.coming
