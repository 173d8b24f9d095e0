"""Slices: named subsets of the ranked mentions. A slice is a value: a name and a predicate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention

SHORT_TOKENS = 20
"""Sentences of at most this many whitespace-separated tokens are short (Appendix F)."""


@dataclass(frozen=True)
class Slice:
    """The mentions for which ``holds`` is true; it is only asked of mentions whose true entity is in the graph.

    Attributes:
        name: what tables call it.
        holds: predicate over a mention and the graph.
    """

    name: str
    holds: Callable[[Mention, KnowledgeGraph], bool]

    def select(self, mentions: Sequence[Mention], graph: KnowledgeGraph) -> NDArray[np.bool_]:
        """Which mentions belong to the slice ``[M]``; never one whose true entity is not in the graph."""
        return np.array([m.answer in graph and self.holds(m, graph) for m in mentions], dtype=bool)


def mention_has_image(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The mention has an image."""
    return mention.image is not None


def entity_has_image(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The true entity has an image."""
    return bool(_answer(mention, graph).images)


def shares_name(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The true entity's title is the title of another entity too."""
    return _title_counts(graph)[_folded(_answer(mention, graph).name)] > 1


def is_easy(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The mention words are the true entity's title, which no other entity has: §4.6 leaves such mentions out."""
    same = _folded(mention.name) == _folded(_answer(mention, graph).name)
    return same and not shares_name(mention, graph)


def is_short(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The sentence has at most ``SHORT_TOKENS`` tokens."""
    return len(mention.context.split()) <= SHORT_TOKENS


def has_single_object(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The mention's image is known to show one object or none (Table 3)."""
    return mention.objects is not None and mention.objects <= 1


def has_many_objects(mention: Mention, graph: KnowledgeGraph) -> bool:
    """The mention's image is known to show more than one object (Table 3)."""
    return mention.objects is not None and mention.objects > 1


def opposite(of: Callable[[Mention, KnowledgeGraph], bool]) -> Callable[[Mention, KnowledgeGraph], bool]:
    """The predicate that holds exactly where ``of`` does not."""
    return lambda mention, graph: not of(mention, graph)


DEFAULT_SLICES: tuple[Slice, ...] = (
    Slice("mention with image", mention_has_image),
    Slice("mention without image", opposite(mention_has_image)),
    Slice("entity with image", entity_has_image),
    Slice("entity without image", opposite(entity_has_image)),
    Slice("easy: title, unique", is_easy),
    Slice("not easy", opposite(is_easy)),
    Slice("shared title", shares_name),
    Slice("single object", has_single_object),
    Slice("several objects", has_many_objects),
    Slice("objects unknown", lambda mention, graph: mention.objects is None),
    Slice(f"short: ≤ {SHORT_TOKENS} tokens", is_short),
    Slice(f"long: > {SHORT_TOKENS} tokens", opposite(is_short)),
)

_COUNTED: WeakKeyDictionary[KnowledgeGraph, Counter[str]] = WeakKeyDictionary()


def _title_counts(graph: KnowledgeGraph) -> Counter[str]:
    """How many entities bear each title; counted once per graph."""
    if graph not in _COUNTED:
        _COUNTED[graph] = Counter(_folded(entity.name) for entity in graph)
    return _COUNTED[graph]


def _answer(mention: Mention, graph: KnowledgeGraph) -> Entity:
    return graph.entity(mention.answer or "")


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
