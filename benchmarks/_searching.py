"""Searching an index of generated entities, for a time, and what that says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmarks._features import World
from benchmarks._measure import in_turns
from benchmarks._operands import Operands, formula
from benchmarks._works import quickest_shape, released
from otmel.index.answers import Answer, Query
from otmel.index.index import SEGMENT, EntityIndex
from otmel.index.packing import packed
from otmel.index.segment import Segment
from otmel.kernels import Precision
from otmel.models.base import State
from otmel.models.composition import Composition
from otmel.progress import progress


@dataclass
class Gold:
    """The inner products' vectors of the gold entities, caught while entities are generated.

    Attributes:
        rows: the gold entity of each mention.
        dense: part → their vectors.
    """

    rows: Int[Tensor, " M"]
    dense: dict[str, Float[Tensor, "M D"]] = field(default_factory=dict)

    def catch(self, rows: Int[Tensor, " n"], state: State) -> None:
        """Take what is of a gold entity."""
        first = int(rows[0])
        here = torch.nonzero((self.rows >= first) & (self.rows < first + len(rows))).flatten()
        for part, vectors in state.dense.items():
            mine = self.dense.setdefault(part, torch.zeros(len(self.rows), vectors.shape[1]))
            mine[here] = vectors[self.rows[here] - first]

    def near(self, mentions: State, rows: slice, closeness: float) -> State:
        """Some mentions, with vectors that lean towards their gold entities' and are as long as before."""
        own = (1 - closeness**2) ** 0.5
        dense = {part: own * vectors + closeness * self.dense[part][rows] for part, vectors in mentions.dense.items()}
        return replace(mentions, dense=dense)


def segments(
    world: World, count: int, kept: tuple[Composition, Precision], gold: Gold | None = None, size: int = SEGMENT
) -> Iterator[Segment]:
    """Segments of ``count`` entities, one after the other: only one is ever in memory as it was generated.

    Args:
        world: what they are drawn from.
        count: how many.
        kept: what the score is made of, and the precision of what is kept.
        gold: catches the mentions' true entities on the way.
        size: entities in a segment.
    """
    with progress("packing generated entities", count) as advance:
        for rows, state in world.segments(count, min(size, max(count // 4, 1))):
            if gold is not None:
                gold.catch(rows, state)
            yield packed(state, rows, *kept)
            advance(len(rows))


def warmed(world: World, made: Composition) -> None:
    """Search a few entities both ways, so that kernels are loaded and compiled before anything is timed."""
    index = EntityIndex.of(world.entities(0, 64), made, "float16")
    for query in (Query(3), Query(3, method="scan")):
        list(index.search(world.mentions(2), query))


def weakened(mentions: State, factor: float) -> State:
    """Mentions whose inner products are ``factor`` times as large; their late terms stay."""
    return replace(mentions, dense={part: factor * vectors for part, vectors in mentions.dense.items()})


@dataclass
class Tally:
    """What some searches took.

    Attributes:
        mentions: how many were searched.
        pairs: mentions × entities.
        scored: pairs whose late terms were computed.
        scanned: mentions whose every late term was computed.
        wall: seconds by the clock.
        cpu: seconds of processor time.
    """

    mentions: int = 0
    pairs: int = 0
    scored: int = 0
    scanned: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    answers: list[Answer] = field(default_factory=list)

    def take(self, answers: list[Answer], wall: float, cpu: float) -> None:
        """Add a batch."""
        self.mentions += len(answers)
        self.pairs += sum(one.certificate.pairs for one in answers)
        self.scored += sum(one.certificate.scored for one in answers)
        self.scanned += sum(one.certificate.method == "scan" for one in answers)
        self.wall, self.cpu = self.wall + wall, self.cpu + cpu
        self.answers += answers

    def add(self, other: Tally) -> None:
        """Add other searches."""
        self.take(other.answers, other.wall, other.cpu)

    def rate(self, threads: int) -> float:
        """Pairs a second: of processor time with one thread, else by the clock."""
        return self.pairs / max(self.cpu if threads == 1 else self.wall, 1e-9)

    @property
    def share(self) -> float:
        """Share of the pairs that were scored."""
        return self.scored / max(self.pairs, 1)

    @property
    def note(self) -> str:
        """In words."""
        return f"{self.mentions:,} mentions, {self.share:.2%} of the pairs scored, {self.scanned:,} mentions scanned"


def search_for(
    seconds: float, index: EntityIndex, mentions: State, query: Query, advance: Callable[[int], object] = lambda n: None
) -> Tally:
    """Search batch by batch until the time is over or all mentions are done; always at least one batch."""
    tally, began, step = Tally(), time.perf_counter(), 16
    for start in range(0, len(mentions), step):
        if start and time.perf_counter() - began > seconds:
            break
        rows = slice(start, start + step)
        gold = None if query.gold is None else query.gold[rows]
        wall, cpu = time.perf_counter(), time.process_time()
        answers = list(index.search(mentions[rows], replace(query, gold=gold)))
        tally.take(answers, time.perf_counter() - wall, time.process_time() - cpu)
        advance(len(answers))
    return tally


def released_rate(threads: int, sizes: tuple[int, int], repeats: int) -> tuple[float, str]:
    """Pairs a second of the released style, end to end: late terms and inner products; and how it was batched."""
    form = formula("RELEASED")
    operands = Operands.of(World(), *sizes)
    work = released("", form, operands, quickest_shape(form, operands))
    world, vectors = World(), {}
    for side, state in (("mention", world.mentions(sizes[0])), ("entity", world.entities(0, sizes[1]))):
        vectors[side] = torch.cat(list(state.dense.values()), 1)

    def run() -> Tensor:
        work.run()
        return vectors["mention"] @ vectors["entity"].T

    return work.pairs / in_turns({"": run}, repeats)[""].seconds(threads), f"{sizes[0]}×{sizes[1]} pairs timed"


def spread(index: EntityIndex, mentions: State) -> float:
    """Standard deviation of the inner products over that of the late terms, both as they stand in the score."""
    some = torch.randint(len(index), (256,), generator=torch.Generator().manual_seed(1))
    asked = mentions[:1]
    silent = weakened(asked, 0.0)
    pairs = (torch.zeros(len(some), dtype=torch.long), some)
    late = index.contributions(silent, pairs).sum(0)
    whole = index.contributions(asked, pairs).sum(0)
    return float((whole - late).std() / late.std())
