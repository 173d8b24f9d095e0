"""The source behind a path: by the name of the file, by its first bytes and by the keys of its first rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from otmel.data.byte_files import ByteFile, whole
from otmel.data.findings import Findings
from otmel.data.importers import find_table
from otmel.data.line_rows import read_jsonl
from otmel.data.mimic_layout import ENTITY_FILE
from otmel.data.sources.dump import read_dump
from otmel.data.sources.mimic import mimic_source
from otmel.data.sources.own import csv_source, jsonl_source, parquet_source
from otmel.data.sources.records import EntitySource, RowSource, SourceOptions
from otmel.data.sources.wikidata import wikidata_source
from otmel.data.tables import ENDINGS, ending
from otmel.errors import DataError

Opener: TypeAlias = Callable[[ByteFile, SourceOptions, Findings], RowSource]
SOURCES: Final[Mapping[str, Opener]] = {
    "jsonl": jsonl_source,
    "csv": csv_source,
    "parquet": parquet_source,
    "mimic": mimic_source,
    "wikidata": wikidata_source,
}
"""Format → its source."""

_SUFFIXES: Final = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_LINES: Final = (".jsonl", ".ndjson")
_ROWS_SEEN = 5
_SHOWN = 5
_CURE: Final = f"give a file ({', '.join(ENDINGS)}, {ENTITY_FILE}, a JSON dump of Wikidata) and, in doubt, its format"


def open_source(path: Path, options: SourceOptions, findings: Findings) -> EntitySource:
    """The entities of a file, or of the folder that holds ``entities.{jsonl,csv,parquet}`` or ``kb_entity.json``.

    Args:
        path: the file or the folder.
        options: the format, or that it is to be found out, and what else the format needs.
        findings: takes what is missing or odd, now and while rows are read.

    Raises:
        DataError: there is nothing that can be read, or its format cannot be told.
    """
    root = options.image_root
    if root is not None and not root.is_dir():
        raise DataError("there is no such folder of images", where=str(root))
    found = _within(path) if path.is_dir() else path
    file = ByteFile(found)
    name = options.format if options.format != "auto" else _format(file)
    return SOURCES[name](ByteFile(found), options, findings)


def _within(folder: Path) -> Path:
    table = find_table(folder, "entities")
    if table is not None:
        return table
    if (folder / ENTITY_FILE).is_file():
        return folder / ENTITY_FILE
    names = sorted(entry.name for entry in islice(folder.iterdir(), 1000))
    held = f"it holds {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}" if names else "it is empty"
    problem = f"there is neither an entities.* ({', '.join(ENDINGS)}) nor a {ENTITY_FILE} here; {held}"
    raise DataError(problem, where=str(folder), cure="name the file itself")


def _format(file: ByteFile) -> str:
    suffix = ending(file.path)
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    head = _head(file)
    if head.startswith(b"PAR1"):
        return "parquet"
    if suffix in _LINES and not head.startswith(b"{"):
        return "jsonl"
    if not head.startswith((b"[", b"{")):
        shown = f"it begins with {head[:20]!r}" if head else "it is empty"
        raise DataError(f"the format cannot be told: {shown}", where=str(file.path), cure=_CURE)
    return _format_of_rows(file, _keys(file, head), suffix in _LINES or not head.startswith(b"["))


def _format_of_rows(file: ByteFile, keys: set[str], lines: bool) -> str:
    if "name" not in keys and ({"labels", "claims", "redirect"} & keys):
        return "wikidata"
    if not lines and ({"qid", "entity_name"} & keys or file.path.name == ENTITY_FILE):
        return "mimic"
    if lines and ({"id", "name"} & keys or ending(file.path) in _LINES):
        return "jsonl"
    told = (
        f"its first rows have the keys {', '.join(sorted(keys)[:20])}" if keys else "no object is among its first rows"
    )
    cure = "write entities of your own one to a line (.jsonl)" if {"id", "name"} & keys else _CURE
    raise DataError(f"the format cannot be told: {told}", where=str(file.path), cure=cure)


def _head(file: ByteFile) -> bytes:
    def heads() -> Iterator[bytes]:
        with file.open() as stream:
            yield stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()

    (head,) = whole(heads(), file.path)
    return head


def _keys(file: ByteFile, head: bytes) -> set[str]:
    """The keys of the first rows that can be read."""
    rows = read_dump(file) if head.startswith(b"[") else read_jsonl(file)
    keys: set[str] = set()
    try:
        for row in islice(whole(rows, file.path), _ROWS_SEEN):
            keys.update(row.values)
    except DataError:  # which reading the rows will meet again
        if not keys and ending(file.path) not in _LINES:
            raise
    return keys
