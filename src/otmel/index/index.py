"""``EntityIndex``: the entities of a graph in the form in which every mention can be compared with all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from otmel.index.answers import Answer, Query
from otmel.index.candidates import CandidateSearch
from otmel.index.late import LateSearch
from otmel.index.mentions import Askers
from otmel.index.packing import packed
from otmel.index.search import Searcher
from otmel.index.segment import Segment
from otmel.kernels import Precision, select
from otmel.models.base import State
from otmel.models.composition import Composition
from otmel.settings import Settings

SEGMENT = 2**14
"""Entities in a segment that is made in memory."""


class SearchSettings(Settings):
    """How an index is searched; nothing here changes an answer but by what the kernels' rounding does.

    Attributes:
        kernel: ``auto``, or the name of one (``otmel.kernels``).
        threads: threads of the kernel; ``None``: as many as torch uses.
    """

    kernel: str = "auto"
    threads: int | None = None


class EntityIndex:
    """Exact search over all entities of a graph.

    Args:
        composition: what the model's score is made of.
        segments: the entities; together they hold every graph row once.
        settings: how to search.
    """

    def __init__(
        self, composition: Composition, segments: Sequence[Segment], settings: SearchSettings | None = None
    ) -> None:
        self.composition, self.segments = composition, tuple(segments)
        self.settings = settings or SearchSettings()
        threads = self.settings.threads or torch.get_num_threads()
        late = {}
        for part in composition.late:
            assert part.formula is not None
            late[part.name] = LateSearch(*select(part.formula, self.settings.kernel, threads=threads), part.formula)
        self._searcher = Searcher(composition, late, self.segments)

    @classmethod
    def of(
        cls,
        entities: State,
        composition: Composition,
        precision: Precision = "float32",
        settings: SearchSettings | None = None,
    ) -> EntityIndex:
        """An index in memory of entities in graph order."""
        rows = torch.arange(len(entities))
        segments = [packed(entities[part], part, composition, precision) for part in rows.split(SEGMENT) if len(part)]
        return cls(composition, segments, settings)

    def __len__(self) -> int:
        return len(self._searcher)

    def without(self, rows: Sequence[int] | NDArray[np.int64]) -> EntityIndex:
        """The same index as if these graph rows had been deleted; nothing is copied but the other rows' numbers."""
        gone = torch.as_tensor(np.asarray(rows, dtype=np.int64))
        kept = [replace(one, rows=one.rows.masked_fill(torch.isin(one.rows, gone), -1)) for one in self.segments]
        return self.over(kept)

    def over(self, segments: Sequence[Segment]) -> EntityIndex:
        """Other entities under the same settings, searched by the same kernels."""
        other = copy(self)
        other.__dict__.pop("_candidates", None)
        other.segments = tuple(segments)
        other._searcher = Searcher(self.composition, self._searcher.late, other.segments)
        return other

    @property
    def kernels(self) -> dict[str, str]:
        """Late part → the name of its kernel."""
        return {part: late.kernel.name for part, late in self._searcher.late.items()}

    @property
    def precision(self) -> str:
        """In which the entities' states are kept."""
        vectors = [one for segment in self.segments for one in segment.dense.values()]
        return str(vectors[0].numbers.dtype).removeprefix("torch.") if vectors else "float32"

    def search(self, mentions: State, query: Query) -> Iterator[Answer]:
        """The answers to all mentions, in their order: exact, unless ``query.method`` says ``candidates``.

        Raises:
            OtmelError: a score is NaN, or a gold row is not in the index.
            MissingExtra: candidates are asked for, and faiss is not installed.
        """
        return self.asked(Askers.of(mentions, self.composition), query)

    def asked(self, askers: Askers, query: Query) -> Iterator[Answer]:
        """The same for mentions that are prepared already."""
        searcher = self._candidates if query.method == "candidates" else self._searcher
        return searcher.search(askers, query)

    @cached_property
    def _candidates(self) -> CandidateSearch:
        return CandidateSearch(self._searcher)

    def contributions(self, mentions: State, pairs: tuple[Tensor, Tensor]) -> Float[Tensor, "X P"]:
        """What each part adds to the score of single pairs, in the order of ``composition.names``; float64.

        Args:
            mentions: ``M`` mentions.
            pairs: numbers of mentions ``[P]``, and graph rows ``[P]``.
        """
        return self.contributed(Askers.of(mentions, self.composition), pairs)

    def contributed(self, askers: Askers, pairs: tuple[Tensor, Tensor]) -> Float[Tensor, "X P"]:
        """The same for mentions that are prepared already."""
        mention, rows = pairs
        entries = self._searcher.entries(rows.tolist())
        parts, share = self._searcher.exact(self._searcher.meetings(askers), mention, entries)
        named = zip(self.composition.parts, parts, strict=False)
        added = [share * row if part.averaged else row for part, row in named]
        if self.composition.name_weight is not None:
            added.append(self.composition.name_weight * parts[-1])
        return torch.stack(added)


def ranks(answers: Sequence[Answer], part: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """First and last possible ranks of the gold entities (0 without one), by the whole score or a part alone."""
    pairs = [answer.rank if part is None else answer.alone[part] for answer in answers]
    first = np.array([rank for rank, _ in pairs], dtype=np.int64)
    return first, first + np.array([ties for _, ties in pairs], dtype=np.int64)
