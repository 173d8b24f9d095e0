"""The built-in detector: the names and aliases of a graph, wherever they stand in a text.

Words are compared folded (see ``folding``), punctuation between them does not count: ``O'Neil`` is found in ``O’NEIL``,
``Jean-Luc`` in ``jean luc``. A name is found at word boundaries, the leftmost first and the longest there, in time
proportional to the text. It knows no context: a name that is also a word is found as a word, too; calibrated
probabilities tell many of these apart afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from otmel.data.documents import Span
from otmel.data.graph import KnowledgeGraph
from otmel.linking.detection.folding import ALONE, folded, words

SHORTEST: Final = 3
"""Letters and digits of the shortest name that is looked for; 2 where each is an ideograph."""
GAP: Final = 3
"""Characters between two words of one name, at most."""


@dataclass
class DictionaryDetector:
    """Finds names.

    Attributes:
        names: different ones that are looked for, as they are folded.
        short: how many were left out because they have fewer than ``SHORTEST`` characters.
        common: how many were left out because they are nothing but function words and numbers.
    """

    name: str = "dictionary"
    names: set[str] = field(default_factory=set, repr=False)
    short: int = 0
    common: int = 0
    _longest: dict[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, graph: KnowledgeGraph) -> DictionaryDetector:
        """A graph's names and aliases."""
        entities = (entity for batch in graph.batches(images=False) for entity in batch)
        return cls.of_names(name for entity in entities for name in (entity.name, *entity.aliases))

    @classmethod
    def of_names(cls, names: Iterable[str]) -> DictionaryDetector:
        """These names; one that stands there often counts once."""
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        made, left_out = cls(), set[str]()
        common = frozenset(map(folded, ENGLISH_STOP_WORDS))
        for name in names:
            parts = [word for _, _, word in words(name)]
            key = " ".join(parts)
            if key in made.names or key in left_out:
                continue
            if _is_short(parts):
                left_out.add(key)
                made.short += 1
            elif all(word in common or word.isdecimal() for word in parts):
                left_out.add(key)
                made.common += 1
            else:
                made._add(key, parts)
        return made

    def _add(self, key: str, parts: list[str]) -> None:
        self.names.add(key)
        self._longest[parts[0]] = max(self._longest.get(parts[0], 0), len(parts))

    def detect(self, text: str) -> list[Span]:
        """The names in a text."""
        found, at = list(words(text)), 0
        spans = []
        while at < len(found):
            count = self._count(text, found, at)
            if count:
                spans.append(Span(found[at][0], found[at + count - 1][1], label="name"))
            at += max(count, 1)
        return spans

    def _count(self, text: str, found: list[tuple[int, int, str]], at: int) -> int:
        """How many words the longest name that begins with word number ``at`` has; 0: none does."""
        most = min(self._longest.get(found[at][2], 0), len(found) - at)
        joined, best = "", 0
        for number in range(most):
            start, _, word = found[at + number]
            if number and start - found[at + number - 1][1] > GAP:
                break
            joined = f"{joined} {word}" if number else word
            if joined in self.names:
                best = number + 1
        return best

    def __str__(self) -> str:
        return (
            f"{len(self.names):,} names are looked for; {self.short:,} were too short, {self.common:,} too common "
            "(nothing but function words and numbers)"
        )


def _is_short(parts: list[str]) -> bool:
    letters = "".join(parts)
    return len(letters) < SHORTEST and not (len(letters) == SHORTEST - 1 and _ideographs(letters))


def _ideographs(letters: str) -> bool:
    return re.fullmatch(f"[{ALONE}]+", letters) is not None
