"""What Lance and the system say when something fails, turned into otmel's own errors."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otmel.errors import DataError, OtmelError, StorageError
from otmel.storage import CURES, WRAPPED_ERROR

PANICS: Final = ("PanicException", "RustPanic")


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """Turn what Lance says about a file it cannot read into ``DataError``."""
    try:
        yield
    except BaseException as fault:
        if not _lances(fault):
            raise
        said = str(fault).splitlines()[0][:300] if str(fault) else type(fault).__name__
        gone = "not found" in said.lower() or "no longer exists" in said or "os error 2)" in said
        problem = f"the snapshot's files are gone: it was expired ({said})" if gone else f"it cannot be read ({said})"
        cure = "open the graph anew" if gone else f"otmel graph verify {root} finds what is damaged"
        raise DataError(problem, where=str(root), cure=cure) from fault


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn the disk's refusals, as Lance words them, into ``StorageError``; Ctrl-C waits for the end of the block."""
    try:
        with _interrupts_held():
            yield
    except BaseException as fault:
        if not _lances(fault):
            raise
        raise _refused(fault, root) from fault


@contextmanager
def refusals(root: Path) -> Iterator[None]:
    """Turn the system's own refusals to write into ``StorageError``."""
    try:
        yield
    except OSError as fault:
        raise _refused(fault, root) from fault


def _refused(fault: BaseException, root: Path) -> StorageError:
    found = WRAPPED_ERROR.search(str(fault))
    number = int(found.group(1)) if found else getattr(fault, "errno", None)
    reason = os.strerror(number).lower() if number else (str(fault).splitlines() or [type(fault).__name__])[0][:300]
    return StorageError(f"cannot be written: {reason}", where=str(root), cure=CURES.get(number or 0))


def _lances(fault: BaseException) -> bool:
    known = isinstance(fault, (RuntimeError, ValueError, OSError)) and not isinstance(fault, OtmelError)
    return known or type(fault).__name__ in PANICS


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C within the block takes effect after it: Lance would go on writing behind our back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt
