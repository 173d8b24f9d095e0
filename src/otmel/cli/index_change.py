"""``otmel index build`` and ``update``: verbs that write an index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otmel.cli.cluster_options import ClusterOptions
from otmel.cli.console import Json, emit, note, resumable
from otmel.cli.places import Where

if TYPE_CHECKING:
    from otmel.cluster.job import ClusterSettings, Summary
    from otmel.index.source import RunSource
    from otmel.index.writer import Built, IndexSettings

GO_ON = "the finished segments stay: run the same command again to go on"


@dataclass(frozen=True)
class Written:
    """What ``otmel index build`` and ``update`` print."""

    built: Built
    run: Where
    graph: Where
    summary: Summary | None = None

    def as_json(self) -> dict[str, Any]:
        """What was done, and what the index is now."""
        built, manifest = self.built, self.built.manifest
        return {
            "folder": str(built.folder),
            "changed": built.changed,
            "encoded": built.encoded,
            "kept": built.kept,
            "entities": manifest.entities,
            "segments": len(manifest.segments),
            "generation": manifest.generation,
            "graph": manifest.graph,
            "model": manifest.made.model,
            "precision": manifest.made.precision,
            **({} if self.summary is None else {"cluster": self.summary.as_json()}),
        }

    def as_text(self) -> str:
        """The counts, and what to type next."""
        built, manifest = self.built, self.built.manifest
        lines = [
            f"wrote {built.folder}" if built.changed else f"{built.folder} is up to date",
            f"  {built.encoded:,} entities encoded, {built.kept:,} were there already",
            f"  {len(manifest.segments):,} segments, {manifest.made.precision}, graph {manifest.graph}",
        ]
        if self.summary is not None:
            lines += self.summary.as_lines("entities")
        return "\n".join([*lines, f"next: otmel link {self.run} WORDS --graph {self.graph} --index {built.folder}"])


def index_build(
    run: Where,
    *,
    graph: Where,
    out: Where | None = None,
    dtype: Literal["float32", "float16", "int8"] = "float32",
    memory_limit: str = "2GiB",
    wait: float = 0.0,
    cluster: ClusterOptions | None = None,
    json: Json = False,
) -> None:
    """Index a graph.

    Args:
        run: the run folder. It, the graph and the index may be addresses, such as s3://BUCKET/PATH.
        graph: the entities: a graph's folder, a data set, or a JSONL, CSV or Parquet file.
        out: the folder to write; by default index/NAME in the run folder, with the graph's name.
        dtype: how vectors and tokens are kept: float32 loses nothing, float16 takes half of it, int8 a quarter.
        memory_limit: what building may take beside the model and the graph, as in 512MiB or 2GiB; on a cluster, what
            each worker may.
        wait: seconds to wait while another process is writing to the index.
        cluster: who encodes.
        json: print JSON.
    """
    from otmel.index.build import build_index
    from otmel.index.gather import bytes_of
    from otmel.index.layout import INDEX
    from otmel.index.writer import IndexSettings
    from otmel.remote import changing

    settings = IndexSettings(precision=dtype, memory_limit=bytes_of(memory_limit), wait=wait)
    spread = (cluster or ClusterOptions()).cluster
    source, place = _source(run, graph), out or default_place(run, graph)
    with resumable(GO_ON), changing(place, INDEX, wait, note) as folder:
        if spread is None:
            written = Written(build_index(source, folder, settings, note), run, graph)
        else:
            written = _spread((run, graph, folder), source, (spread, settings))
    _tell(written, source, json)


def index_update(
    run: Where,
    *,
    graph: Where,
    out: Where | None = None,
    memory_limit: str = "2GiB",
    wait: float = 0.0,
    json: Json = False,
) -> None:
    """Bring an index up to date.

    Args:
        run: the run that the index was built with.
        graph: the entities as they are now.
        out: the index; by default index/NAME in the run folder, with the graph's name.
        memory_limit: what encoding may take beside the model and the graph, as in 512MiB or 2GiB.
        wait: seconds to wait while another process is writing to the index.
        json: print JSON.
    """
    from otmel.index.gather import bytes_of
    from otmel.index.layout import INDEX
    from otmel.index.update import update_index
    from otmel.index.writer import IndexSettings
    from otmel.remote import changing

    settings = IndexSettings(memory_limit=bytes_of(memory_limit), wait=wait)
    source = _source(run, graph)
    with resumable(GO_ON), changing(out or default_place(run, graph), INDEX, wait, note) as folder:
        built = update_index(source, folder, settings, note)
    _tell(Written(built, run, graph), source, json)


def _spread(
    places: tuple[Where, Where, Path], source: RunSource, how: tuple[ClusterSettings, IndexSettings]
) -> Written:
    """Build with the workers of a cluster."""
    from otmel.cluster.build import Where as Places
    from otmel.cluster.build import build_on_cluster

    run, graph, out = places
    built, summary = build_on_cluster(Places(run, graph, out), source, *how, note)
    return Written(built, run, graph, summary)


def default_place(run: Where, graph: Where) -> Where:
    """Where an index lies if nobody says: in the run folder, under the graph's name."""
    return run / "index" / graph.resolve().stem


def _source(run: Where, graph: Where) -> RunSource:
    from otmel.data.graph import KnowledgeGraph
    from otmel.index.source import RunSource

    return RunSource.load(run, KnowledgeGraph.open(graph))


def _tell(written: Written, source: RunSource, json: bool) -> None:
    for kind, count in source.processor.findings.counts.most_common():
        note(f"{count:,} × {kind}: masked out")
    emit(written, json)
