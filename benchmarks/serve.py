"""The service under load on loopback: rate, waiting time, wrong answers and memory, at 1, 8, 64 and 500 clients.

The service is a process of its own, and so are the clients: each has one connection and asks again as soon as it is
answered. Every answer is compared with the library's: the same ids in the same order, scores to 1e-5. The baseline is
the library, one mention after the other, in a process with the same threads. The run has random weights: the rate does
not depend on what it has learnt, and beside a small encoder what the service adds is seen best.
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

from benchmarks._machine import usable_cores
from benchmarks._memory import child
from benchmarks._report import Benchmark, Options, Row

MODULE = "benchmarks._serving"
CLIENTS = (1, 8, 64, 500)


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        entities: of the graph.
        mentions: different ones, every second with an image.
        requests: for each number of clients.
        clients: how many at once.
        width: channels of the encoder; ``layers``: of each tower; ``image``: pixels of an image's side.
    """

    entities: int
    mentions: int
    requests: int
    clients: tuple[int, ...] = CLIENTS
    width: int = 128
    layers: int = 3
    image: int = 64


EXTENTS = {
    "full": Extent(10_000, 256, 3_000),
    "quick": Extent(300, 32, 300, width=64, layers=2, image=48),
    "tiny": Extent(12, 4, 12, (1, 3), 32, 1, 24),
}


def rows(options: Options) -> Iterator[Row]:
    """The library, then the service at every number of clients, then its memory."""
    extent = EXTENTS[options.size]
    threads = max((one for one in options.threads if one <= len(usable_cores())), default=1)
    with tempfile.TemporaryDirectory(prefix="otmel-serve-", dir=options.more.dir) as name:
        folder = str(Path(name))
        shape = {"width": extent.width, "layers": extent.layers, "image": extent.image}
        child(MODULE, "prepare", {"folder": folder, "entities": extent.entities, "mentions": extent.mentions, **shape})
        base = child(MODULE, "library", {"folder": folder, "threads": threads, "seconds": 5.0})
        note = f"{threads} thread{'s' * (threads > 1)}, {extent.entities:,} entities, one mention after the other"
        yield Row("library", base["rate"], "mentions/s", 1.0, note)
        yield Row(
            "library, processor time", base["cpu"], "ms/mention", 1.0, "tells more than the rate on a busy machine"
        )
        load = {"folder": folder, "threads": threads, "clients": extent.clients, "requests": extent.requests}
        found = child(MODULE, "service", load)
        for clients, one in zip(extent.clients, found["loads"], strict=True):
            yield from _load(clients, one, base)
        yield Row("service, memory when ready", found["ready_mib"], "MiB")
        yield Row("service, most memory", found["most_mib"], "MiB", None, "after all loads")


def _load(clients: int, one: dict[str, float], base: dict[str, float]) -> Iterator[Row]:
    called = f"{clients} client" + ("" if clients == 1 else "s")
    note = f"{one['answered']:,.0f} answered, {one['refused']:,.0f} times told to come again"
    yield Row(f"{called}, rate", one["rate"], "mentions/s", one["rate"] / base["rate"], note)
    yield Row(f"{called}, processor time", one["cpu"], "ms/mention", base["cpu"] / one["cpu"])
    yield Row(f"{called}, median", one["p50"], "ms")
    yield Row(f"{called}, 99th percentile", one["p99"], "ms")
    yield Row(f"{called}, wrong answers", one["wrong"], "answers", None, "compared with the library's")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, help="where run and graph are written meanwhile")


BENCHMARK = Benchmark("serve", "The service under load on loopback", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
