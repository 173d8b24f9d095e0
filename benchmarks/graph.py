"""Graphs of one's own: import from every format, changes, opening, and the index that follows.

Every step runs in a process of its own, whose memory is its own. The baseline of an import is the same JSONL put into a
LanceDB table as it is, in batches of the same size: no row is looked at, no digest, no snapshot. The baseline of an
index's update is building it anew. The encoder is tiny, so that the rate is that of all else.
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

from benchmarks._entity_files import WRITERS
from benchmarks._machine import usable_cores
from benchmarks._memory import child
from benchmarks._report import Benchmark, Options, Row

MODULE = "benchmarks._graphs"


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        imports: formats and numbers of entities.
        changed: entities of the graph that is changed; one of the JSONL imports.
        repeats: of each change.
        many: entities of a large change.
        indexed: entities of the graph that is indexed.
    """

    imports: tuple[tuple[str, int], ...]
    changed: int
    repeats: int
    many: int
    indexed: int


_FORMATS = tuple(WRITERS)
EXTENTS = {
    "full": Extent(
        (*((format, 100_000) for format in _FORMATS[:-1]), (_FORMATS[-1], 10_000), ("JSONL", 1_000_000)),
        100_000,
        9,
        1_000,
        20_000,
    ),
    "quick": Extent((("JSONL", 20_000), ("Parquet", 20_000)), 20_000, 3, 200, 1_000),
    "tiny": Extent((("JSONL", 40),), 40, 1, 4, 20),
}
CHANGES = {
    "upsert_one": "upsert of one entity",
    "upsert_many": "upsert of {many:,} entities",
    "delete_one": "deletion of one entity",
    "open": "opening the newest snapshot and reading one entity",
}


def rows(options: Options) -> Iterator[Row]:
    """Imports, changes, index."""
    extent = EXTENTS[options.size]
    count = max((one for one in options.threads if one <= len(usable_cores())), default=1)
    base: dict[int, float] = {}
    for format, entities in extent.imports:
        with tempfile.TemporaryDirectory(prefix="otmel-graph-", dir=options.more.dir) as folder:
            written = child(MODULE, "write_file", {"folder": folder, "format": format, "count": entities})
            if format == "JSONL":
                plain = child(MODULE, "import_plainly", {"folder": folder})
                base[entities] = plain["rows"] / plain["seconds"]
                yield Row(f"{entities:,} entities, JSONL into a bare table", base[entities], "rows/s", 1.0)
            yield from _imported(folder, format, entities, written["bytes"], base.get(entities))
            if (format, entities) == ("JSONL", extent.changed):
                yield from _changed(folder, extent)
    with tempfile.TemporaryDirectory(prefix="otmel-graph-", dir=options.more.dir) as folder:
        yield from _indexed(folder, extent.indexed, count)


def _imported(folder: str, format: str, entities: int, size: int, base: float | None) -> Iterator[Row]:
    done = child(MODULE, "import_file", {"folder": folder, "format": format})
    rate, title = done["rows"] / done["seconds"], f"{entities:,} entities, {format}, import"
    yield Row(title, rate, "rows/s", None if base is None else rate / base, f"{size / 1e6:.0f} MB of source")
    if done["peak_mib"] is not None:
        yield Row(f"{title}, most memory", done["peak_mib"], "MiB")


def _changed(folder: str, extent: Extent) -> Iterator[Row]:
    done = child(MODULE, "change", {"folder": folder, "repeats": extent.repeats, "many": extent.many})
    for key, said in CHANGES.items():
        name = f"{extent.changed:,} entities, {said.format(many=extent.many)}"
        yield Row(name, 1e3 * done[key], "ms", None, f"median of {extent.repeats}")


def _indexed(folder: str, entities: int, count: int) -> Iterator[Row]:
    child(MODULE, "write_file", {"folder": folder, "format": "JSONL", "count": entities})
    child(MODULE, "import_file", {"folder": folder, "format": "JSONL"})
    done = child(MODULE, "index", {"folder": folder, "share": 0.01, "cores": count})
    title, rate = f"{entities:,} entities, tiny encoder", entities / done["build"]
    yield Row(f"{title}, index build", rate, "entities/s", 1.0)
    changed = f"{done['changed']:,} changed; baseline: building anew"
    yield Row(f"{title}, index update after 1 % changed", done["update"], "s", done["build"] / done["update"], changed)
    yield Row(f"{title}, opening the index", 1e3 * done["open"], "ms", None, "median of 3")
    yield Row(f"{title}, index build and update, most memory", done["peak_mib"] or 0.0, "MiB")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, help="where graphs are written meanwhile")


BENCHMARK = Benchmark("graph", "Graph store and index: rates, latencies, memory", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
