"""Which ids an import has met, and in which rows: sixteen bytes for each, never the texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from otmel.errors import DataError

RECORD: Final = np.dtype([("hash", "S16"), ("row", "<i8")])
"""An id's xxh3_128 and the number of the row that had it."""


def hashed(ids: Sequence[str]) -> NDArray[np.bytes_]:
    """The hashes ``S16[n]`` of ids."""
    return np.array([xxhash.xxh3_128_digest(one.encode("utf-8", "surrogatepass")) for one in ids], dtype="S16")


class Seen:
    """Ids and their rows, in a few sorted runs that double in length: 24 bytes an id, log² n comparisons a look-up."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.void]] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def rows(self, hashes: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """The row of each hash; ``-1`` for one that was not met."""
        found = np.full(len(hashes), -1, dtype=np.int64)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run["hash"], hashes), len(run) - 1)
            met = run["hash"][places] == hashes
            found[met] = run["row"][places[met]]
        return found

    def add(self, hashes: NDArray[np.bytes_], rows: Sequence[int]) -> NDArray[np.void]:
        """Take in hashes that were not met before, with their rows. Returns them as records, to be kept."""
        run = np.empty(len(hashes), dtype=RECORD)
        run["hash"], run["row"] = hashes, rows
        if len(run):
            self._merge(run[np.argsort(run["hash"], kind="stable")])
        return run

    def _merge(self, run: NDArray[np.void]) -> None:
        while self._runs and len(self._runs[-1]) <= len(run):
            both = np.concatenate([self._runs.pop(), run])
            run = both[np.argsort(both["hash"], kind="stable")]
        self._runs.append(run)

    @classmethod
    def read(cls, path: Path, size: int) -> Seen:
        """The ids in the first ``size`` bytes of a file of records. Raises ``DataError`` when they are not there."""
        count = size // RECORD.itemsize if path.is_file() else 0
        records: NDArray[Any] = np.fromfile(path, dtype=RECORD, count=count) if count else np.empty(0, RECORD)
        if records.size * RECORD.itemsize != size:
            raise DataError(f"{size:,} bytes were expected", where=str(path))
        seen = cls()
        if size:
            seen.add(records["hash"], records["row"].tolist())
        return seen
