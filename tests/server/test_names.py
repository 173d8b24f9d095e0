"""Names are found as a plain loop finds them, also after changes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.graph import KnowledgeGraph
from otmel.data.moves import Moves
from otmel.data.records import Entity
from otmel.server import names as module
from otmel.server.names import Names, folded

WORDS = ["Ada", "Béla", "van", "Straße", "O'Neill", "周杰倫", "a", "ab", "abc", "X-1", "ǅ", "\t", ""]
NAME = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)


def plain(graph: KnowledgeGraph, query: str) -> list[int]:
    """Every entity looked at by itself."""
    words = folded(query).split()
    if not query.strip():
        return list(range(len(graph)))
    found = []
    for row, entity in enumerate(graph):
        own = [folded(name) for name in (entity.name, *entity.aliases)]
        held = [word for name in own for word in name.split()]
        if words and all(any(one.startswith(word) for one in held) for word in words):
            phrase = " ".join(words)
            fit = 0 if own[0] == phrase else 1 if own[0].startswith(phrase) else 3
            if fit == 3 and any(name.startswith(phrase) for name in own[1:]):
                fit = 2
            found.append((fit, row))
    return [row for _, row in sorted(found)]


def made(listed: list[tuple[str, list[str]]], first: int = 0) -> list[Entity]:
    return [Entity(str(first + n), name, aliases=tuple(aliases)) for n, (name, aliases) in enumerate(listed)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NAME, st.lists(NAME, max_size=2)), min_size=1, max_size=8), NAME)
def test_what_is_found_is_what_a_loop_finds(listed: list[tuple[str, list[str]]], query: str) -> None:
    graph = KnowledgeGraph(made(listed))
    assert Names.of(graph).find(query).tolist() == plain(graph, query)


def test_changes_leave_what_a_new_reading_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 3)
    draw = random.Random(0)
    entities = made([(f"{draw.choice(WORDS)} {n}", [draw.choice(WORDS)]) for n in range(12)])
    graph = KnowledgeGraph(entities)
    names = Names.of(graph)
    for step in range(40):
        if draw.random() < 0.4 and len(entities) > 2:
            del entities[draw.randrange(len(entities))]
        else:
            entities.insert(draw.randrange(len(entities)), Entity(f"n{step}", draw.choice(WORDS)))
        after = KnowledgeGraph(entities)
        graph, names = after, names.at(after, Moves.between(graph, after))
        for query in ("", "a", "béla", "strasse", "周", "12"):
            assert names.find(query).tolist() == plain(graph, query)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Béla  BARTÓK", "bela bartok"),
        ("Straße", "strasse"),
        ("O'Neill-Smith_2", "o neill smith 2"),
        ("周杰倫", "周 杰 倫"),
        ("강남", "강 남"),
        ("ﬁn", "fin"),
        ("\n\t", ""),
    ],
)
def test_names_are_folded(name: str, said: str) -> None:
    assert folded(name) == said
