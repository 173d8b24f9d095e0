"""Locks between the processes of one machine, which the system takes back from one that dies."""

from __future__ import annotations

import json
import math
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
ENDED: Final = "wait until it is done (--wait SECONDS), or end it"


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

    def meet() -> None:
        note(f"waiting for {_holder(handle)}, which is writing to {path.parent}")

    handle = _opened(path)
    try:
        if not _taken(handle, wait, meet):
            raise StorageError(f"{_holder(handle)} is writing here", where=str(path.parent), cure=ENDED)
        _sign(handle)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, wait: float | None = None, where: str | None = None) -> Iterator[None]:
    """Hold a lock file that names nobody for the length of the block.

    Args:
        path: the lock file; made when absent, never removed.
        wait: seconds to wait for it; without end if not given.
        where: what is written to, for the error.

    Raises:
        StorageError: another process or thread holds it for longer, or the file cannot be opened.
    """
    handle = _opened(path)
    try:
        if not _taken(handle, wait):
            raise StorageError("another process is writing here", where=where or str(path.parent), cure=ENDED)
        yield
    finally:
        os.close(handle)


def _taken(handle: int, wait: float | None, meet: Callable[[], object] = lambda: None) -> bool:
    """Whether the lock was free, or became so within ``wait`` seconds; ``meet`` is called once before waiting."""
    import fcntl

    until, met = math.inf if wait is None else time.monotonic() + wait, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
        if not met:
            meet()
            met = True
        time.sleep(PAUSE_SECONDS)


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
