"""Rows of JSONL, CSV, Parquet and Lance, one at a time: a row that cannot be used comes with its fault, no error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from otmel.data.byte_files import PACKED, ByteFile, whole
from otmel.data.csv_rows import read_csv
from otmel.data.lance_rows import LANCE, read_lance
from otmel.data.line_rows import read_jsonl, read_lines
from otmel.data.parquet_rows import read_parquet
from otmel.data.raw_rows import MAX_ROW, RawRow
from otmel.errors import DataError

__all__ = ["ENDINGS", "MAX_ROW", "READERS", "RawRow", "Reader", "ending", "read_lines", "read_table"]

Reader: TypeAlias = Callable[[ByteFile, int], Iterator[RawRow]]
"""Gives the rows of a file after the first so many, which it passes over as cheaply as it can."""

READERS: Final[Mapping[str, Reader]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".parquet": read_parquet,
}
"""Suffix → reader. All but Parquet may be compressed, which a second suffix says."""

ENDINGS: Final = (*READERS, *(suffix + packed for suffix in READERS if suffix != ".parquet" for packed in PACKED))
"""How the name of a table may end."""


def read_table(path: Path, start: int = 0) -> Iterator[RawRow]:
    """The rows of a file, by its suffix (see ``READERS``); ``.gz`` and ``.bz2`` after it are unpacked on the way.

    A folder ``NAME.lance`` is a table of Lance. Rows before number ``start`` are passed over as cheaply as can be.

    Raises:
        DataError: the suffix is unknown, the file is missing or unreadable, breaks off, or is no Parquet.
    """
    if ending(path) == LANCE:
        yield from read_lance(path, start)
        return
    reader = READERS.get(ending(path))
    if reader is None or path.name.lower().endswith(tuple(".parquet" + packed for packed in PACKED)):
        raise DataError("the format is unknown", where=str(path), cure=f"use one of: {', '.join((*ENDINGS, LANCE))}")
    yield from whole(reader(ByteFile(path), start), path, start)


def ending(path: Path) -> str:
    """The suffix that tells the format, in lower case: ``.csv`` of ``a.CSV`` and of ``a.csv.gz``."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in PACKED else suffix
