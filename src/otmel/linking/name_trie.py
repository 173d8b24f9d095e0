"""``NameTrie``: every entity name of a graph by its tokens; entities of one name share a leaf."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Tokens = Sequence[int]


@dataclass
class _Node:
    children: dict[int, _Node] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)


class NameTrie:
    """Names as sequences of tokens, each closed by its end token, so that no name is the beginning of another.

    Args:
        names: the tokens of each entity's name, in the order of the graph's rows; the last one is the end token.
    """

    def __init__(self, names: Iterable[Tokens]) -> None:
        self._root = _Node()
        self.depth = self.leaves = 0
        for row, name in enumerate(names):
            self._add(tuple(name), row)

    def _add(self, name: tuple[int, ...], row: int) -> None:
        node = self._root
        for token in name:
            node = node.children.setdefault(token, _Node())
        self.leaves += not node.rows
        node.rows.append(row)
        self.depth = max(self.depth, len(name))

    def after(self, prefix: Iterable[int]) -> list[int]:
        """The tokens that may follow; none where ``prefix`` is a whole name, or leads to none."""
        node = self._node(prefix)
        return [] if node is None else list(node.children)

    def rows(self, name: Iterable[int]) -> tuple[int, ...]:
        """The graph rows of all entities of this name; none where no entity has it."""
        node = self._node(name)
        return () if node is None else tuple(node.rows)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        """Every leaf: the rows that share it."""
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node.rows:
                yield tuple(node.rows)
            waiting.extend(node.children.values())

    def __len__(self) -> int:
        """How many leaves there are."""
        return self.leaves

    def _node(self, prefix: Iterable[int]) -> _Node | None:
        node: _Node | None = self._root
        for token in prefix:
            node = node.children.get(int(token)) if node is not None else None
        return node
