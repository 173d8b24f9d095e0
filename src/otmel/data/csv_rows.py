"""Rows of CSV and TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from otmel.data.byte_files import ByteFile
from otmel.data.raw_rows import MAX_ROW, RawRow, texts_fault
from otmel.errors import DataError

_TOO_LONG: Final = "line longer than the limit"
_HEADER_CURE: Final = "write the names of the columns, each once, in the first line"


def read_csv(file: ByteFile, start: int = 0, delimiter: str = ",") -> Iterator[RawRow]:
    """The rows of a CSV file after the first ``start``; the header and blank lines are no rows.

    Raises:
        DataError: the header cannot be read, or names a column twice.
    """
    # Bytes that are no UTF-8 come through as lone surrogates, so that only their own row is lost.
    with file.open() as stream, io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="") as text:
        lines = _Lines(text)
        header: list[str] | None = None
        for passed, (number, fields) in enumerate(_records(csv.reader(lines, delimiter=delimiter), lines)):
            where = f"{file.path.name}: line {number}"
            if header is None:
                header = _header(fields, str(file.path))
            elif passed > start:
                yield _row(header, fields, where)


class _Lines:
    """The lines of a text for ``csv.reader``, counted; one that is too long is an error and never held as a whole."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text, self.count = text, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = rest = self._text.readline(MAX_ROW + 1)
        if not line:
            raise StopIteration
        self.count += 1
        while rest and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(MAX_ROW + 1)
        if len(line) > MAX_ROW:
            raise csv.Error(_TOO_LONG)
        return line


def _records(reader: Iterator[list[str]], lines: _Lines) -> Iterator[tuple[int, list[str] | str]]:
    """The first line of each record and its fields, or its fault."""
    while True:
        number = lines.count + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            yield number, _fault(fault)
            continue
        if fields:
            yield number, fields


def _header(fields: list[str] | str, where: str) -> list[str]:
    if isinstance(fields, str):
        raise DataError(f"the header cannot be read: {fields}", where=where, cure=_HEADER_CURE)
    header = [field.strip() for field in fields]
    if fault := _text_fault(header):
        raise DataError(f"the header cannot be read: {fault}", where=where, cure=_HEADER_CURE)
    if twice := next((name for place, name in enumerate(header) if name in header[:place]), None):
        raise DataError(f"the column {twice!r} stands twice in the header", where=where, cure=_HEADER_CURE)
    return header


def _row(header: list[str], fields: list[str] | str, where: str) -> RawRow:
    if isinstance(fields, str):
        return RawRow(where, {}, fields)
    if len(fields) != len(header):
        return RawRow(where, {}, "wrong number of fields")
    values: dict[str, Any] = dict(zip(header, fields, strict=True))
    return RawRow(where, values, _text_fault(fields))


def _fault(fault: csv.Error) -> str:
    if "limit" in str(fault):
        return "text too long"
    return "NUL character" if "NUL" in str(fault) else "broken CSV"  # Python 3.10 refuses a NUL by itself


def _text_fault(fields: list[str]) -> str | None:
    fault = texts_fault(fields)
    return "bad UTF-8" if fault == "lone surrogate" else fault
