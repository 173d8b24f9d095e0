"""A lock between processes of one machine, which the system takes back from one that dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otmel.errors import StorageError
from otmel.storage import refusals_named

PAUSE_SECONDS: Final = 0.05


@contextmanager
def locked(path: Path, wait: float | None = None, where: str | None = None) -> Iterator[None]:
    """Hold a lock file for the length of the block; the system takes it back from a process that dies.

    Args:
        path: the file.
        wait: seconds to wait for it; without end if not given.
        where: what is written to, for the error.

    Raises:
        StorageError: another process holds it for longer, or it cannot be made.
    """
    import fcntl

    with refusals_named(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        until = None if wait is None else time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if until is not None and time.monotonic() >= until:
                    cure = "wait until it is done (--wait SECONDS), or end it"
                    raise StorageError(
                        "another process is writing here", where=where or str(path.parent), cure=cure
                    ) from None
            time.sleep(PAUSE_SECONDS)
        yield
    finally:
        os.close(handle)
