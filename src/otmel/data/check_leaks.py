"""Leakage: what two splits of a data set share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from otmel.data.check_images import Seen, alike, identity
from otmel.data.check_report import Leak
from otmel.data.findings import Findings
from otmel.data.records import Mention


@dataclass(frozen=True)
class SplitView:
    """A split with what opening its images gave.

    Attributes:
        name: of the split.
        mentions: its mentions.
        seen: for each mention, its image; ``None`` for a mention without one, or when no image was opened.
    """

    name: str
    mentions: Sequence[Mention]
    seen: Sequence[Seen | None]

    def where(self, row: int) -> str:
        """Place of a mention, for findings."""
        mention = self.mentions[row]
        return f"{self.name}: {mention.id if mention.id is not None else f'row {row}'}"

    @property
    def looks(self) -> list[int | None]:
        """The perceptual hash of each mention's image."""
        return [image.look if image else None for image in self.seen]


def leaks(views: Sequence[SplitView], decoded: bool, distance: int, findings: Findings) -> tuple[Leak, ...]:
    """Compare every pair of splits; each shared thing is a finding, named by the mention of the later split."""
    return tuple(_leak(first, second, decoded, distance, findings) for first, second in combinations(views, 2))


def _leak(first: SplitView, second: SplitView, decoded: bool, distance: int, findings: Findings) -> Leak:
    sentences = {_plain(mention.context) for mention in first.mentions} - {""}
    files = {identity(mention.image) for mention in first.mentions if mention.image is not None}
    shared = {
        "sentence": [_plain(mention.context) in sentences for mention in second.mentions],
        "image file": [m.image is not None and identity(m.image) in files for m in second.mentions],
        "image by its look": alike(second.looks, first.looks, distance),
    }
    for kind, rows in shared.items():
        _report(f"same {kind} in two splits", first, second, rows, findings)
    counts: Mapping[str, int] = {kind: sum(rows) for kind, rows in shared.items()}
    looks = counts["image by its look"] if decoded else None
    return Leak(first.name, second.name, counts["sentence"], counts["image file"], looks)


def _report(kind: str, first: SplitView, second: SplitView, rows: Sequence[bool], findings: Findings) -> None:
    for row, leaked in enumerate(rows):
        if leaked:
            findings.add(kind, f"{second.where(row)} (also in {first.name})")


def _plain(sentence: str) -> str:
    return " ".join(sentence.casefold().split())
