"""Rows of JSONL, CSV and Parquet files, one at a time: a row that cannot be used comes with its fault, no error."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from otmel.errors import DataError

MAX_ROW: Final = 1_000_000
"""Bytes (of a JSONL line) or characters (of a CSV or Parquet row) above which a row is skipped."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: its ``values``, or the ``fault`` for which it has none; ``where`` names file and line."""

    where: str
    values: Mapping[str, Any]
    fault: str | None = None


def read_table(path: Path) -> Iterator[RawRow]:
    """The rows of a file, by its suffix (see ``READERS``).

    Raises:
        DataError: the suffix is unknown, the file is missing or unreadable, or no Parquet.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError("the format is unknown", where=str(path), cure=f"use one of: {', '.join(READERS)}")
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    try:
        yield from reader(path)
    except OSError as fault:
        raise DataError(f"the file cannot be read ({fault.strerror or fault})", where=str(path)) from None


def read_lines(stream: IO[bytes] | IO[str], name: str) -> Iterator[RawRow]:
    """The rows of a JSONL stream, in memory one line at a time; blank lines are passed over."""
    for number, line in enumerate(_lines(getattr(stream, "buffer", stream)), 1):
        where = f"{name}: line {number}"
        if line is None:
            yield RawRow(where, {}, "text too long")
        elif line.strip():
            yield _json_row(line, where)


def _lines(stream: IO[Any]) -> Iterator[bytes | None]:
    """The lines of a stream; ``None`` for one that is longer than ``MAX_ROW``, of which only a piece is ever held."""
    first = True
    while line := _piece(stream):
        fits, rest = len(line) <= MAX_ROW, line
        while rest and not rest.endswith(b"\n"):
            rest = _piece(stream)
            fits = fits and not rest
        yield (line.removeprefix(b"\xef\xbb\xbf") if first else line) if fits else None
        first = False


def _piece(stream: IO[Any]) -> bytes:
    piece = stream.readline(MAX_ROW + 1)
    return piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece


def _json_row(line: bytes, where: str) -> RawRow:
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as fault:
        return RawRow(f"{where}, column {fault.start + 1}", {}, "bad UTF-8")
    except json.JSONDecodeError as fault:
        return RawRow(f"{where}, column {fault.colno}", {}, "broken JSON")
    except (ValueError, RecursionError):
        return RawRow(where, {}, "broken JSON")
    if not isinstance(values, dict):
        return RawRow(where, {}, "no object")
    return RawRow(where, values, _text_fault(values))


def _read_jsonl(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as stream:
        yield from read_lines(stream, path.name)


def _read_csv(path: Path) -> Iterator[RawRow]:
    # Bytes that are no UTF-8 come through as lone surrogates, so that only their own row is lost.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        header: list[str] | None = None
        while True:
            where = f"{path.name}: line {reader.line_num + 1}"
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as fault:
                yield RawRow(where, {}, _csv_fault(fault))
                continue
            if header is None:
                header = [field.strip() for field in fields]
            elif len(fields) not in (0, len(header)):
                yield RawRow(where, {}, "wrong number of fields")
            elif fields:
                yield _csv_row(dict(zip(header, fields, strict=True)), where)


def _csv_fault(fault: csv.Error) -> str:
    if "limit" in str(fault):
        return "text too long"
    return "NUL character" if "NUL" in str(fault) else "broken CSV"  # Python 3.10 refuses a NUL by itself


def _csv_row(values: Mapping[str, Any], where: str) -> RawRow:
    fault = _text_fault(values)
    return RawRow(where, values, "bad UTF-8" if fault == "lone surrogate" else fault)


def _read_parquet(path: Path) -> Iterator[RawRow]:
    import polars

    try:
        frame = polars.read_parquet(path)
    except (polars.exceptions.PolarsError, OSError) as fault:
        raise DataError(f"this is no Parquet file ({str(fault).splitlines()[0]})", where=str(path)) from None
    for number, values in enumerate(frame.iter_rows(named=True), 1):
        yield RawRow(f"{path.name}: row {number}", values, _text_fault(values))


READERS: Final[Mapping[str, Callable[[Path], Iterator[RawRow]]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}
"""Suffix → reader."""


def _text_fault(values: Mapping[str, Any]) -> str | None:
    length = 0
    for text in _texts(values.values()):
        if "\0" in text:
            return "NUL character"
        if _SURROGATE.search(text):
            return "lone surrogate"
        length += len(text)
    return "text too long" if length > MAX_ROW else None


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts([*value, *value.values()])
        elif isinstance(value, (list, tuple)):
            yield from _texts(value)
