"""Atomic writes: a file or folder is there in full, or what stood there before is.

What is written goes to a temporary sibling, is flushed to the disk and then renamed over its target, so neither a full
disk nor a killed process leaves half a file under the right name.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from otmel.errors import StorageError

CURES = {
    errno.ENOSPC: "free some space there, or write to another disk",
    errno.EDQUOT: "your quota there is used up: free some space, or write to another disk",
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows",
    errno.EROFS: "the disk can only be read: write to another one",
    errno.EACCES: "give yourself the right to write there, or write to another folder",
    errno.EPERM: "give yourself the right to write there, or write to another folder",
    errno.EIO: "the disk reports a fault: check it, and write to another one",
    errno.ENOTDIR: "a part of the path is a file: choose another path",
    errno.EEXIST: "a part of the path is a file: choose another path",
}
# Libraries that write for themselves wrap the system's error in one of their own, and keep only its text.
WRAPPED_ERROR = re.compile(r"\(os error (\d+)\)")
WRAPPED_WITHOUT_NUMBER = re.compile(r"PytorchStreamWriter failed|inline_container\.cc.* unexpected pos")
AT_CURRENT_FOLDER, RENAME_EXCHANGE = -100, 2


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name to write a file to; it becomes ``path`` when the block ends without an error.

    The temporary name has the suffix of ``path``, for libraries that choose a format by it. Parent folders are made.

    Raises:
        StorageError: the disk refused; ``path`` is as it was and the temporary file is gone.
    """
    target = Path(os.path.realpath(path))
    temporary = _sibling(target)
    with _refusals_named(path, lambda: temporary.unlink(missing_ok=True)):
        if target.exists() and not target.is_file():
            raise StorageError("this is no regular file", where=str(path), cure="choose another path")
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        put_in_place(temporary, target)


def put_in_place(finished: Path, target: Path) -> None:
    """Rename a finished file over its target in the same folder, once it is on the disk. Raises ``OSError``."""
    _flush(finished)
    finished.replace(target)
    _flush(target.parent)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """An empty temporary folder to write to; it becomes ``path`` when the block ends without an error.

    A folder that stood at ``path`` is replaced as a whole: what it held and the new one does not is gone.

    Raises:
        StorageError: the disk refused; ``path`` is as it was and the temporary folder is gone.
    """
    target = Path(os.path.realpath(path))
    temporary = _sibling(target)
    with _refusals_named(path, lambda: shutil.rmtree(temporary, ignore_errors=True)):
        if target.exists() and not target.is_dir():
            raise StorageError("this is a file, where a folder is to be written", where=str(path), cure="remove it")
        temporary.mkdir(parents=True)
        yield temporary
        for place in (*temporary.rglob("*"), temporary):
            _flush(place)
        if target.exists():
            _exchange(temporary, target)
            _flush(target.parent)
            shutil.rmtree(temporary)
        else:
            temporary.rename(target)
            _flush(target.parent)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, in full or not at all. Raises ``StorageError``."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def atomic_write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as JSON, in full or not at all.

    Raises:
        StorageError: the disk refused.
        ValueError: ``value`` holds NaN or an infinity, which JSON has no word for.
    """
    atomic_write_text(path, json_text(value) + "\n")


def json_text(value: Any, indent: int | None = 2) -> str:
    """``value`` as JSON that any reader accepts: no NaN, and always valid UTF-8 (a lone surrogate is escaped)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent)
    return text


@contextmanager
def refusals_named(path: str | Path) -> Iterator[None]:
    """Around the writing of ``path``: the system's refusals become ``StorageError``."""
    with _refusals_named(path, lambda: None):
        yield


@contextmanager
def _refusals_named(path: str | Path, clean_up: Callable[[], None]) -> Iterator[None]:
    """Turn the system's refusals into ``StorageError``; clean up after every failure, Ctrl-C included."""
    try:
        yield
    except BaseException as fault:
        with suppress(OSError):  # what could not be made need not be removed
            clean_up()
        number = _system_error(fault)
        if number is None:
            raise
        reason = os.strerror(number).lower() if number else str(fault)
        raise StorageError(f"cannot be written: {reason}", where=str(path), cure=CURES.get(number)) from fault


def _system_error(fault: BaseException) -> int | None:
    """The system's error number behind ``fault``; 0 when it is unknown, ``None`` when the disk is not to blame."""
    if isinstance(fault, OSError):
        return fault.errno or 0
    if number := WRAPPED_ERROR.search(str(fault)):
        return int(number.group(1))
    return 0 if WRAPPED_WITHOUT_NUMBER.search(str(fault)) else None


def _sibling(target: Path) -> Path:
    return target.with_name(f".{target.stem}.{secrets.token_hex(4)}.tmp{target.suffix}")


def _flush(place: Path) -> None:
    """Wait until a file or folder is on the disk, not only in memory."""
    if place.is_symlink() or (os.name == "nt" and place.is_dir()):
        return
    handle = os.open(place, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(first: Path, second: Path) -> None:
    """Swap two folders: in one step where the system can, else in three renames."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    names = os.fsencode(first), os.fsencode(second)
    if rename and rename(AT_CURRENT_FOLDER, names[0], AT_CURRENT_FOLDER, names[1], RENAME_EXCHANGE) == 0:
        return
    aside = _sibling(second)
    second.rename(aside)
    try:
        first.rename(second)
    except OSError:
        aside.rename(second)
        raise
    aside.rename(first)
