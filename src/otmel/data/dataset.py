"""``Dataset``: a graph and the splits of mentions that link to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """A multimodal entity linking data set.

    Attributes:
        name: how the data set calls itself (``WikiMEL``, ``world``, the folder's name …).
        graph: the entities.
        splits: split name (``train``, ``dev``, ``test`` …) → its mentions, in file order.
        findings: what the reader skipped, repaired or missed.
        root: the folder it was read from.
    """

    name: str
    graph: KnowledgeGraph
    splits: Mapping[str, tuple[Mention, ...]]
    findings: Findings = field(default_factory=Findings)
    root: Path | None = None

    def split(self, name: str) -> tuple[Mention, ...]:
        """The mentions of a split. Raises ``DataError`` when it is absent or empty."""
        if name not in self.splits:
            raise DataError(
                f"there is no split {name!r}",
                where=str(self.root or self.name),
                cure=f"it has: {', '.join(self.splits)}",
            )
        if not self.splits[name]:
            raise DataError(f"the split {name!r} holds no mention", where=str(self.root or self.name))
        return self.splits[name]

    def digest(self, split: str) -> str:
        """Sixteen hexadecimal digits that change with any mention of the split."""
        return mentions_digest(self.split(split))


def mentions_digest(mentions: Iterable[Mention]) -> str:
    """Sixteen hexadecimal digits that change with any mention."""
    digest = hashlib.sha256()
    for mention in mentions:
        image = mention.image.name if isinstance(mention.image, Path) else ""
        digest.update(
            "\x1f".join((mention.name, mention.context, image, mention.answer or "")).encode("utf8", "replace")
        )
        digest.update(b"\x1e")
    return digest.hexdigest()[:16]
