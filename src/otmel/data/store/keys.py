"""What a reader keeps of every row: its id, place, digest and address; and the sums by which these are checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
import xxhash
from numpy.typing import NDArray

from otmel.data.digest import DIGEST_BYTES
from otmel.data.store.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = ("id", "seq", "digest")
LISTED: Final = 4_096


def id_hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    """xxh3_64 of each id."""
    return np.fromiter((xxhash.xxh3_64_intdigest(one.encode()) for one in ids), dtype=np.uint64)


def digest_sum(digests: NDArray[np.uint64]) -> int:
    """The sum of digests ``uint64[n, 2]``, not yet reduced."""
    halves = (digests & np.uint64(0xFFFF_FFFF)).sum(0, dtype=np.uint64), (digests >> np.uint64(32)).sum(0)
    low, high = (int(halves[0][column]) + (int(halves[1][column]) << 32) for column in (0, 1))
    return low + (high << 64)


def key_sum(hashes: NDArray[np.uint64], seq: NDArray[np.int64], digests: NDArray[np.uint64]) -> int:
    """The sum of what each row's id, place and digest give together, modulo 2^64."""
    mixed = _mixed(hashes ^ _mixed(seq.astype(np.uint64)))
    mixed = _mixed(_mixed(mixed ^ digests[:, 0]) ^ digests[:, 1])
    return int(mixed.sum(dtype=np.uint64))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every bit of a word depends on every bit."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def as_words(digests: Sequence[bytes]) -> NDArray[np.uint64]:
    """Digests as ``uint64[n, 2]``."""
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)


class StoredIds(Sequence[str]):
    """Ids in an Arrow array: about their own length and four bytes each."""

    def __init__(self, array: pa.Array) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        return self.array[row].to_pylist() if isinstance(row, slice) else self.array[int(row)].as_py()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self.array), LISTED):
            yield from self.array[start : start + LISTED].to_pylist()


class StoredRows(Mapping[str, int]):
    """Id → row, found by the id's hash."""

    def __init__(self, ids: StoredIds, hashes: NDArray[np.uint64]) -> None:
        self._ids = ids
        self._order = np.argsort(hashes, kind="stable").astype(np.int32 if len(hashes) < 1 << 31 else np.int64)
        self._hashes = hashes[self._order]

    def __getitem__(self, entity_id: str) -> int:
        if isinstance(entity_id, str):
            wanted = np.uint64(xxhash.xxh3_64_intdigest(entity_id.encode("utf-8", "surrogatepass")))
            for place in range(int(np.searchsorted(self._hashes, wanted)), len(self._hashes)):
                if self._hashes[place] != wanted:
                    break
                row = int(self._order[place])
                if self._ids[row] == entity_id:
                    return row
        raise KeyError(entity_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


@dataclass(frozen=True)
class Keys:
    """The rows of a snapshot in their order.

    Attributes:
        ids: ``n`` ids.
        hashes: xxh3_64 of each ``uint64[n]``.
        seq: ``int64[n]``, ascending.
        digests: ``uint64[n, 2]``.
        addresses: where Lance has each row ``uint64[n]``.
    """

    ids: StoredIds
    hashes: NDArray[np.uint64]
    seq: NDArray[np.int64]
    digests: NDArray[np.uint64]
    addresses: NDArray[np.uint64]

    @classmethod
    def read(cls, table: Table) -> Keys:
        """Read the keys of every row. Raises ``DataError`` when the table cannot be read."""
        import pyarrow as pa

        batches = list(table.scan(COLUMNS, row_ids=True))
        ids = pa.concat_arrays([pa.array([], pa.string()), *(batch.column("id") for batch in batches)])
        seq = _joined([batch.column("seq").to_numpy() for batch in batches], np.int64)
        order = np.argsort(seq, kind="stable")
        digests = _joined([_words(batch.column("digest")) for batch in batches], np.uint64).reshape(-1, 2)
        addresses = _joined([batch.column("_rowid").to_numpy() for batch in batches], np.uint64)
        if not (np.diff(order) == 1).all():
            ids, seq, digests, addresses = ids.take(pa.array(order)), seq[order], digests[order], addresses[order]
        stored = StoredIds(ids)
        return cls(stored, id_hashes(stored), seq, digests, addresses)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rows(self) -> StoredRows:
        """Id → row."""
        return StoredRows(self.ids, self.hashes)

    @property
    def checksum(self) -> str:
        """The sum of the digests, as a snapshot records it."""
        return f"{digest_sum(self.digests) % (1 << 128):032x}"

    @property
    def sum(self) -> str:
        """The sum of the keys, as a snapshot records it."""
        return f"{key_sum(self.hashes, self.seq, self.digests):016x}"


def find(table: Table, ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Place and digest of those ``ids`` that the table has; one pass over its ids, no SQL of texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted, found = pa.array(list(ids), pa.string()), {}
    for batch in table.scan(COLUMNS):
        kept = batch.filter(pc.is_in(batch.column("id"), value_set=wanted))  # pyright: ignore[reportAttributeAccessIssue]
        for values in kept.to_pylist():
            found[values["id"]] = values["seq"], values["digest"]
    return found


def _words(column: Any) -> NDArray[np.uint64]:
    start = column.offset * DIGEST_BYTES
    return np.frombuffer(column.buffers()[1], dtype="<u8", offset=start, count=2 * len(column)).astype(np.uint64)


def _joined(parts: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)
