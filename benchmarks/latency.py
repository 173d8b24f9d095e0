"""One mention against a whole graph, warm: milliseconds from the question to the exact best ten.

The index lies on disk in segments and is memory-mapped; it is written and asked in processes of their own. Entities are
clustered features with all 40 + 50 tokens, mentions come one at a time. The baseline is the released style: its rate,
measured on a sample, extrapolated to the graph. Memory is what the process has for itself beyond the mapped files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root: `kernels` is a package of others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks._features import WIDTH
from benchmarks._machine import usable_cores
from benchmarks._measure import threads
from benchmarks._memory import child
from benchmarks._report import Benchmark, Options, Row
from benchmarks._searching import released_rate


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        sizes: entities, and the precision that they are kept in.
        calls: questions that are timed.
        scans: questions answered by a scan.
        candidates: the largest graph that is also searched by candidates.
        sample: mentions × entities of the released style.
        width: channels.
    """

    sizes: tuple[tuple[int, str], ...]
    calls: int
    scans: int
    candidates: int
    sample: tuple[int, int] = (8, 64)
    width: int = WIDTH


EXTENTS = {
    "full": Extent(((10_000, "float16"), (100_000, "float16"), (1_000_000, "int8")), 200, 2, 100_000),
    "quick": Extent(((10_000, "float16"),), 100, 1, 10_000),
    "tiny": Extent(((150, "int8"),), 4, 1, 0, (2, 8), 8),
}


def rows(options: Options) -> Iterator[Row]:
    """Every size, by bounds, by scan and by candidates."""
    extent = EXTENTS[options.size]
    count = max((one for one in options.threads if one <= len(usable_cores())), default=1)
    with threads(count):
        base, how = released_rate(count, extent.sample, 3)
    for entities, precision in extent.sizes:
        with tempfile.TemporaryDirectory(prefix="otmel-latency-", dir=options.more.dir) as folder:
            plain = 1e3 * entities / base
            title = f"{entities:,} entities, {precision}"
            note = f"extrapolated from {how}"
            yield Row(f"{title}, released style", plain, "ms", 1.0, note)
            yield from _size(title, (Path(folder) / "index", entities, precision), (extent, plain, count))


def _size(title: str, index: tuple[Path, int, str], settings: tuple[Extent, float, int]) -> Iterator[Row]:
    (folder, entities, precision), (extent, plain, count) = index, settings
    place = {"folder": str(folder), "width": extent.width, "threads": count}
    written = child("benchmarks._asked", "write_index", {**place, "entities": entities, "precision": precision})
    note = f"written in {written['seconds']:.0f} s"
    yield Row(f"{title}, index on disk", written["bytes"] / 2**20, "MiB", None, note)
    exact = child("benchmarks._asked", "ask", {**place, "method": "auto", "calls": extent.calls})
    note = f"{extent.calls} questions, {exact['share']:.2%} of the entities scored, {exact['scanned']} scans"
    yield Row(f"{title}, exact, median", exact["p50"], "ms", plain / exact["p50"], note)
    yield Row(f"{title}, exact, 99th percentile", exact["p99"], "ms", plain / exact["p99"])
    if exact["own_mib"] is not None:
        note = f"{exact['start_mib']:,.0f} MiB of it before the index was opened"
        yield Row(f"{title}, exact, most memory beyond the map", exact["own_mib"], "MiB", None, note)
    yield Row(f"{title}, opening the index", exact["opening"], "ms", None, "ends of every file checked")
    scan = child("benchmarks._asked", "ask", {**place, "method": "scan", "calls": extent.scans})
    yield Row(f"{title}, scan, median", scan["p50"], "ms", plain / scan["p50"], f"{extent.scans} questions")
    if entities <= extent.candidates:
        found = child("benchmarks._asked", "ask", {**place, "method": "candidates", "calls": extent.calls})
        note = f"recall@10 {found['recall']:.3f}, measured over {found['measured']} questions: not exact"
        yield Row(f"{title}, candidates, median", found["p50"], "ms", plain / found["p50"], note)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, help="where the index is written meanwhile (10 GB for 1,000,000 entities)")


BENCHMARK = Benchmark("latency", "One mention against a whole graph: milliseconds", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
