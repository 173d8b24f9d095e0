"""Entities of own tables: JSONL, CSV and Parquet with the columns ``id, name, aliases, description, …``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otmel.data.byte_files import ByteFile
from otmel.data.csv_rows import read_csv
from otmel.data.fields import Fields
from otmel.data.findings import Findings
from otmel.data.image_root import ImageRoot, stated
from otmel.data.importers import COLUMNS_NAMED, ENTITY_COLUMNS, as_entity, count_unused
from otmel.data.line_rows import read_jsonl
from otmel.data.parquet_rows import read_parquet
from otmel.data.raw_rows import RawRow
from otmel.data.sources.plain import plain_columns
from otmel.data.sources.records import Built, RowSource, SourceOptions
from otmel.data.tables import READERS, Reader, ending

KNOWN: Final = frozenset((*ENTITY_COLUMNS, "images"))
"""The columns that make up an entity; all others are kept beside it."""


def jsonl_source(file: ByteFile, options: SourceOptions, findings: Findings) -> RowSource:
    """The entities of a JSONL file."""
    return _source(file, read_jsonl, options, findings)


def csv_source(file: ByteFile, options: SourceOptions, findings: Findings) -> RowSource:
    """The entities of a CSV file; of a TSV file when its name says so."""
    reader = READERS[".tsv"] if ending(file.path) == ".tsv" else read_csv
    return _source(file, reader, options, findings)


def parquet_source(file: ByteFile, options: SourceOptions, findings: Findings) -> RowSource:
    """The entities of a Parquet file."""
    return _source(file, read_parquet, options, findings)


def _source(file: ByteFile, read: Reader, options: SourceOptions, findings: Findings) -> RowSource:
    root = ImageRoot(options.image_root or file.path.parent)
    return RowSource(file, read, _builder(root, findings), lambda rows: root.ahead(rows, stated))


def _builder(root: ImageRoot, findings: Findings) -> Callable[[RawRow], Built]:
    seen: set[str] = set()

    def build(row: RawRow) -> Built:
        extra = plain_columns(row.values, KNOWN)
        entity = as_entity(Fields(row.values, row.where, findings), root)
        if len(seen) < COLUMNS_NAMED:
            count_unused(row, ENTITY_COLUMNS, seen, findings, "column kept beside the entity")
        return entity, extra

    return build
