"""From a run, a graph and an index to a service."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from otmel.data.graph import KnowledgeGraph
from otmel.data.store import is_store
from otmel.errors import DataError
from otmel.linking import Linker
from otmel.linking.follow import indexed_graph
from otmel.linking.settings import LinkSettings
from otmel.remote import Place, Uri, placed
from otmel.server.service import Service
from otmel.server.settings import ServerSettings


def opened_service(
    run: Place,
    graph: Place,
    index: Place | None,
    search: LinkSettings,
    how: tuple[ServerSettings, str | None],
) -> Service:
    """The service of a run over a graph, not started yet.

    Args:
        run: the run folder.
        graph: a graph's folder, whose changes will be taken over; or any other folder or file with entities. What an
            address holds is served as it is now.
        index: the index of the run over the graph, or over an earlier snapshot of it.
        search: how entities are searched.
        how: the service's settings, and the token that may change the graph.

    Raises:
        CheckpointError: the run or the index is incomplete or broken, or they do not belong together.
        DataError: the graph cannot be read.
    """
    settings, token = how
    at = placed(graph)
    linker = Linker.load(run, _opened(at, index), index, search)
    return Service(linker, settings, at if isinstance(at, Path) and is_store(at) else None, token)


def _opened(graph: Path | Uri, index: Place | None) -> KnowledgeGraph:
    """The graph; of a stored one, the snapshot that the index belongs to, if it is there still.

    From there the service follows to the newest, which encodes what changed since the index was built, and no more.
    """
    if index is not None and (isinstance(graph, Uri) or is_store(graph)):
        with suppress(DataError):  # there is no such snapshot: opening the index will say what to do
            return KnowledgeGraph.open(graph, indexed_graph(index))
    return KnowledgeGraph.open(graph)
