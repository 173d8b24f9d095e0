"""What a reader met on its way: counted by kind, with a few examples of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

EXAMPLES_KEPT = 5


@dataclass
class Findings:
    """Counts of what was skipped, repaired or missing. Nothing is dropped without an entry here.

    Attributes:
        counts: kind of finding → how often it occurred.
        examples: kind → the first places at which it occurred (file, row or id).
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: str) -> None:
        """Count one finding of ``kind`` at ``where``."""
        self.counts[kind] += 1
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(where)

    def merge(self, other: Findings) -> None:
        """Add the counts and examples of ``other`` to this record."""
        self.counts.update(other.counts)
        for kind, places in other.examples.items():
            kept = self.examples.setdefault(kind, [])
            kept.extend(places[: EXAMPLES_KEPT - len(kept)])

    def as_json(self) -> Mapping[str, object]:
        """``{kind: {count, examples}}``, most frequent first."""
        return {
            kind: {"count": count, "examples": self.examples.get(kind, [])} for kind, count in self.counts.most_common()
        }

    def __bool__(self) -> bool:
        return bool(self.counts)
