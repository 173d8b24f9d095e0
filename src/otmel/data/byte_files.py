"""Files read as one stream of bytes, compressed or not, with the place reached for a progress bar."""

from __future__ import annotations

import bz2
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol, TypeVar

from otmel.errors import DataError

T = TypeVar("T")
BLOCK: Final = 1 << 18
"""Bytes read at once."""

PACKED: Final = (".gz", ".bz2")
"""Endings of compressed files."""


class BrokenStream(Exception):
    """A file that does not go on as it must; the message completes "the file …"."""


class ByteFile:
    """A file to be read from its beginning, as often as wanted but once at a time.

    What is compressed by gzip or bzip2, by its first bytes, is unpacked on the way; several such streams may follow one
    another.

    Attributes:
        path: the file.
        total_bytes: its size on the disk.
        position: how many of these bytes have been read.

    Raises:
        DataError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError("there is no such file", where=str(path))
        self.path, self.total_bytes, self.position = path, path.stat().st_size, 0

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The unpacked bytes. Reading them raises ``BrokenStream`` where the compression is damaged or ends early."""
        self.position = 0
        with self.path.open("rb", buffering=0) as raw:
            unpacker = self._unpacker(raw.read(10))
            raw.seek(0)
            counted = _Counted(raw, self)
            stream = counted if unpacker is None else _Unpacked(counted, unpacker)
            with io.BufferedReader(stream, BLOCK) as buffered:
                yield buffered

    def _unpacker(self, head: bytes) -> Callable[[], Unpacker] | None:
        for magic, unpacker in _UNPACKERS.items():
            if magic.match(head):
                return unpacker
        if self.path.suffix.lower() in PACKED:
            raise BrokenStream("is not compressed as its name says")
        return None


def whole(rows: Iterator[T], path: Path, start: int = 0) -> Iterator[T]:
    """``rows``, of which the first has the number ``start + 1``.

    Raises:
        DataError: the file breaks off or cannot be read; the last row before that is named.
    """
    reached = start
    try:
        for row in rows:
            reached += 1
            yield row
    except BrokenStream as fault:
        place = f"before row {start + 1:,}" if reached == start else f"after row {reached:,}"
        cure = "fetch or write it again; the rows before that are sound"
        raise DataError(f"the file {fault}, {place}", where=str(path), cure=cure) from None
    except OSError as fault:
        problem = f"the file cannot be read ({fault.strerror or fault})"
        raise DataError(f"{problem}, after row {reached:,}" if reached else problem, where=str(path)) from None


class _Counted(io.RawIOBase):
    def __init__(self, raw: io.FileIO, file: ByteFile) -> None:
        self._raw, self._file = raw, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        size = self._raw.readinto(buffer)
        # A file that grows meanwhile is no more than done.
        self._file.position = min(self._file.position + size, self._file.total_bytes)
        return size


class Unpacker(Protocol):
    """One compressed stream, as ``bz2.BZ2Decompressor`` is."""

    @property
    def needs_input(self) -> bool: ...  # noqa: D102
    @property
    def eof(self) -> bool: ...  # noqa: D102
    @property
    def unused_data(self) -> bytes: ...  # noqa: D102
    def decompress(self, data: bytes, max_length: int) -> bytes: ...  # noqa: D102


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


class _Unpacked(io.RawIOBase):
    """Compressed streams one after the other; never more than a block of each in memory."""

    # Python's own BZ2File passes in silence over whatever follows the first stream and cannot be unpacked.

    def __init__(self, raw: io.RawIOBase, unpacker: Callable[[], Unpacker]) -> None:
        self._raw, self._new, self._rest = raw, unpacker, b""
        self._stream: Unpacker | None = unpacker()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        while (stream := self._stream) is not None:
            wanted = stream.needs_input
            data = self._more() if wanted else b""
            piece = self._unpack(stream, data, len(buffer))
            if stream.eof:
                self._follow(stream.unused_data)
            elif wanted and not data and not piece:
                raise BrokenStream("is compressed and ends too early")
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
        return 0

    def _unpack(self, stream: Unpacker, data: bytes, size: int) -> bytes:
        try:
            return stream.decompress(data, size)
        except (zlib.error, OSError) as fault:
            raise BrokenStream(f"is compressed and damaged ({fault})") from None

    def _more(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest or self._raw.read(BLOCK) or b""

    def _follow(self, rest: bytes) -> None:
        """Begin the stream that follows; tapes and blocks may have padded the last one with zeros."""
        self._rest = rest.lstrip(b"\0")
        while not self._rest and (block := self._raw.read(BLOCK)):
            self._rest = block.lstrip(b"\0")
        self._stream = self._new() if self._rest else None


_UNPACKERS: Final[Mapping[re.Pattern[bytes], Callable[[], Unpacker]]] = {
    re.compile(rb"\x1f\x8b"): _Gzip,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): bz2.BZ2Decompressor,
}
"""First bytes → what unpacks what follows; bzip2's are followed by the beginning of a block or the end of all."""
