"""One writer at a time: a lock that the system takes back from a process that dies."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from otmel.errors import StorageError
from otmel.storage import CURES

Note = Callable[[str], None]
PAUSE_SECONDS: Final = 0.05


def silent(message: str) -> None:
    """A ``Note`` that tells nobody."""


@contextmanager
def writer_lock(path: Path, wait: float = 0.0, note: Note = silent) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; it then names this process and the time.

    Args:
        path: the lock file; made when absent, never removed.
        wait: seconds to wait for another writer.
        note: told once when there is one to wait for.

    Raises:
        StorageError: another process or thread holds it for longer, or the file cannot be opened.
    """
    import fcntl

    handle = _opened(path)
    try:
        until, told = time.monotonic() + wait, False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _holder(handle)
            if time.monotonic() >= until:
                cure = "wait until it is done (--wait SECONDS), or end it"
                raise StorageError(f"{holder} is writing here", where=str(path.parent), cure=cure)
            if not told:
                note(f"waiting for {holder}, which is writing to {path.parent}")
                told = True
            time.sleep(PAUSE_SECONDS)
        _sign(handle)
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        problem = f"the lock cannot be taken: {(fault.strerror or str(fault)).lower()}"
        raise StorageError(problem, where=str(path), cure=CURES.get(fault.errno or 0)) from fault


def _sign(handle: int) -> None:
    text = json.dumps({"pid": os.getpid(), "time": datetime.now(timezone.utc).isoformat(timespec="seconds")})
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)
    except OSError:  # a full disk: the lock itself holds all the same, only its name is missing
        return


def _holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 1000, 0))
        return f"process {holder['pid']} (since {holder['time']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
