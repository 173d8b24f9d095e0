"""The rows of a dump of Wikidata: one JSON list with an entity in each line, or lines without the list around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from otmel.data.byte_files import BrokenStream, ByteFile
from otmel.data.json_array import MAX_JSON_ROW, read_array
from otmel.data.line_rows import bounded_lines, json_row
from otmel.data.raw_rows import RawRow

_HEAD: Final = 4096
_FREE = re.compile(rb"\[([ \t\r]*[^ \t\r\n]|\s*\{[ \t\r]*\n)")


def read_dump(file: ByteFile, start: int = 0) -> Iterator[RawRow]:
    """The rows of a dump after the first ``start``, which are not parsed. Texts are not looked at: few are used.

    Raises:
        BrokenStream: the list that begins does not end.
    """
    if has_free_layout(file):
        yield from read_array(file, start)
        return
    with file.open() as stream:
        open_list, passed = False, 0
        for number, line in enumerate(bounded_lines(stream, MAX_JSON_ROW), 1):
            row = line if line is None else line.strip().rstrip(b",")
            if row in (b"", b"[", b"]"):
                open_list = open_list if row == b"" else row == b"["
                continue
            passed += 1
            if passed > start:
                where = f"{file.path.name}: line {number}"
                yield RawRow(where, {}, "text too long") if row is None else json_row(row, where)
        if open_list:
            raise BrokenStream("ends without the bracket that closes its list")


def has_free_layout(file: ByteFile) -> bool:
    """Whether the rows of the file's list need not have lines of their own: they begin in its line, or are indented."""
    with file.open() as stream:
        head = stream.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    return _FREE.match(head) is not None
