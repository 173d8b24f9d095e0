"""The same commands here and on a Ray cluster of two nodes on this machine: rates, overhead, and what differs.

``otmel index build`` and ``otmel link --input`` are run as they are typed, in processes of their own, by one thread;
then with ``--engine ray``, by one worker and by more, shared out over two nodes. Entities and mentions are generated
texts, the run is tiny and of random weights: what is measured is what a cluster costs beside the model. A rate counts
the whole command, its start and the workers' included; the baseline is the local command. The time at work is the
command's own: without the start of Python, and of a build without the opening of run and graph; with that of workers.
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

from benchmarks._cluster import Commands, differing_lines, write_material
from benchmarks._nodes import nodes
from benchmarks._report import Benchmark, Options, Row
from benchmarks._rows import differing
from otmel.errors import OtmelError
from otmel.remote import Uri, placed


@dataclass(frozen=True)
class Extent:
    """How much is done.

    Attributes:
        entities: of the graph that is indexed.
        linked: of the graph that many mentions are linked to.
        mentions: that are linked to it.
        few: mentions that are linked to the large graph.
        part: mentions of a part of the output.
    """

    entities: int
    linked: int
    mentions: int
    few: int
    part: int = 4096


EXTENTS = {
    "full": Extent(200_000, 5_000, 100_000, 1_000),
    "quick": Extent(2_000, 500, 1_000, 100),
    "tiny": Extent(150, 60, 96, 32),
}


def rows(options: Options) -> Iterator[Row]:
    """Every command."""
    extent, more = _extent(options), options.more
    cpus = -(-max(more.workers) // 2)
    with tempfile.TemporaryDirectory(prefix="otmel-cluster-", dir=more.dir) as folder, nodes(cpus, more.gpus) as there:
        there.add(cpus)
        place = Path(folder)
        for name, given in {"run": more.run, "data": more.data}.items():
            if given is not None:  # under a name of ours, so that a store gets it, too
                (place / name).symlink_to(given.resolve())
        store = _store(more.store)
        commands = Commands(there.address, place, tuple(more.workers), extent.part, store)
        if more.data is not None:
            commands.share("run", "data")
            yield from _built(commands, place / "data", "data set", None)
        else:
            yield from _generated(commands, extent)


def _store(address: str | None) -> Uri | None:
    """Raises ``OtmelError`` where it is no address."""
    store = None if address is None else placed(address)
    if isinstance(store, Path):
        raise OtmelError(f"--store {address} is no address such as s3://BUCKET/PATH")
    return store


def _generated(commands: Commands, extent: Extent) -> Iterator[Row]:
    """Generated entities and mentions: build, link a few to many entities, and many to fewer."""
    place = commands.folder
    write_material(place, {"large": extent.entities, "small": extent.linked}, {"many": extent.mentions})
    write_material(place, {}, {"few": extent.few}, of="large")
    commands.share("run", "large.jsonl", "small.jsonl", "many.jsonl", "few.jsonl")
    yield from _built(commands, place / "large.jsonl", "large", extent.entities)
    if extent.few:
        commands.share("index-large")
        yield from _linked(commands, "large", "few", extent)
    commands.local_build(place / "small.jsonl", "small")
    commands.share("index-small")
    yield from _linked(commands, "small", "many", extent)


def _extent(options: Options) -> Extent:
    base, more = EXTENTS[options.size], options.more
    if more.data is not None and more.run is None:
        raise OtmelError("--data needs --run, the run that indexes it")
    few = base.few if more.few is None else more.few
    sizes = (more.entities or base.entities, base.linked, more.mentions or base.mentions, few)
    return Extent(*sizes, more.part_rows or base.part)


def _built(commands: Commands, graph: Path, name: str, count: int | None) -> Iterator[Row]:
    local = commands.local_build(graph, name)
    entities = count or local["entities"]
    title, base = f"index of {entities:,} entities", entities / local["seconds"]
    yield Row(f"{title}, local", base, "entities/s", 1.0, "one thread")
    for workers in commands.workers:
        done = commands.ray_build(graph, name, workers)
        said = f"{done['cluster']['nodes']} nodes; {done['cluster']['seconds']:.1f} of {done['seconds']:.1f} s at work"
        rate = entities / done["seconds"]
        yield Row(f"{title}, Ray, workers: {workers}", rate, "entities/s", rate / base, said)
        apart = commands.store is not None and count is None  # images lie at the address, and as files here
        wrong = differing(commands.index(name), commands.index(name, workers), told=not apart)
        yield Row(f"{title}, Ray, workers: {workers}, rows that differ", wrong, "rows")


def _linked(commands: Commands, graph: str, mentions: str, extent: Extent) -> Iterator[Row]:
    entities = extent.entities if graph == "large" else extent.linked
    count = extent.few if mentions == "few" else extent.mentions
    local = commands.local_link(graph, mentions)
    title, base = f"{count:,} mentions linked to {entities:,} entities", count / local["seconds"]
    yield Row(f"{title}, local", base, "mentions/s", 1.0, "one thread")
    for workers in commands.workers:
        done = commands.ray_link(graph, mentions, workers)
        rate, cost = count / done["seconds"], done["worker_hours_per_million"]
        said = f"{done['nodes']} nodes; {done['cluster']['seconds']:.1f} of {done['seconds']:.1f} s at work"
        said += f"; {cost:.2f} worker-hours for a million"
        yield Row(f"{title}, Ray, workers: {workers}", rate, "mentions/s", rate / base, said)
        wrong = differing_lines(commands.links(mentions), commands.parts(mentions, workers))
        yield Row(f"{title}, Ray, workers: {workers}, lines that differ", wrong, "lines")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, help="where graphs, run and answers are written meanwhile")
    parser.add_argument("--entities", type=int, help="of the graph that is indexed")
    parser.add_argument("--mentions", type=int, help="that are linked to the small graph")
    parser.add_argument("--few", type=int, help="mentions that are linked to the large graph; may be 0")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="of the cluster, in turn")
    parser.add_argument(
        "--gpus", type=int, default=0, help="accelerators of the first node; workers then take one each"
    )
    parser.add_argument("--part-rows", type=int, help="mentions of a part of the output")
    parser.add_argument("--store", help="the address that the cluster reads from and writes to: s3://BUCKET/PATH")
    parser.add_argument("--data", type=Path, help="a data set or a graph to index instead of generated entities")
    parser.add_argument("--run", type=Path, help="the run that indexes it")


BENCHMARK = Benchmark("cluster", "Here and on a Ray cluster of two nodes: rates, and what differs", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
