"""What ``latency.py`` does in processes of their own: write an index, and ask it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks import _measure
from benchmarks._features import World
from benchmarks._memory import own_mib
from benchmarks._written import opened, write
from otmel.index.answers import Method, Query
from otmel.kernels import Precision

KEPT = 10
WATCHED = 16
"""Questions during which memory is watched; they are not timed."""
FIRST_STAGE = 32
"""Questions after which a search by candidates measures its loss at every hundredth only."""


def _world(width: int) -> World:
    return World("clustered", width=width)


def write_index(folder: str, width: int, threads: int, entities: int, precision: str) -> dict[str, Any]:
    """Write it; how long that took and how large it is."""
    began = time.perf_counter()
    with _measure.threads(threads):
        write(_world(width), entities, cast(Precision, precision), Path(folder))
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {"seconds": time.perf_counter() - began, "bytes": size}


def ask(folder: str, width: int, threads: int, method: str, calls: int) -> dict[str, Any]:
    """Ask ``calls`` mentions one by one, after some that are not timed."""
    with _measure.threads(threads):
        start, began = own_mib(), time.perf_counter()
        index = opened(Path(folder), width, threads)
        opening = time.perf_counter() - began
        warm = 1 if method == "scan" else FIRST_STAGE if method == "candidates" else WATCHED
        mentions = _world(width).mentions(warm + calls)
        query = Query(KEPT, method=cast(Method, method))

        def one(row: int) -> Any:
            (answer,) = index.search(mentions[row : row + 1], query)
            return answer.certificate

        with _watched() as most:
            for row in range(warm):
                one(row)
        seconds, told = _timed(one, range(warm, warm + calls))
    pairs = sum(certificate.pairs for certificate in told)
    return {
        "p50": 1e3 * float(np.percentile(seconds, 50)),
        "p99": 1e3 * float(np.percentile(seconds, 99)),
        "share": sum(certificate.scored for certificate in told) / max(pairs, 1),
        "scanned": sum(certificate.method == "scan" for certificate in told),
        "recall": told[-1].recall,
        "measured": told[-1].measured,
        "opening": 1e3 * opening,
        "start_mib": start,
        "own_mib": max(most, default=None),
    }


def _timed(one: Callable[[int], Any], rows: range) -> tuple[list[float], list[Any]]:
    seconds, told = [], []
    for row in rows:
        began = time.perf_counter()
        told.append(one(row))
        seconds.append(time.perf_counter() - began)
    return seconds, told


@contextmanager
def _watched() -> Iterator[list[float]]:
    """The process's own memory every five milliseconds, in MiB."""
    seen: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while (now := own_mib()) is not None:
            seen.append(now)
            if over.wait(0.005):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
