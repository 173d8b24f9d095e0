"""What an operation on a graph did, counted so that the counts add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

IMPORTED: Final = (
    "  rows      {read:,} read = {accepted:,} accepted + {rejected:,} rejected",
    "  accepted  {added:,} new, {replaced:,} replaced, {unchanged:,} unchanged",
    "  images    {images:,} taken in",
)
DELETED: Final = "  {deleted:,} deleted, {unknown:,} unknown"


@dataclass
class Tally:
    """Counts of an import; ``read = accepted + rejected``, ``accepted = added + replaced + unchanged``.

    Attributes:
        read: rows of the source.
        added: entities that are new.
        replaced: entities whose content changed.
        unchanged: entities that the graph has just so.
        rejected: rows that could not be used.
        foreign: those of them that are sound but were not meant to be entities.
        images: images taken in.
    """

    read: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    rejected: int = 0
    foreign: int = 0
    images: int = 0

    @property
    def accepted(self) -> int:
        """Rows that were used."""
        return self.added + self.replaced + self.unchanged

    def as_json(self) -> dict[str, int]:
        """Every count."""
        return {**vars(self), "accepted": self.accepted}


@dataclass(frozen=True)
class Report:
    """What an operation did.

    Attributes:
        operation: ``build``, ``replace``, ``upsert`` or ``delete``.
        snapshot: id of the snapshot that it made; of the newest one, when nothing had to change.
        number: its number.
        rows: entities in it.
        counts: what was done (see ``Tally``; of a deletion, ``deleted`` and ``unknown``).
        changed: whether there is a new snapshot.
        resumed: rows of the source that an interrupted run of the same import had read already.
        rejects: file with the rejected rows, if there are any.
        findings: what was missing or odd about accepted rows: kind → count and examples.
        seconds: how long it took.
        notes: what else there is to say.
    """

    operation: str
    snapshot: str
    number: int
    rows: int
    counts: Mapping[str, int]
    changed: bool = True
    resumed: int = 0
    rejects: str | None = None
    findings: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything, and the rate in rows a second."""
        return {**vars(self), "notes": list(self.notes), "rows_per_second": round(self.rate, 1)}

    @property
    def rate(self) -> float:
        """Rows read in this run, a second."""
        return (self.counts.get("read", 0) - self.resumed) / self.seconds if self.seconds else 0.0

    def as_text(self) -> str:
        """The counts in words, a few lines."""
        what = "new snapshot" if self.changed else "nothing changed, still snapshot"
        lines = [f"{self.operation}: {what} {self.snapshot} ({self.number}), {self.rows:,} entities"]
        if "read" in self.counts:
            lines.append(
                "  rows      {read:,} read = {accepted:,} accepted + {rejected:,} rejected".format(**self.counts)
            )
            lines.append(
                "  accepted  {added:,} new, {replaced:,} replaced, {unchanged:,} unchanged".format(**self.counts)
            )
            lines.append(f"  images    {self.counts['images']:,} taken in")
            lines.append(f"  time      {self.seconds:.1f} s, {self.rate:,.0f} rows a second")
        else:
            lines.append(DELETED.format(**self.counts))
        lines += [f"  found     {kind}, {_count(value):,} times" for kind, value in self.findings.items()]
        if self.rejects:
            lines.append(f"  rejected rows: {self.rejects}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def _count(value: Any) -> int:
    return int(value["count"])
