"""Search with a stated loss: a first stage names candidates, the exact score chooses among them.

First stage: the best entities by the inner products alone (faiss), and the best by name. What the two miss is lost, so
the loss is measured, not assumed: the first mentions and every hundredth after them are also searched exactly, and each
answer says how much of the exact best ``k`` the candidates have held so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.errors import ConfigurationError, MissingExtra
from otmel.index.answers import Answer, Certificate, Query
from otmel.index.blend import Blend, share
from otmel.index.mentions import Askers
from otmel.settings import Settings

if TYPE_CHECKING:
    from otmel.index.search import Searcher

BATCH = 64
PARTITION = 2**15
"""Entities from which on faiss looks into a part of its lists only."""


class CandidateSettings(Settings):
    """The first stage.

    Attributes:
        pool: how many candidates the inner products name; the names add as many.
        probes: lists that faiss looks into, of ``√E``; on small graphs it looks into all.
        measured: mentions searched exactly at the beginning; then every ``interval``-th.
        interval: see ``measured``.
    """

    pool: int = 100
    probes: int = 32
    measured: int = 32
    interval: int = 100


@dataclass
class Tally:
    """How much of the exact answers the candidates have held."""

    mentions: int = 0
    measured: int = 0
    wanted: int = 0
    held: int = 0

    @property
    def recall(self) -> float:
        """Share of the exact best entities that the candidates held."""
        return self.held / self.wanted if self.wanted else 1.0


class CandidateSearch:
    """The two stages over a searcher's segments.

    Raises:
        MissingExtra: faiss is not installed.
    """

    def __init__(self, searcher: Searcher, settings: CandidateSettings | None = None) -> None:
        self.searcher, self.settings = searcher, settings or CandidateSettings()
        self.tally = Tally()
        self._alive = torch.nonzero(searcher.rows >= 0).flatten()
        self._lists = _faiss(self._vectors(), self.settings)

    def search(self, askers: Askers, query: Query) -> Iterator[Answer]:
        """The answers to all mentions, in their order.

        Raises:
            ConfigurationError: ranks are asked for, which are over all entities.
        """
        if query.gold is not None or query.alone:
            raise ConfigurationError("candidates give no ranks: these are over all entities", cure="search exactly")
        for start in range(0, len(askers), BATCH):
            yield from self._batch(askers[start : start + BATCH], query)

    def _batch(self, askers: Askers, query: Query) -> Iterator[Answer]:
        meetings = self.searcher.meetings(askers)
        mention, entry = self._candidates(askers, [meeting.names for meeting in meetings])
        parts, shares = self.searcher.exact(meetings, mention, entry)
        total = Blend(self.searcher.composition).total(parts, shares)
        for row in range(len(askers)):
            own = mention == row
            rows, scores = self.searcher.rows[entry[own]], total[own]
            order = torch.from_numpy(np.lexsort((rows.numpy(), -scores.numpy())))[: query.k]
            best = rows[order].numpy()
            recall = self._measured(askers[row : row + 1], best, query)
            certificate = Certificate(len(self.searcher), int(own.sum()), float("nan"), "candidates", *recall)
            yield Answer(best, scores[order].numpy(), float("nan"), (0, 0), {}, certificate)

    def _candidates(self, askers: Askers, names: list[Tensor | None]) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
        count = min(self.settings.pool, len(self._alive))
        if not count:
            return torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
        _, near = self._lists.search(self._asked(askers), count)
        named = None
        if all(one is not None for one in names):
            scores = torch.cat([one for one in names if one is not None], 1)[:, self._alive]
            named = scores.topk(count, dim=1, sorted=False).indices
        pairs = []
        for row in range(len(askers)):
            found = torch.from_numpy(near[row][near[row] >= 0])
            entries = torch.unique(found if named is None else torch.cat([found, named[row]]))
            pairs.append(torch.stack([torch.full_like(entries, row), self._alive[entries]]))
        mention, entry = torch.cat(pairs, 1)
        return mention, entry

    def _measured(self, asker: Askers, best: np.ndarray, query: Query) -> tuple[float, int]:
        tally, settings = self.tally, self.settings
        if tally.mentions < settings.measured or tally.mentions % settings.interval == 0:
            (exact,) = self.searcher.search(asker, replace(query, method="auto"))
            tally.measured += 1
            tally.wanted += len(exact.rows)
            tally.held += len(np.intersect1d(exact.rows, best))
        tally.mentions += 1
        return tally.recall, tally.measured

    def _vectors(self) -> Float[np.ndarray, "E D"]:
        """What the inner products of a score are taken with, for entities that are there; a missing part is zero."""
        parts = [part.name for part in self.searcher.composition.parts if part.dense]
        segments = [
            torch.cat([segment.dense[part].rows() for part in parts] or [torch.zeros(len(segment), 1)], 1)[
                segment.alive
            ]
            for segment in self.searcher.segments
        ]
        return torch.cat(segments).numpy() if segments else np.zeros((0, 1), np.float32)

    def _asked(self, askers: Askers) -> Float[np.ndarray, "M D"]:
        """The mentions' side, as if every entity had an image."""
        parts = [part for part in self.searcher.composition.parts if part.dense]
        if not parts:
            return np.zeros((len(askers), 1), np.float32)
        shares = share(self.searcher.composition, askers.has_image, torch.float32).unsqueeze(1)
        vectors = [part.dense * askers.dense[part.name] for part in parts]
        weighed = [shares * own if part.averaged else own for part, own in zip(parts, vectors, strict=True)]
        return torch.cat(weighed, 1).numpy()


def _faiss(vectors: np.ndarray, settings: CandidateSettings) -> Any:
    try:
        import faiss
    except ModuleNotFoundError:
        raise MissingExtra("faiss-cpu", "candidates", "search by candidates") from None
    index: Any = faiss.IndexFlatIP(vectors.shape[1])
    if len(vectors) >= PARTITION:
        lists = int(len(vectors) ** 0.5)
        index = faiss.IndexIVFFlat(index, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = min(settings.probes, lists)
        index.train(vectors)
    index.add(vectors)
    return index
