"""Images that lie in a store: looked for one after the other, and sent for while the rows before are in use.

A table of rows names one image each, in a folder at an address (``--image-root s3://…``). The baseline looks for each
image when its row comes; the other way reads the table somewhat further than it is used. A folder that is read whole
comes by its listing. Each figure begins with an empty cache, and is the rate by the clock. How far away the store is, a
row of its own tells: the time of one request.

The address is one that may be written to; a server on loopback, thirty milliseconds away, is had by

    python tests/remote/loopback.py --distance 0.03 -- python benchmarks/store.py --store s3://otmel/images
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from PIL import Image

from benchmarks._report import Benchmark, Options, Row
from otmel.data.findings import Findings
from otmel.data.image_root import HELD_ROWS, ImageRoot, stated
from otmel.data.raw_rows import RawRow
from otmel.errors import OtmelError
from otmel.remote import Uri, lazy, local, placed
from otmel.remote.cache import CACHE
from otmel.remote.store import Store

PIXELS = 64
REQUESTS = 20


@dataclass(frozen=True)
class Extent:
    """Images that are fetched: one after the other, and many at a time."""

    slow: int
    fast: int


EXTENTS = {"full": Extent(200, 3_000), "quick": Extent(50, 500), "tiny": Extent(4, 12)}


def rows(options: Options) -> Iterator[Row]:
    """Every way."""
    extent, store = EXTENTS[options.size], Store(_address(options.more.store))
    names = [f"{number:06d}.png" for number in range(extent.fast)]
    _put_up(store, names)
    first = statistics.median(_seconds(lambda: store.stat(names[0])) for _ in range(REQUESTS))
    yield Row("one request", 1e3 * first, "ms", None, "median of asking for an object's size")
    table = [RawRow(f"row {number}", {"image": name}) for number, name in enumerate(names, 1)]
    slow = _rate(extent.slow, lambda: _looked_for(table[: extent.slow], store.uri, ahead=False))
    yield Row("one after the other", slow, "images/s", 1.0, f"{extent.slow:,} images of {PIXELS} × {PIXELS} pixels")
    fast = _rate(extent.fast, lambda: _looked_for(table, store.uri, ahead=True))
    yield Row("sent for early", fast, "images/s", fast / slow, f"{extent.fast:,} images")
    whole = _rate(extent.fast, lambda: local(store.uri))
    yield Row("the folder whole", whole, "images/s", whole / slow, f"{extent.fast:,} images")


def _address(given: str | None) -> Uri:
    store = None if given is None else placed(given)
    if not isinstance(store, Uri):
        raise OtmelError("images must lie in a store", cure="--store s3://BUCKET/PATH, which may be written to")
    return store


def _put_up(store: Store, names: Iterable[str]) -> None:
    there = store.list()
    for number, name in enumerate(names):
        if name not in there:
            with io.BytesIO() as file:
                Image.effect_noise((PIXELS, PIXELS), 40 + number % 40).save(file, "PNG")
                store.write(name, file.getvalue())


def _looked_for(table: list[RawRow], uri: Uri, ahead: bool) -> None:
    root, findings = ImageRoot(lazy.folder(uri), HELD_ROWS if ahead else 0), Findings()
    for row in root.ahead(table, stated):
        assert root.find(row.values["image"], findings, row.where) is not None


def _rate(count: int, work: Callable[[], object]) -> float:
    """Images a second, with an empty cache."""
    before = os.environ.get(CACHE)
    with tempfile.TemporaryDirectory(prefix="otmel-store-") as folder:
        os.environ[CACHE] = folder
        try:
            return count / _seconds(work)
        finally:
            os.environ.pop(CACHE)
            if before is not None:
                os.environ[CACHE] = before


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", help="an address that may be written to: s3://BUCKET/PATH")


BENCHMARK = Benchmark("store", "Images that lie in a store: one after the other, and sent for early", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
