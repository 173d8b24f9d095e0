"""A batch of an import: rows that wait to be written, and what is decided about each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otmel.data.records import Entity
from otmel.data.store.keys import as_words, digest_sum, find, id_hashes, key_sum
from otmel.data.store.schema import Row, encoded
from otmel.data.store.seen import RECORD, Seen, hashed
from otmel.data.store.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Pending:
    """An entity to be written, and the row it comes from."""

    number: int
    where: str
    entity: Entity
    extra: str
    stats: tuple[tuple[int, int], ...]

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        images = sum(len(image) for image in self.entity.images if isinstance(image, bytes))
        texts = (self.entity.name, self.entity.description, self.entity.attributes, self.extra, *self.entity.aliases)
        return images + sum(map(len, texts)) + 400


@dataclass
class Decided:
    """What becomes of a batch.

    Attributes:
        rows: those to write, with their ``digests``.
        replaced: places of the rows that they replace.
        unchanged: entities that the graph has just so.
        checksum: what the change adds to the sum of digests; ``keys``, to that of keys.
        images: images among all rows.
    """

    rows: list[Row]
    digests: list[bytes]
    replaced: list[int]
    unchanged: int
    checksum: int
    keys: int
    images: int

    def encoded(self, born: int) -> pa.RecordBatch:
        """The rows as the table takes them."""
        return encoded(self.rows, self.digests, born)


@dataclass
class Batch:
    """Rows read and not yet written.

    Attributes:
        rows: entities.
        rejects: rows that cannot be used, as they are reported.
    """

    rows: list[Pending] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    count: int = 0

    def full(self, rows: int, size: int) -> bool:
        """Whether it should be written before more is taken in."""
        return self.count >= rows or self.bytes >= size

    def add(self, row: Pending) -> None:
        """Take in an entity."""
        self.rows.append(row)
        self.bytes += row.bytes
        self.count += 1

    def reject(self, number: int, where: str, reason: str, entity_id: str | None, foreign: bool = False) -> None:
        """Take in a row that cannot be used."""
        self.rejects.append({"row": number, "where": where, "reason": reason, "id": entity_id, "foreign": foreign})
        self.count += 1

    def sorted_rejects(self) -> list[dict[str, Any]]:
        """The rejected rows in their order."""
        return sorted(self.rejects, key=lambda reject: reject["row"])

    def without_duplicates(self, seen: Seen) -> NDArray[np.void]:
        """Reject rows whose id an earlier row had, here or in ``seen``; the ids of the others are added to it.

        Returns:
            The added ids as records.
        """
        if not self.rows:
            return np.empty(0, dtype=RECORD)
        hashes = hashed([row.entity.id for row in self.rows])
        earlier, here = seen.rows(hashes), {}
        kept: list[int] = []
        for place, (row, before) in enumerate(zip(self.rows, earlier.tolist(), strict=True)):
            first = before if before >= 0 else here.setdefault(row.entity.id, row.number)
            if first == row.number:
                kept.append(place)
            else:
                self.reject(row.number, row.where, f"duplicate id: row {first} has it already", row.entity.id)
                self.count -= 1
        self.rows = [self.rows[place] for place in kept]
        return seen.add(hashes[kept], [row.number for row in self.rows])

    def decided(self, before: Table | None, base: int) -> Decided:
        """What becomes of each row, given the table ``before`` the import; new ones get places from ``base`` on."""
        old = find(before, [row.entity.id for row in self.rows]) if before is not None and self.rows else {}
        rows = [
            Row(row.entity, row.extra, old[row.entity.id][0] if row.entity.id in old else base + row.number, row.stats)
            for row in self.rows
        ]
        made = [(row, row.digest) for row in rows]
        changed = [(row, one) for row, one in made if row.entity.id not in old or old[row.entity.id][1] != one]
        replaced = {row.entity.id: old[row.entity.id] for row, _ in changed if row.entity.id in old}
        added = [(row.entity.id, (row.seq, one)) for row, one in changed]
        plus, minus = sums_of(dict(added)), sums_of(replaced)
        return Decided(
            rows=[row for row, _ in changed],
            digests=[one for _, one in changed],
            replaced=[seq for seq, _ in replaced.values()],
            unchanged=len(made) - len(changed),
            checksum=plus[0] - minus[0],
            keys=plus[1] - minus[1],
            images=sum(len(row.entity.images) for row in rows),
        )


def sums_of(rows: dict[str, tuple[int, bytes]]) -> tuple[int, int]:
    """The sums of digests and of keys of rows given as id → place and digest."""
    if not rows:
        return 0, 0
    words = as_words([one for _, one in rows.values()])
    places = np.array([seq for seq, _ in rows.values()], dtype=np.int64)
    return digest_sum(words), key_sum(id_hashes(rows), places, words)
