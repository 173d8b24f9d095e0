"""Pairs a second of every way to compute the late terms of all pairs, text and image together.

A pair is one 40×40 and one 50×50 transport, 96 channels wide, with its pooling and its two products. What an entity or
a mention brings alone (projections, packing) is done before and not timed, for no way. The baseline of every row is the
released style, with the released formula, as many iterations and as many threads, in the batches in which it is
quickest; in large batches, as one makes them for a GPU, it has a row of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root: `kernels` is a package of others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks._features import World
from benchmarks._machine import usable_cores
from benchmarks._measure import Timing, in_turns, threads
from benchmarks._operands import Operands, formula
from benchmarks._report import Benchmark, Options, Row
from benchmarks._works import Work, by_kernels, plain, quickest_shape, released


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        few: mentions × entities for the slow ways.
        large: mentions × entities of a large batch of the released style.
        many: mentions × entities for the kernels.
        repeats: rounds.
        forms: presets and numbers of iterations.
    """

    few: tuple[int, int]
    large: tuple[int, int]
    many: tuple[int, int]
    repeats: int
    forms: tuple[tuple[str, int], ...]


_ALL = (("PAPER", 3), ("PAPER", 10), ("PAPER", 50), ("RELEASED", 3), ("default", 3))
EXTENTS = {
    "full": Extent((8, 128), (20, 256), (20, 1024), 5, _ALL),
    "quick": Extent((8, 64), (20, 128), (20, 512), 3, (("PAPER", 3), ("RELEASED", 3))),
    "tiny": Extent((2, 16), (2, 32), (2, 32), 1, (("PAPER", 3), ("RELEASED", 3))),
}
TITLES = {"PAPER": "paper's formula", "RELEASED": "released formula", "default": "default formula"}
BASELINE = "released style, released formula"
LARGE = f"{BASELINE} in one large batch"


def rows(options: Options) -> Iterator[Row]:
    """Every formula with every number of threads that there are cores for."""
    extent = EXTENTS[options.size]
    for name, iterations in extent.forms:
        rates: dict[int, Mapping[str, float]] = {}
        for count in options.threads:
            if count > len(usable_cores()):
                continue
            with threads(count):
                timed = _timed(name, iterations, extent, count)
            rates[count] = {work.name: work.pairs / timing.seconds(count) for work, timing in timed}
            yield from _rates(f"{TITLES[name]}, {iterations} iterations", count, rates[count], timed)
        yield from _gains(f"{TITLES[name]}, {iterations} iterations", rates)


def _timed(name: str, iterations: int, extent: Extent, count: int) -> list[tuple[Work, Timing]]:
    form, base = formula(name, iterations), formula("RELEASED", iterations)
    many = Operands.of(World(), *extent.many)
    few = {part: one.part(*extent.few) for part, one in many.items()}
    shape = quickest_shape(base, few)
    works = [released(f"{BASELINE}, {shape[0]}×{shape[1]} at once", base, few, shape)]
    large = {part: one.part(*extent.large) for part, one in many.items()}
    works.append(released(LARGE, base, large, extent.large))
    if name != "RELEASED":
        works.append(released("released style", form, few, quickest_shape(form, few)))
    works += [plain("plain torch", form, few), *by_kernels(form, many, count)]
    timings = in_turns({work.name: work.run for work in works}, extent.repeats)
    return [(work, timings[work.name]) for work in works]


def _rates(title: str, count: int, rates: Mapping[str, float], timed: list[tuple[Work, Timing]]) -> Iterator[Row]:
    base = rates[timed[0][0].name]
    for work, timing in timed:
        short, _, shape = work.name.partition(f"{BASELINE}, ")
        notes = [f"best batch: {shape}"] if shape else []
        notes += [f"{work.pairs:,} pairs at once"] if work.name == LARGE else []
        if count == 1 and timing.disturbance > 1.1:
            notes.append(f"disturbed: {timing.disturbance:.2f} s by the clock for 1 s of its own")
        name = f"{title}, {short or BASELINE}, {count} thread{'s'[: count > 1]}"
        yield Row(name, rates[work.name], "pairs/s", rates[work.name] / base, "; ".join(notes))


def _gains(title: str, rates: Mapping[int, Mapping[str, float]]) -> Iterator[Row]:
    """What a second thread and bfloat16 gain, and what a kernel gains over large batches of the released style."""
    if 1 in rates and 2 in rates:
        for name in rates[2]:
            if name in rates[1] and ("float" in name):
                gain = rates[2][name] / rates[1][name]
                yield Row(f"{title}, {name}, two threads over one", gain, "×", gain)
    for count, of_one in rates.items():
        plural = "s"[: count > 1]
        for name, rate in of_one.items():
            if "float" in name:
                gain = rate / of_one[LARGE]
                yield Row(f"{title}, {name} over one large batch, {count} thread{plural}", gain, "×", gain)
            if name.endswith("bfloat16"):
                gain = rate / of_one[name.replace("bfloat16", "float32")]
                yield Row(f"{title}, {name} over float32, {count} thread{plural}", gain, "×", gain)


BENCHMARK = Benchmark("kernels", "Late terms of all pairs, text and image: pairs a second", rows)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
