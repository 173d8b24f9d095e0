"""The rows of a JSON array, read from a file piece by piece: in memory is one row and a block of text."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from otmel.data.byte_files import BLOCK, BrokenStream, ByteFile
from otmel.data.jsonio import kind_of
from otmel.data.raw_rows import RawRow
from otmel.errors import DataError

MAX_JSON_ROW: Final = 16_000_000
"""Characters of JSON above which a row is skipped. The longest of Wikidata's take some four millions."""

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'\\.|["{}\[\],]', re.DOTALL)
_NO_UTF8 = re.compile("[\udc80-\udcff]")


def read_array(file: ByteFile, start: int = 0, limit: int = MAX_JSON_ROW) -> Iterator[RawRow]:
    """The rows of a file that is one JSON list, after the first ``start``. Places count from 0, as dense ids do.

    A row that is no object, or no JSON as far as its brackets reach, comes with its fault.

    Raises:
        DataError: the file holds no list.
        BrokenStream: the list does not end, or something follows its end.
    """
    with file.open() as stream:
        for number, (values, fault) in enumerate(_Array(stream, str(file.path), limit).values()):
            if number >= start:
                yield RawRow(f"{file.path.name}: row {number}", values, fault)


class _Array:
    """A list of which ``_text`` is a part and ``_at`` the place reached in it."""

    def __init__(self, stream: IO[bytes], where: str, limit: int) -> None:
        self._stream, self._where, self._limit = stream, where, limit
        self._text, self._at, self._spoilt = "", 0, False
        # Bytes that are no UTF-8 come through as lone surrogates, so that only their own row is lost.
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._decode = json.JSONDecoder().raw_decode

    def values(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        """The values and the fault of every row."""
        self._open()
        while (character := self._peek()) != "]":
            if not character:
                raise BrokenStream("ends within its list")
            yield self._row()
            if self._peek() == ",":
                self._at += 1
        self._at += 1
        if self._peek():
            raise BrokenStream("goes on after the end of its list")

    def _open(self) -> None:
        first = self._peek()
        if first != "[":
            got = kind_of({"{": {}, '"': ""}.get(first, 0)).partition(" (")[0] if first else "nothing"
            raise DataError(f"a list of rows was expected, got {got}", where=self._where, cure="write [ {…}, {…} ]")
        self._at += 1

    def _row(self) -> tuple[dict[str, Any], str | None]:
        while True:
            value, end = self._complete()
            if end is None:
                end = _Extent().end(self._text, self._at)
            if end is not None:
                begin, self._at = self._at, end
                return self._judged(value, begin)
            if len(self._text) - self._at > self._limit:
                return self._passed_over()
            self._read_on()

    def _complete(self) -> tuple[Any, int | None]:
        """The value that begins here and where it ends, if all of it, and what shows that it ends, has been read."""
        try:
            value, end = self._decode(self._text, self._at)
        except (ValueError, RecursionError):
            return _BROKEN, None
        end = _after_space(self._text, end)
        return (value, end) if self._text[end : end + 1] in (",", "]") else (_BROKEN, None)

    def _judged(self, value: Any, begin: int) -> tuple[dict[str, Any], str | None]:
        if self._at - begin > self._limit:
            return {}, "text too long"
        if self._spoilt and _NO_UTF8.search(self._text, begin, self._at):
            return {}, "bad UTF-8"
        if value is _BROKEN:
            return {}, "broken JSON"
        return (value, None) if isinstance(value, dict) else ({}, "no object")

    def _passed_over(self) -> tuple[dict[str, Any], str]:
        extent = _Extent()
        while (end := extent.end(self._text, self._at)) is None:
            self._at = len(self._text)
            self._read_on()
        self._at = end
        return {}, "text too long"

    def _peek(self) -> str:
        """The next character that is no space; empty at the end of the file."""
        while True:
            self._at = _after_space(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _read_on(self) -> None:
        if not self._more():
            raise BrokenStream("ends within a row of its list")

    def _more(self) -> bool:
        """Read as much again as waits already, so that a long row is not parsed too often."""
        waiting = self._text[self._at :]
        data = self._stream.read(max(BLOCK, len(waiting)))
        self._text, self._at = waiting + self._utf8.decode(data, final=not data), 0
        self._spoilt = not _is_utf8(self._text)
        return len(self._text) > len(waiting) or bool(data)


_BROKEN: Final = object()


class _Extent:
    """Finds where a row ends by its brackets alone, while its text comes in pieces.

    Within braces only braces count, so that a square bracket left open costs its own row alone.
    """

    def __init__(self) -> None:
        self._braces, self._squares, self._quoted, self._escaped = 0, 0, False, False

    def end(self, text: str, start: int) -> int | None:
        """Where in ``text`` the comma or bracket stands that follows the row; ``None`` when it is not there yet."""
        if start == len(text):
            return None
        last = start + self._escaped
        for match in _TOKEN.finditer(text, last):
            last = match.end()
            if match[0] == '"':
                self._quoted = not self._quoted
            elif not self._quoted and self._ends(match[0]):
                return match.start()
        self._escaped = text.endswith("\\") and last < len(text)
        return None

    def _ends(self, token: str) -> bool:
        if token in "{}":
            self._braces = max(0, self._braces + (1 if token == "{" else -1))
        elif not self._braces and token in ",]" and not self._squares:
            return True
        elif not self._braces and token in "[]":
            self._squares += 1 if token == "[" else -1
        return False


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
