"""Rows of JSONL, one line at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

from otmel.data.byte_files import ByteFile
from otmel.data.raw_rows import MAX_DEPTH, MAX_ROW, RawRow, text_fault

_MARK: Final = b"\xef\xbb\xbf"


def read_lines(stream: IO[bytes] | IO[str], name: str, start: int = 0, before: int = 0) -> Iterator[RawRow]:
    """The rows of a JSONL stream after the first ``start``, in memory one line at a time; blank lines are no rows.

    ``before``: lines that the stream has already been moved past.
    """
    passed = 0
    for number, line in enumerate(bounded_lines(getattr(stream, "buffer", stream), first=not before), 1 + before):
        if line is not None and not line.strip():
            continue
        passed += 1
        if passed > start:
            where = f"{name}: line {number}"
            yield RawRow(where, {}, "text too long") if line is None else _checked_row(line, where)


def read_jsonl(file: ByteFile, start: int = 0) -> Iterator[RawRow]:
    """The rows of a JSONL file after the first ``start``, which are not parsed."""
    with file.open() as stream:
        yield from read_lines(stream, file.path.name, start)


def bounded_lines(stream: IO[Any], limit: int = MAX_ROW, first: bool = True) -> Iterator[bytes | None]:
    """The lines of a stream; ``None`` for one longer than ``limit`` bytes, of which only a piece is ever held.

    ``first``: whether the stream stands at its beginning, where a byte order mark may be.
    """
    while line := _piece(stream, limit):
        fits, rest = len(line) <= limit, line
        while rest and not rest.endswith(b"\n"):
            rest = _piece(stream, limit)
            fits = fits and not rest
        yield (line.removeprefix(_MARK) if first else line) if fits else None
        first = False


def _piece(stream: IO[Any], limit: int) -> bytes:
    piece = stream.readline(limit + 1)
    return piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece


def json_row(line: bytes, where: str) -> RawRow:
    """The object in a line of JSON, its texts as they are; or the fault for which there is none."""
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as fault:
        return RawRow(f"{where}, column {fault.start + 1}", {}, "bad UTF-8")
    except json.JSONDecodeError as fault:
        return RawRow(f"{where}, column {fault.colno}", {}, "broken JSON")
    except (ValueError, RecursionError):
        return RawRow(where, {}, "broken JSON")
    return RawRow(where, values) if isinstance(values, dict) else RawRow(where, {}, "no object")


def _checked_row(line: bytes, where: str) -> RawRow:
    row = json_row(line, where)
    # Without an escape no NUL and no lone surrogate can be in it, and the line itself is not too long.
    if row.fault or (b"\\u" not in line and line.count(b"[") + line.count(b"{") <= MAX_DEPTH):
        return row
    return RawRow(where, row.values, text_fault(row.values))
