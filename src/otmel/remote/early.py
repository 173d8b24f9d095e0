"""Files that one reader looks for, and may send for before: they come many at a time, while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from otmel.remote.fetching import AT_ONCE

Copies: TypeAlias = "dict[Path, Path | None]"
"""File → its copy; ``None`` where there is no such file."""
Send: TypeAlias = Callable[[Sequence[Path]], None]
REMEMBERED: Final = 4096
"""Files that were sent for and need not be asked about again."""


class Early:
    """Files that one reader looks for. Those that it has sent for are looked for once, and are then what they were.

    Args:
        fetch: gives the copy of a file, ``None`` where there is none.
    """

    def __init__(self, fetch: Callable[[Path], Path | None]) -> None:
        self._fetch, self._failed = fetch, False
        self._sent: dict[Path, Future[Copies]] = {}

    @contextmanager
    def sending(self) -> Iterator[Send]:
        """``send(paths)`` sends for the first of some files that there is, and does not wait for it.

        After the block all of them still come, unless it is broken off. After an error none is sent for any more.
        """
        pool = ThreadPoolExecutor(AT_ONCE, "otmel-fetch")

        def send(paths: Sequence[Path]) -> None:
            if self._failed or all(path in self._sent for path in paths):
                return
            self._sent.update(dict.fromkeys(paths, pool.submit(self._first, paths)))
            while len(self._sent) > REMEMBERED:
                del self._sent[next(iter(self._sent))]

        try:
            yield send
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown(wait=False)

    def get(self, path: Path) -> Path | None:
        """The copy of a file. Raises what was met when it was fetched."""
        coming = self._sent.get(path)
        if coming is not None:
            with suppress(CancelledError):
                copies = coming.result()
                if path in copies:
                    return copies[path]
        return self._fetch(path)

    def _first(self, paths: Sequence[Path]) -> Copies:
        copies: Copies = {}
        for path in paths:
            if self._failed:
                raise CancelledError
            try:
                copies[path] = self._fetch(path)
            except BaseException:
                self._failed = True  # what waits in the queue would only meet the same
                raise
            if copies[path] is not None:
                break
        return copies
