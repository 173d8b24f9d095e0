"""Rows of a Lance table, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

from otmel.data.parquet_rows import rows_of
from otmel.data.raw_rows import RawRow
from otmel.errors import DataError

LANCE: Final = ".lance"
_BATCH_ROWS: Final = 2048


def read_lance(folder: Path, start: int = 0) -> Iterator[RawRow]:
    """The rows of a Lance table (a folder ``NAME.lance``) after the first ``start``, which are not read.

    Raises:
        DataError: there is no such table, or it is damaged.
    """
    table = opened(folder)
    for first in count(start, _BATCH_ROWS):
        try:
            batches = table.search().offset(first).limit(_BATCH_ROWS).to_arrow().to_batches()
        except Exception as fault:
            raise DataError(f"the Lance table is damaged, after row {first:,}: {fault}", where=str(folder)) from None
        if not any(batch.num_rows for batch in batches):
            return
        numbers = count(first + 1)
        for batch in batches:
            for number, row in zip(numbers, rows_of(batch), strict=False):
                yield RawRow(f"{folder.name}: row {number}", *row)


def opened(folder: Path) -> Any:
    """The newest version of a table. Raises ``DataError``."""
    import lancedb

    if not folder.is_dir():
        raise DataError("there is no such table", where=str(folder))
    try:
        return lancedb.connect(str(folder.parent)).open_table(folder.stem)
    except Exception as fault:
        raise DataError(f"this is no Lance table: {fault}", where=str(folder)) from None
