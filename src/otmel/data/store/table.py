"""The Lance table of a graph: opened at one version, read in batches, written to by whoever holds the lock."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from otmel.data.store.faults import reading, writing
from otmel.data.store.folder import TABLE
from otmel.data.store.manifest import MANIFESTS, manifest_name, versions
from otmel.errors import StorageError

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS: Final = 65_536
READ_AT_ONCE: Final = 1 << 20
MAX_LISTED: Final = 4_096
"""Numbers, or runs of numbers, in one predicate."""


class Table:
    """A version of the table in a graph's folder.

    Args:
        root: the graph's folder.
        version: the version to open; the table's newest if not given.

    Raises:
        DataError: there is no such version (any more), or it cannot be read.
    """

    def __init__(self, root: Path, version: int | None = None) -> None:
        import lancedb

        self.root, self.version = root, version if version is not None else versions(root / f"{TABLE}.lance")[-1]
        with reading(root):
            try:
                self._table: Any = lancedb.connect(str(root)).open_table(TABLE, version=self.version)
            except Exception:
                # Lance reads the newest manifest first, whichever is asked for: it may be damaged where this is sound.
                if version is None or version == versions(root / f"{TABLE}.lance")[-1]:
                    raise
                place = _alone(root / f"{TABLE}.lance", version)
                weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
                self._table = lancedb.connect(str(place)).open_table(TABLE)
            if version is None:
                self._table.checkout_latest()

    @staticmethod
    def create(root: Path, schema: pa.Schema) -> None:
        """Make the table, without rows. Raises ``StorageError``."""
        import lancedb

        with writing(root):
            lancedb.connect(str(root)).create_table(TABLE, schema=schema)

    def append(self, rows: pa.RecordBatch) -> None:
        """Add rows, as one more version. Raises ``StorageError``."""
        import pyarrow as pa

        with writing(self.root):
            self._next(self._table.add(pa.Table.from_batches([rows])).version)

    def delete(self, predicate: str) -> int:
        """Delete rows, as one more version, and return how many. Raises ``StorageError``."""
        with writing(self.root):
            done = self._table.delete(predicate)
            self._next(done.version, unchanged=done.num_deleted_rows == 0)
            return done.num_deleted_rows

    def compact(self) -> None:
        """Put the rows of small and much deleted files together, as one or more further versions."""
        from datetime import timedelta

        with writing(self.root):
            self._table.optimize(cleanup_older_than=timedelta(days=365_000))
            self.version = self._table.version

    def rows(self) -> int:
        """How many rows there are."""
        with reading(self.root):
            return self._table.count_rows()

    def scan(self, columns: Sequence[str], where: str | None = None, row_ids: bool = False) -> Iterator[pa.RecordBatch]:
        """Batches of some small columns, with ``_rowid`` if asked for. Raises ``DataError``.

        A batch never spans two files, and each costs a millisecond: a table that is not large is read at once.
        """
        with reading(self.root):
            query = self._table.search().select(list(columns)).with_row_id(row_ids)
            query = query.where(where) if where else query
            at_once = self._table.count_rows() <= READ_AT_ONCE
            batches = iter(query.to_arrow().combine_chunks().to_batches() if at_once else query.to_batches(READ_ROWS))
        while True:
            with reading(self.root):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def take(self, row_ids: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of the rows with these ids, in the table's own order. Raises ``DataError``."""
        with reading(self.root):
            return self._table.take_row_ids(list(row_ids)).select(list(columns)).to_arrow()

    def _next(self, version: int, unchanged: bool = False) -> None:
        if version != self.version + 1 and not (unchanged and version == self.version):
            problem = f"the table went from version {self.version} to {version}: somebody writes past the lock"
            raise StorageError(problem, where=str(self.root), cure="write to a graph with otmel alone")
        self.version = version


def _alone(table: Path, version: int) -> Path:
    """A folder in which the table has this version alone: its files are links."""
    place = Path(mkdtemp(prefix="otmel-"))
    copy = place / table.name
    (copy / MANIFESTS).mkdir(parents=True)
    for entry in table.iterdir():
        if entry.is_dir() and entry.name != MANIFESTS:
            (copy / entry.name).symlink_to(entry.absolute(), target_is_directory=True)
    (copy / manifest_name(version)).symlink_to((table / manifest_name(version)).absolute())
    return place


def predicates(column: str, numbers: Iterable[int]) -> Iterator[tuple[str, int]]:
    """SQL conditions that together select these distinct numbers, runs of them as intervals; each with its count."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    for start in range(0, len(runs), MAX_LISTED):
        piece = runs[start : start + MAX_LISTED]
        single = [str(low) for low, high in piece if low == high]
        parts = [f"{column} BETWEEN {low} AND {high}" for low, high in piece if low != high]
        listed = [f"{column} IN ({', '.join(single)})"] if single else []
        yield " OR ".join([*listed, *parts]), sum(high - low + 1 for low, high in piece)
