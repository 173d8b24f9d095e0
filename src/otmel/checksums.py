"""Checksums of files by chunks, so that a damaged file is found with the place where the damage begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import xxhash

from otmel.errors import DataError

CHUNK: Final = 1 << 20
"""Bytes under one checksum."""

Advance: TypeAlias = Callable[[int], Any]
"""Called with the number of bytes just read."""


@dataclass(frozen=True, slots=True)
class FileSum:
    """What a file holds.

    Attributes:
        size: bytes.
        chunks: xxh3_64 of every ``CHUNK`` bytes, the last chunk being what is left; none for an empty file.
    """

    size: int
    chunks: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """``{size, chunks}``, the chunks as one text of sixteen hexadecimal digits each."""
        return {"size": self.size, "chunks": "".join(f"{chunk:016x}" for chunk in self.chunks)}

    @classmethod
    def from_json(cls, value: Any, where: str) -> FileSum:
        """The checksum that ``as_json`` wrote. Raises ``DataError`` when it is no such thing."""
        try:
            size, digits = int(value["size"]), str(value["chunks"])
            chunks = tuple(int(digits[start : start + 16], 16) for start in range(0, len(digits), 16))
        except (KeyError, TypeError, ValueError):
            raise DataError("this is no checksum of a file", where=where) from None
        if size < 0 or len(chunks) != -(-size // CHUNK) or len(digits) != 16 * len(chunks):
            problem = f"a checksum has {len(digits)} digits for {size:,} bytes"
            raise DataError(problem, where=where)
        return cls(size, chunks)


@dataclass(frozen=True, slots=True)
class Fault:
    """Damage to a file.

    Attributes:
        file: its name, relative to the folder that was searched.
        offset: the byte at which the damage begins: of the chunk, or nearer where that can be told.
        problem: ``missing``, ``unreadable``, ``truncated``, ``longer``, ``zeroed`` or ``altered``, with figures.
    """

    file: str
    offset: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem} (byte {self.offset:,})"


def checksum(path: str | Path) -> FileSum:
    """The checksum of a file, read once, a chunk at a time. Raises ``OSError`` when it cannot be read."""
    size, chunks = 0, []
    for chunk in _chunks(Path(path)):
        size += len(chunk)
        chunks.append(xxhash.xxh3_64_intdigest(chunk))
    return FileSum(size, tuple(chunks))


def find_faults(
    root: str | Path, sums: Mapping[str, FileSum], advance: Advance = lambda count: None, whole: bool = True
) -> list[Fault]:
    """Compare files with their checksums.

    Args:
        root: the folder that the names are relative to.
        sums: name → checksum.
        advance: told of every piece of work done; the pieces add up to the sum of the sizes stated.
        whole: read everything; else only sizes, and each file's first and last chunk.

    Returns:
        The faults, files in the order of ``sums``; one for every run of damaged chunks.
    """
    return [fault for name, stated in sums.items() for fault in _faults_of(Path(root), name, stated, advance, whole)]


def _faults_of(root: Path, name: str, stated: FileSum, advance: Advance, whole: bool) -> list[Fault]:
    path, faults = root / name, []
    try:
        size = path.stat().st_size
        faults += _altered(path, name, stated, size, _wanted(stated, whole))
    except FileNotFoundError:
        return [Fault(name, 0, "missing")]
    except OSError as fault:
        return [Fault(name, 0, f"unreadable ({fault.strerror or fault})")]
    finally:
        advance(stated.size)
    if size < stated.size:
        faults.append(Fault(name, size, f"truncated: {size:,} of {stated.size:,} bytes are there"))
    elif size > stated.size:
        faults.append(Fault(name, stated.size, f"longer: {size:,} bytes instead of {stated.size:,}"))
    return faults


def _wanted(stated: FileSum, whole: bool) -> Iterator[int]:
    count = len(stated.chunks)
    return iter(range(count) if whole else sorted({0, count - 1} & set(range(count))))


def _altered(path: Path, name: str, stated: FileSum, size: int, wanted: Iterator[int]) -> list[Fault]:
    """The faults among the ``wanted`` chunks, one for every run; of a truncated file, only of those that are whole."""
    faults: list[Fault] = []
    before = -2
    with path.open("rb") as file:
        for number in wanted:
            length = min(CHUNK, stated.size - number * CHUNK)
            if number * CHUNK + length > size:
                break
            file.seek(number * CHUNK)
            chunk = file.read(length)
            if xxhash.xxh3_64_intdigest(chunk) == stated.chunks[number]:
                continue
            if number != before + 1:
                faults.append(_described(name, number, chunk))
            before = number
    return faults


def _described(name: str, number: int, chunk: bytes) -> Fault:
    """A chunk that ends in a long run of zeros is called zeroed, and dated from there."""
    rest = len(chunk.rstrip(b"\0"))
    zeros = len(chunk) - rest
    if zeros >= min(512, len(chunk)) and zeros:
        return Fault(name, number * CHUNK + rest, "zeroed: nothing but zeros where something else stood")
    return Fault(name, number * CHUNK, f"altered: the checksum of its {len(chunk):,} bytes is another")


def _chunks(path: Path) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        while True:
            filled = 0
            while filled < CHUNK and (count := file.readinto(buffer[filled:])):
                filled += count
            if not filled:
                return
            yield buffer[:filled]


def flushed(path: str | Path) -> Path:
    """``path``, a file or folder, once it is on the disk and not only in memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return Path(path)
