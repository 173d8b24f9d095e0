"""An evaluation of WikiMEL's size on generated features: every mention ranked among all entities, exactly.

Entities are generated and packed segment by segment and kept in float16; mentions are generated as they are searched.
Their vectors lean towards those of their true entities, so that these rank high, as a trained model's do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks._features import World
from benchmarks._memory import peak_mib
from benchmarks._operands import composition
from benchmarks._report import Row, Size
from benchmarks._searching import Gold, Tally, released_rate, search_for, segments, spread, warmed, weakened
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.progress import progress

CLOSENESS = 0.35
"""How much of a mention's vector is its true entity's; the share that then comes first is in the note of a row."""
IMAGES = 0.61
PIECE = 4096
"""Entities in a segment: a larger one takes more memory while it is generated."""
CHUNK = 256
SHARES = {1.0: 0.5, 0.1: 1.0}
"""Strength of the inner product → the share of the time after which its evaluation stops."""


@dataclass(frozen=True)
class Extent:
    """Entities, mentions, mentions × entities of the released style, most minutes."""

    entities: int
    mentions: int
    sample: tuple[int, int]
    minutes: float


EXTENTS = {
    "full": Extent(109_976, 5_169, (8, 64), 600),
    "quick": Extent(5_000, 128, (8, 64), 0.3),
    "tiny": Extent(200, 6, (2, 8), 0.1),
}


def wikimel_rows(size: Size, minutes: float, threads: int) -> Iterator[Row]:
    """Rate, time, pairs scored, memory; for a strong and for a weak inner product."""
    extent, made, world = EXTENTS[size], composition("PAPER"), World("clustered", ragged=True, images=IMAGES)
    title = f"{extent.entities:,} entities × {extent.mentions:,} mentions"
    base, how = released_rate(threads, extent.sample, 3)
    pairs = extent.entities * extent.mentions
    yield Row(f"{title}, released style end to end", base, "pairs/s", 1.0, f"a rate extrapolated from {how}")
    yield Row(f"{title}, released style end to end, all pairs", pairs / base / 3600, "h", 1.0, "extrapolated")
    rows = torch.randint(extent.entities, (extent.mentions,), generator=torch.Generator().manual_seed(3))
    warmed(world, made)
    gold, began = Gold(rows), time.perf_counter()
    index = EntityIndex(made, list(segments(world, extent.entities, (made, "float16"), gold, PIECE)))
    yield Row(f"{title}, generating and packing the entities", time.perf_counter() - began, "s")
    deadline = time.monotonic() + 60 * min(minutes, extent.minutes)
    for strength, share in SHARES.items():
        seconds = share * max(0.0, deadline - time.monotonic())
        tally, wide = _evaluated(index, world, gold, (strength, seconds))
        yield from _rows(f"{title}, inner product ×{strength:g}", tally, (base, pairs, threads), wide)
    if (peak := peak_mib()) is not None:
        yield Row(f"{title}, most memory of the process", peak, "MiB", None, "generating the features included")


def _evaluated(index: EntityIndex, world: World, gold: Gold, how: tuple[float, float]) -> tuple[Tally, float]:
    """Search all mentions, or as many as there is time for; and the spread of the inner product."""
    (strength, seconds), tally, wide = how, Tally(), 0.0
    began, senders = time.monotonic(), replace(world, images=1.0)
    with progress("searching", len(gold.rows)) as advance:
        for first in range(0, len(gold.rows), CHUNK):
            left = seconds - (time.monotonic() - began)
            if first and (left <= 0 or tally.mentions < first):
                break
            rows = slice(first, min(first + CHUNK, len(gold.rows)))
            mentions = gold.near(senders.mentions(rows.stop - first, first), rows, CLOSENESS)
            mentions = weakened(mentions, strength)
            wide = wide or spread(index, mentions)
            tally.add(search_for(left, index, mentions, Query(20, gold.rows[rows].tolist()), advance))
    return tally, wide


def _rows(title: str, tally: Tally, told: tuple[float, int, int], wide: float) -> Iterator[Row]:
    base, pairs, threads = told
    rate = tally.rate(threads)
    first = float(np.mean([answer.rank[0] == 1 for answer in tally.answers]))
    done = "all" if tally.pairs == pairs else f"stopped by the time: {tally.pairs / pairs:.1%} of the"
    note = f"{done} pairs; {tally.note}; spread {wide:.3g}× the late terms'; H@1 {first:.2f}"
    yield Row(f"{title}, exact ranks and top 20", rate, "pairs/s", rate / base, note)
    extrapolated = "" if tally.pairs == pairs else "extrapolated from those done"
    yield Row(f"{title}, exact ranks and top 20, all pairs", pairs / rate, "s", rate / base, extrapolated)
    fewer = tally.pairs / max(tally.scored, 1)
    yield Row(f"{title}, pairs scored", 100 * tally.share, "%", fewer, "ratio: pairs over scored pairs")
