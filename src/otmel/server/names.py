r"""Entities by name: prefixes of names, aliases and their words, whatever case and accents.

Names alone are in memory, one text for thousands of entities, which is searched as a whole.

    \n name \t alias \t alias \n name …        folded: lower case, no accents, words between single spaces
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from otmel.data.graph import KnowledgeGraph
from otmel.data.moves import Moves
from otmel.data.records import Entity

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ: Final = 1_024
SMALL: Final = 4_096
"""Entities of a part up to which it is made anew with the next change, so that there are few parts."""
REMEMBERED: Final = 64
_SPACES: Final = re.compile(r"[\W_]+")
_SIGNS: Final = re.compile("([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
"""Characters that are written without spaces between words: each counts as a word."""


def folded(text: str) -> str:
    """A name as it is compared."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    spaced = _SIGNS.sub(r" \1 ", unicodedata.normalize("NFC", plain.casefold()))
    return _SPACES.sub(" ", spaced).strip()


@dataclass(frozen=True)
class Part:
    """The names of some entities.

    Attributes:
        text: all of them.
        starts: where each entity's line begins ``[n]``.
        rows: each entity's row in the graph ``[n]``; −1 where it is gone.
    """

    text: bytes
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, entities: Iterable[Entity], rows: NDArray[np.int64]) -> Part:
        """The names of entities in these rows."""
        lines = ["\n" + "\t".join(map(folded, (one.name, *one.aliases))) for one in entities]
        return cls._joined([line.encode() for line in lines], rows)

    @classmethod
    def _joined(cls, lines: list[bytes], rows: NDArray[np.int64]) -> Part:
        starts = np.cumsum([0, *map(len, lines)], dtype=np.int64)[:-1]
        return cls(b"".join(lines) + b"\n", starts, rows)

    def joined(self, other: Part) -> Part:
        """Both, without what is gone."""
        lines = [part.line(place) for part in (self, other) for place in np.flatnonzero(part.rows >= 0).tolist()]
        return self._joined(lines, np.concatenate([part.rows[part.rows >= 0] for part in (self, other)]))

    def line(self, place: int) -> bytes:
        """An entity's line, from its line feed on."""
        end = self.starts[place + 1] if place + 1 < len(self.starts) else len(self.text) - 1
        return self.text[self.starts[place] : end]

    def find(self, words: list[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Graph rows whose names have words that begin so, and how well they fit: 0 the name, … 3 some words."""
        places = self._places(rb"[\n\t ]" + re.escape(max(words, key=len)))
        if len(words) > 1:
            places = np.array([one for one in places.tolist() if self._has(one, words)], dtype=np.int64)
        fit = np.full(len(self.starts), 3, dtype=np.int64)
        phrase = re.escape(b" ".join(words))
        for rank, pattern in ((2, rb"\t" + phrase), (1, rb"\n" + phrase), (0, rb"\n" + phrase + rb"(?=[\t\n])")):
            fit[self._places(pattern)] = rank
        places = places[self.rows[places] >= 0]
        return self.rows[places], fit[places]

    def _places(self, pattern: bytes) -> NDArray[np.int64]:
        hits = np.fromiter((hit.start() for hit in re.finditer(pattern, self.text)), dtype=np.int64)
        return np.unique(np.searchsorted(self.starts, hits, side="right") - 1)

    def _has(self, place: int, words: list[bytes]) -> bool:
        line = self.line(place).replace(b"\n", b" ").replace(b"\t", b" ")
        return all(b" " + word in line for word in words)


@dataclass(frozen=True)
class Names:
    """The names of a graph."""

    parts: tuple[Part, ...]
    entities: int
    _found: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, graph: KnowledgeGraph) -> Names:
        """Read all names, and no image."""
        first, made = 0, []
        for batch in graph.batches(READ, images=False):
            made.append(Part.of(batch, np.arange(first, first + len(batch))))
            first += len(batch)
        return cls(tuple(_few(made)), len(graph))

    def at(self, graph: KnowledgeGraph, moves: Moves) -> Names:
        """The names of a later snapshot; those of what did not change are not read again."""
        parts = [replace(part, rows=moves.new_rows(part.rows)) for part in self.parts]
        fresh = Part.of(_read(graph, moves.fresh), moves.fresh)
        if len(parts) > 1 and len(parts[-1].rows) <= SMALL:
            fresh = parts.pop().joined(fresh)
        return Names((*parts, fresh), len(graph))

    def find(self, query: str) -> NDArray[np.int64]:
        """The rows that fit a name, the best first, then in the order of the graph; all for an empty query."""
        if not query.strip():
            return np.arange(self.entities)
        if query not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[query] = self._search(query)
        return self._found[query]

    def _search(self, query: str) -> NDArray[np.int64]:
        words = [word.encode() for word in folded(query).split()]
        found = [part.find(words) for part in self.parts] if words else []
        if not found:
            return np.zeros(0, dtype=np.int64)
        rows, fit = (np.concatenate(some) for some in zip(*found, strict=True))
        return rows[np.lexsort((rows, fit))]


def _read(graph: KnowledgeGraph, rows: NDArray[np.int64]) -> Iterator[Entity]:
    for first in range(0, len(rows), READ):
        yield from graph.take(rows[first : first + READ].tolist())


def _few(parts: list[Part]) -> list[Part]:
    """The same in one part: a scan of one text is quicker than of a thousand."""
    if len(parts) < 2:
        return parts
    texts = [part.text[:-1] for part in parts]
    shifts = np.cumsum([0, *map(len, texts)], dtype=np.int64)[:-1]
    starts = np.concatenate([part.starts + shift for part, shift in zip(parts, shifts, strict=True)])
    return [Part(b"".join(texts) + b"\n", starts, np.concatenate([part.rows for part in parts]))]
