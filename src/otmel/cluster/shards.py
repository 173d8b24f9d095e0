"""An index that lies in shards: groups of its segments, each held by an actor, where the whole is too large for one.

A mention visits one shard after the other and carries the score of its ``k``-th best entity so far: what cannot reach
it by its bounds is not scored there. Mentions that are asked together begin at different shards, so all are at work.
The best ``k`` of the best ``k`` of all shards are the best of the whole, and what was left out anywhere is bounded:
entities, scores and order are those of one index, and so is the proof. How many pairs were scored, and by how much the
best left out is beaten, may differ from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otmel.cluster.job import Material
from otmel.cluster.refusal import accepted, refusing, this_node
from otmel.cluster.sameness import Welcome
from otmel.errors import ConfigurationError
from otmel.index.answers import Answer, Certificate, Query
from otmel.index.expected import Expected
from otmel.index.index import EntityIndex, SearchSettings
from otmel.index.mentions import Askers
from otmel.index.source import inputs_hash
from otmel.index.store import open_index
from otmel.models.base import State
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.composition import Composition
from otmel.remote import Place


@dataclass(frozen=True)
class ShardOf:
    """What a shard holds.

    Attributes:
        material: run and graph.
        index: where the index is.
        number: of the shard.
        shards: how many there are.
        settings: how it is searched.
    """

    material: Material
    index: Place
    number: int
    shards: int
    settings: SearchSettings


class Shard:
    """An actor that holds a share of an index. It loads nothing before it is asked.

    Args:
        share: what it holds.
    """

    def __init__(self, share: ShardOf) -> None:
        self.share = share

    @refusing
    def ready(self) -> Welcome:
        """Open the share."""
        return Welcome(this_node(), f"{len(self._index):,} entities")

    @refusing
    def search(self, askers: Askers, query: Query) -> list[Answer]:
        """The best entities of the share for every mention."""
        return list(self._index.asked(askers, query))

    @refusing
    def contributions(self, askers: Askers, mention: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What each part adds, for the pairs whose entities lie here; and which pairs these are."""
        here = torch.nonzero(torch.from_numpy(np.isin(rows.numpy(), self._rows))).flatten()
        return here, self._index.contributed(askers, (mention[here], rows[here]))

    @cached_property
    def _index(self) -> EntityIndex:
        share, material = self.share, self.share.material
        material.versions.check(this_node())
        run = material.run
        expected = Expected(model=weights_hash(run), inputs=inputs_hash(run), graph=material.snapshot)
        opened = open_index(share.index, expected, share=(share.number, share.shards))
        return opened.index(Bundle.load(run).model.composition(), share.settings)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return torch.cat([segment.rows for segment in self._index.segments]).numpy()


@dataclass
class ShardedIndex:
    """All shards as one index.

    Attributes:
        shards: the actors.
        composition: what a score is made of.
    """

    shards: Sequence[Any]
    composition: Composition

    def search(self, mentions: State, query: Query) -> Iterator[Answer]:
        """The answers to all mentions, in their order; as ``EntityIndex.search``, without ranks of gold entities.

        Raises:
            ConfigurationError: candidates are asked for, which are not exact.
        """
        if query.method == "candidates" or query.gold is not None or query.alone:
            raise ConfigurationError("shards are searched exactly, for the best entities alone", cure="--search exact")
        askers = Askers.of(mentions, self.composition)
        merged = [Merged(query.k) for _ in range(len(askers))]
        groups = [group for group in torch.arange(len(askers)).tensor_split(len(self.shards)) if len(group)]
        for step in range(len(self.shards)):
            for group, answers in zip(groups, self._visited(groups, step, (askers, query), merged), strict=True):
                for row, answer in zip(group.tolist(), answers, strict=True):
                    merged[row].take(answer)
        return (one.answer for one in merged)

    def contributions(self, mentions: State, pairs: tuple[Tensor, Tensor]) -> Tensor:
        """What each part adds to the score of single pairs, as ``EntityIndex.contributions``."""
        import ray

        askers, (mention, rows) = Askers.of(mentions, self.composition), pairs
        asked = [shard.contributions.remote(askers, mention, rows) for shard in self.shards]
        added = torch.full((len(self.composition.names), len(rows)), torch.nan, dtype=torch.float64)
        for here, values in map(accepted, ray.get(asked)):
            added[:, here] = values
        return added

    def _visited(
        self, groups: Sequence[Tensor], step: int, asked: tuple[Askers, Query], merged: Sequence[Merged]
    ) -> list[list[Answer]]:
        """The answers of the shards that the groups visit in a step, each group another one."""
        import ray

        askers, query = asked
        waiting = []
        for place, group in enumerate(groups):
            own = replace(query, floor=[merged[row].floor for row in group.tolist()])
            if query.ids is not None:
                own = replace(own, ids=[query.ids[row] for row in group.tolist()])
            shard = self.shards[(place + step) % len(self.shards)]
            waiting.append(shard.search.remote(askers[group], own))
        return [accepted(answers) for answers in ray.get(waiting)]


@dataclass(frozen=True)
class Held:
    """Shards in the place of an index on the disk, as a linker takes it."""

    shards: ShardedIndex

    def index(self, composition: Composition, settings: SearchSettings | None = None) -> ShardedIndex:
        """The shards; each has checked on its own what it was made of."""
        return self.shards


@dataclass
class Merged:
    """The answer to one mention, from shard to shard."""

    k: int
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    certificates: list[Certificate] = field(default_factory=list)
    left: float = -math.inf

    @property
    def floor(self) -> float:
        """The score that ``k`` entities reach already; minus infinity before there are so many."""
        return float(self.scores[-1]) if len(self.scores) == self.k else -math.inf

    def take(self, answer: Answer) -> None:
        """Another shard's answer."""
        rows, scores = np.concatenate([self.rows, answer.rows]), np.concatenate([self.scores, answer.scores])
        order = np.lexsort((rows, -scores))[: self.k]
        self.rows, self.scores = rows[order], scores[order]
        self.certificates.append(answer.certificate)
        self.left = max(self.left, answer.left)

    @property
    def answer(self) -> Answer:
        """The answer of all shards."""
        methods = {one.method for one in self.certificates}
        last = float(self.scores[-1]) if len(self.scores) else math.inf
        pairs, scored = sum(one.pairs for one in self.certificates), sum(one.scored for one in self.certificates)
        certificate = Certificate(pairs, scored, last - self.left, methods.pop() if len(methods) == 1 else "bounds")
        return Answer(self.rows, self.scores, math.nan, (0, 0), {}, certificate, self.left)
