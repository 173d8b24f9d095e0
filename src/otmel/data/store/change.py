"""What a commit changes, as its writer states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit changes.

    Attributes:
        operation: its name in the record.
        counts: what it did, for the record.
        rows: entities after it.
        next_seq: the next free place in the order.
        checksum: what it adds to the sum of the rows' digests.
        keys: what it adds to the sum of the rows' keys.
    """

    operation: str
    counts: Mapping[str, int]
    rows: int
    next_seq: int
    checksum: int
    keys: int
