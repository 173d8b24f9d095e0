"""Rows of Parquet, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from otmel.data.byte_files import BrokenStream, ByteFile
from otmel.data.raw_rows import RawRow, text_fault
from otmel.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_BATCH_BYTES: Final = 4 << 20
_BATCH_ROWS: Final = 2048
_PAGE_BYTES: Final = 1 << 20


def read_parquet(file: ByteFile, start: int = 0) -> Iterator[RawRow]:
    """The rows of a Parquet file after the first ``start``, of which whole row groups are not read at all.

    Columns are not read one after the other, so ``file.position`` is the file's size times the share of rows read.

    Raises:
        DataError: this is no Parquet file, or names a column twice.
        BrokenStream: a later part of it is damaged.
    """
    with _opened(file) as table:
        number = min(start, table.metadata.num_rows)
        file.position = _share(file, number, table.metadata.num_rows)
        for batch in _batches(table, start):
            for row in rows_of(batch):
                number += 1
                yield RawRow(f"{file.path.name}: row {number}", *row)
            file.position = _share(file, number, table.metadata.num_rows)


def _share(file: ByteFile, done: int, rows: int) -> int:
    return file.total_bytes * done // rows if rows else file.total_bytes


def _opened(file: ByteFile) -> ParquetFile:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    file.position = 0
    try:
        # Buffered pages instead of whole column chunks: a file of one row group needs no more memory than another.
        table = ParquetFile(file.path, buffer_size=_PAGE_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as fault:
        problem = f"this is no Parquet file ({_said(fault)})"
        raise DataError(problem, where=str(file.path)) from None
    names = table.schema_arrow.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        table.close()
        raise DataError(f"the column {twice!r} stands in it twice", where=str(file.path), cure="rename one of them")
    return table


def _batches(table: ParquetFile, start: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    skipped, groups = start, []
    for group in range(table.num_row_groups):
        size = table.metadata.row_group(group).num_rows
        if not groups and skipped >= size:
            skipped -= size
        else:
            groups.append(group)
    try:
        for batch in table.iter_batches(_batch_rows(table), row_groups=groups) if groups else ():
            dropped = min(skipped, batch.num_rows)
            skipped -= dropped
            yield batch.slice(dropped)
    except (pa.ArrowException, OSError) as fault:
        raise BrokenStream(f"is damaged ({_said(fault)})") from None


def _batch_rows(table: ParquetFile) -> int:
    """As many rows as take a few megabytes: a row may hold an image."""
    groups = [table.metadata.row_group(group) for group in range(table.num_row_groups)]
    largest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1.0)
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES / max(largest, 1.0))))


def rows_of(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Values and fault of each row."""
    import pyarrow as pa

    maps = [field.name for field in batch.schema if pa.types.is_map(field.type)]
    try:
        read = batch.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):  # a date or a text that Python cannot represent
        singles = (_single(batch.slice(place, 1)) for place in range(batch.num_rows))
    else:
        singles = ((values, text_fault(values)) for values in read)
    for values, fault in singles:
        values.update({name: dict(values[name]) for name in maps if values.get(name) is not None})
        yield values, fault


def _single(row: pa.RecordBatch) -> tuple[dict[str, Any], str | None]:
    import pyarrow as pa

    try:
        (values,) = row.to_pylist()
    except UnicodeDecodeError:
        return {}, "bad UTF-8"
    except (ValueError, OverflowError, pa.ArrowException):
        return {}, "a value cannot be represented"
    return values, text_fault(values)


def _said(fault: BaseException) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
