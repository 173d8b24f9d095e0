"""A file of JSON lines that is written while work goes on, and that a later process can finish.

``OUT.part`` holds the lines so far, and ``OUT.part.json`` says what they are made of. What goes on does so after whole
steps of lines; a line that was cut off or damaged is cut away with all that follows. At the end ``OUT.part`` becomes
``OUT``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from otmel.errors import ConfigurationError, StorageError
from otmel.storage import atomic_write_json, put_in_place, refusals_named

PART, JOURNAL = ".part", ".part.json"
FORMAT: Final = 1


@dataclass(frozen=True)
class Lines:
    """The file while it is written.

    Attributes:
        kept: lines that are there from an earlier process.
    """

    kept: int
    _file: IO[bytes]
    _target: Path

    def write(self, text: str) -> None:
        """Some more lines, handed to the system at once. Raises ``StorageError``."""
        with refusals_named(self._target):
            self._file.write(text.encode("utf-8"))
            self._file.flush()


@contextmanager
def unfinished(target: Path, made: Mapping[str, Any], step: int = 1) -> Iterator[Lines]:
    """The lines of ``target``, to be written from number ``kept`` on; they become it if the block ends without error.

    Args:
        target: the file.
        made: what the lines are made of, as plain values: whoever goes on must have the same.
        step: what goes on does so after a multiple of this many lines.

    Raises:
        ConfigurationError: there are lines made of something else.
        StorageError: the disk refuses, or another process is at it.
    """
    place = Path(os.path.realpath(target))
    part, journal = place.with_name(place.name + PART), place.with_name(place.name + JOURNAL)
    with refusals_named(target):
        if place.exists() and not place.is_file():
            raise StorageError("this is no regular file", where=str(target), cure="choose another path")
        place.parent.mkdir(parents=True, exist_ok=True)
        file = _alone(part)
    with file:
        _check(file, journal, json.loads(json.dumps(made)))
        with refusals_named(target):
            kept = _kept(file, step)
            atomic_write_json(journal, {"format": FORMAT, "made": made})
        try:
            yield Lines(kept, file, target)
        except BaseException:
            if not file.tell():  # nothing is lost, so nothing is left behind
                part.unlink(missing_ok=True)
                journal.unlink(missing_ok=True)
            raise
        with refusals_named(target):
            put_in_place(part, place)
            journal.unlink(missing_ok=True)


def _alone(part: Path) -> IO[bytes]:
    """The file of lines, which no other process can open in this way meanwhile."""
    import fcntl

    file = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if part.exists() and os.path.samestat(part.stat(), os.fstat(file.fileno())):
            return file
    except BlockingIOError:
        pass
    file.close()  # another process is writing it, or has just finished it
    raise StorageError("another process is writing here", where=str(part), cure="wait until it is done, or end it")


def _check(file: IO[bytes], journal: Path, made: Mapping[str, Any]) -> None:
    """Whether the lines that are there are made of the same."""
    if not os.fstat(file.fileno()).st_size:
        return
    part = journal.with_name(journal.name.removesuffix(JOURNAL) + PART)
    cure = f"give the same command as before; or begin again: remove {part.name} and {journal.name}"
    try:
        record = json.loads(journal.read_text(encoding="utf-8"))
        before = dict(record["made"]) if record["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    if before is None:
        raise ConfigurationError("nothing says what these lines are made of", where=str(part), cure=cure)
    differ = [key for key in sorted({*before, *made}) if before.get(key) != made.get(key)]
    if differ:
        said = "; ".join(f"{key} was {before.get(key)!r} and is now {made.get(key)!r}" for key in differ)
        raise ConfigurationError(f"an interrupted command left other work here: {said}", where=str(part), cure=cure)


def _kept(file: IO[bytes], step: int) -> int:
    """How many lines can stay; the file is cut behind them."""
    kept = end = number = place = 0
    for line in file:
        if not _whole(line):
            break
        number, place = number + 1, place + len(line)
        if number % step == 0:
            kept, end = number, place
    file.seek(end)
    file.truncate()
    return kept


def _whole(line: bytes) -> bool:
    """Whether this is a whole line with an object of JSON."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
