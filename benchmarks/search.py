"""Exact search by bounds against a scan and against the released style, on generated features and on trained models.

    python benchmarks/search.py                              100,000 entities, as the inner product gets weaker
    python benchmarks/search.py --wikimel [--minutes M]      109,976 entities × 5,169 mentions, within memory
    python benchmarks/search.py --run RUN [--data DATA]      a trained model against the plain evaluation

The formula is that of the preset ``PAPER`` (ε = 0.6 to a tolerance of 1e-4, rows as they are). The baseline is the
released style end to end; it is timed on a sample and its rate taken for all pairs. Some mentions are also scanned, and
both ways must give the same answers to the bit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root: `kernels` is a package of others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks._features import Kind, World
from benchmarks._machine import usable_cores
from benchmarks._measure import threads
from benchmarks._operands import composition
from benchmarks._report import Benchmark, Options, Row
from benchmarks._searching import Tally, released_rate, search_for, segments, spread, warmed, weakened
from otmel.errors import OtmelError
from otmel.index.answers import Answer, Query
from otmel.index.index import EntityIndex
from otmel.kernels import Precision
from otmel.models.base import State


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        entities: in the index.
        mentions: searched at most.
        checked: mentions that are scanned, too.
        seconds: after which a search stops at the next batch.
        kinds: features and the precision that they are kept in.
        factors: what the inner product is multiplied with.
        sample: mentions × entities of the released style.
    """

    entities: int
    mentions: int
    checked: int
    seconds: float
    kinds: tuple[tuple[Kind, Precision], ...]
    factors: tuple[float, ...]
    sample: tuple[int, int] = (8, 64)


_FACTORS = (1.0, 0.1, 1 / 30, 0.01, 0.001)
EXTENTS = {
    "full": Extent(
        100_000, 128, 2, 20, (("random", "float16"), ("random", "float32"), ("clustered", "float16")), _FACTORS
    ),
    "quick": Extent(6_000, 16, 1, 2, (("random", "float16"), ("clustered", "float16")), _FACTORS[:3]),
    "tiny": Extent(300, 3, 2, 0.1, (("random", "float16"),), (1.0, 0.1), (2, 8)),
}


def rows(options: Options) -> Iterator[Row]:
    """What was asked for."""
    count = max((one for one in options.threads if one <= len(usable_cores())), default=1)
    with threads(count):
        if options.more.run is not None:
            from benchmarks._trained import trained_rows

            yield from trained_rows(options.more.run, options.more.data, options.more.split, options.more.name, count)
        elif options.more.wikimel:
            from benchmarks._wikimel import wikimel_rows

            yield from wikimel_rows(options.size, options.more.minutes, count)
        else:
            yield from _generated(EXTENTS[options.size], count)


def _generated(extent: Extent, count: int) -> Iterator[Row]:
    base, how = released_rate(count, extent.sample, 3)
    title = f"{extent.entities:,} entities"
    yield Row(f"{title}, released style end to end", base, "pairs/s", 1.0, f"a rate extrapolated from {how}")
    for kind, precision in extent.kinds:
        made, world = composition("PAPER"), World(kind)
        warmed(world, made)
        index = EntityIndex(made, list(segments(world, extent.entities, (made, precision))))
        mentions = world.mentions(extent.mentions)
        scan = search_for(0, index, mentions[: extent.checked], Query(10, method="scan"))
        yield _rate(f"{title}, {kind}, {precision}, scan, top 10", scan, base, count)
        for factor in extent.factors:
            yield from _weakened(
                f"{title}, {kind}, {precision}", index, weakened(mentions, factor), (extent, factor, base, count)
            )


def _weakened(
    title: str, index: EntityIndex, mentions: State, settings: tuple[Extent, float, float, int]
) -> Iterator[Row]:
    """Best ten and rank with the inner product at a strength."""
    extent, factor, base, count = settings
    strength = f"inner product ×{factor:.3g}"
    gold = [(7919 * row) % extent.entities for row in range(len(mentions))]
    wide = spread(index, mentions)
    for what, query in (("top 10", Query(10)), ("top 10 and rank", Query(10, gold))):
        tally = search_for(extent.seconds, index, mentions, query)
        _agree(tally.answers[: extent.checked], index, mentions[: extent.checked], query)
        note = f"its spread is {wide:.3g}× the late terms'"
        yield _rate(f"{title}, {strength}, {what}", tally, base, count, note)
        fewer = tally.pairs / max(tally.scored, 1)
        yield Row(
            f"{title}, {strength}, {what}, pairs scored", 100 * tally.share, "%", fewer, "ratio: pairs over scored"
        )


def _rate(name: str, tally: Tally, base: float, count: int, note: str = "") -> Row:
    rate = tally.rate(count)
    return Row(name, rate, "pairs/s", rate / base, "; ".join(filter(None, (tally.note, note))))


def _agree(answers: list[Answer], index: EntityIndex, mentions: State, query: Query) -> None:
    """Compare with a scan, to the bit. Raises ``OtmelError``."""
    gold = None if query.gold is None else query.gold[: len(mentions)]
    scanned = index.search(mentions, Query(query.k, gold, method="scan"))
    for number, (one, other) in enumerate(zip(answers, scanned, strict=True)):
        same = one.rows.tolist() == other.rows.tolist() and one.scores.tobytes() == other.scores.tobytes()
        if not same or one.rank != other.rank:
            raise OtmelError(
                f"mention {number}: bounds and scan differ", cure="report this: it is a fault of the search"
            )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wikimel", action="store_true", help="an evaluation of WikiMEL's size")
    parser.add_argument("--minutes", type=float, default=30, help="after which --wikimel stops (default: 30)")
    parser.add_argument("--run", type=Path, help="a trained run to evaluate")
    parser.add_argument("--data", type=Path, help="its data; by default those that it was trained on")
    parser.add_argument("--split", default="dev", help="the mentions (default: dev)")
    parser.add_argument("--name", help="what to call the run")


BENCHMARK = Benchmark("search", "Exact search of all pairs: pairs a second", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
