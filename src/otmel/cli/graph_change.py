"""``otmel graph build``, ``upsert`` and ``delete``: verbs that change a stored graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from otmel.cli.console import Json, emit, note, reported, resumable
from otmel.cli.places import Where
from otmel.errors import ConfigurationError

if TYPE_CHECKING:
    from otmel.data.store import GraphStore, ImportSettings, Report
    from otmel.data.store.import_settings import Track


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a source is read.

    Attributes:
        format: its format; by default it is told from the file.
        language: of the labels, descriptions and aliases of Wikidata.
        claims: a property of Wikidata to keep as an attribute, such as P106; may be given often.
        labels: a table (.jsonl, .csv, .parquet) of ids and names, which then stand for items and properties in the
            attributes of Wikidata.
        image_root: the folder that image names are relative to; by default the source's own.
        image_cap: megabytes above which an image is left out, and counted.
        strict: stop at the first row that cannot be used, and change nothing.
        wait: seconds to wait while another process is writing to the graph.
    """

    format: Literal["auto", "jsonl", "csv", "parquet", "mimic", "wikidata"] = "auto"
    language: str = "en"
    claims: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    labels: Where | None = None
    image_root: Where | None = None
    image_cap: float = 32.0
    strict: bool = False
    wait: float = 0.0

    def run(self, change: Callable[[ImportSettings, dict, Track], Report], how: str) -> Report:
        """Call ``change`` with the settings, under a bar."""
        from otmel.data.sources import SourceOptions
        from otmel.data.sources.labels import read_labels
        from otmel.data.store import ImportSettings
        from otmel.remote import lazy, local
        from otmel.settings import validated

        stated = {"strict": self.strict, "image_cap": int(self.image_cap * 1_000_000)}
        read = {name: getattr(self, name) for name in ("format", "language", "claims")}
        if self.image_root is not None:
            read["image_root"] = lazy.folder(self.image_root)
        if self.labels is not None:
            read["labels"] = read_labels(local(self.labels))
        options = validated(SourceOptions, read)
        with resumable(how), reported("importing, in bytes") as track:
            return change(validated(ImportSettings, stated), {"options": options}, track)


Options = Annotated[Reading, Parameter(name="*")]
DEFAULTS = Reading()


def graph_build(
    source: Where,
    *,
    out: Where,
    images: Literal["store", "path"] | None = None,
    replace: bool = False,
    reading: Options = DEFAULTS,
    json: Json = False,
) -> None:
    """Build a graph.

    Args:
        source: a file of entities, or a folder that holds one. It and the graph may be addresses: s3://BUCKET/PATH.
        out: the graph's folder.
        images: store the images' bytes in the graph (as it does by default), or only their paths.
        replace: put the source in the place of what the graph holds, in one commit.
        reading: how the source is read.
        json: print JSON.
    """
    from otmel.data.store import build_graph
    from otmel.data.store.layout import GRAPH
    from otmel.remote import changing, is_remote, local

    if images == "path" and (is_remote(source) or (reading.image_root and is_remote(reading.image_root))):
        cure = "--images store takes them in; or copy source and images to this machine first"
        raise ConfigurationError("paths can be kept of images on this machine alone", where=str(source), cure=cure)
    how = f"nothing is lost: otmel graph build {source} --out {out} goes on where it stopped"

    def fill(settings: ImportSettings, options: dict, track: Track) -> Report:
        def build(store: GraphStore) -> Report:
            return store.build(local(source), settings, **options, replace=replace, track=track)

        with changing(out, GRAPH, reading.wait, note) as folder:
            return build_graph(folder, build, images, wait=reading.wait, note=note)

    emit(reading.run(fill, how), json)


def graph_upsert(graph: Where, source: Where, *, reading: Options = DEFAULTS, json: Json = False) -> None:
    """Insert or replace entities.

    Args:
        graph: the graph's folder, or its address (s3://BUCKET/PATH).
        source: a file of entities.
        reading: how the source is read.
        json: print JSON.
    """
    from otmel.data.store import GraphStore
    from otmel.data.store.layout import GRAPH
    from otmel.remote import changing, local

    how = f"nothing is lost: otmel graph upsert {graph} {source} goes on where it stopped"

    def upsert(settings: ImportSettings, options: dict, track: Track) -> Report:
        with changing(graph, GRAPH, reading.wait, note) as folder:
            store = GraphStore.open(folder, reading.wait, note)
            return store.upsert(local(source), settings, **options, track=track)

    emit(reading.run(upsert, how), json)


def graph_delete(graph: Where, *ids: str, file: Where | None = None, wait: float = 0.0, json: Json = False) -> None:
    """Delete entities.

    Args:
        graph: the graph's folder.
        ids: ids of entities.
        file: a file with more of them, one on each line.
        wait: seconds to wait while another process is writing to the graph.
        json: print JSON.
    """
    from otmel.data.store import GraphStore
    from otmel.data.store.layout import GRAPH
    from otmel.remote import changing, local

    if not ids and file is None:
        raise ConfigurationError("no id is given", cure="otmel graph delete GRAPH ID …, or --file IDS.txt")
    listed = [*ids, *([] if file is None else _lines(local(file)))]
    with changing(graph, GRAPH, wait, note) as folder:
        report = GraphStore.open(folder, wait, note).delete(listed)
    emit(report, json)


def _lines(file: Path) -> list[str]:
    from otmel.errors import DataError

    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as fault:
        raise DataError(f"byte {fault.start} is no UTF-8", where=str(file), cure="save the file as UTF-8") from None
    return [line.removesuffix("\r") for line in lines if line.strip()]
