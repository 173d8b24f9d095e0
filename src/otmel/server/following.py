"""The graph moves on, by this service or by another process, and answers follow it: one thread does both, in turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from otmel.data.graph import KnowledgeGraph
from otmel.data.moves import Moves
from otmel.data.records import Entity
from otmel.data.store import GraphStore
from otmel.errors import DataError, OtmelError, StorageError
from otmel.server.errors import busy, invalid, unavailable
from otmel.server.logs import log
from otmel.server.names import Names

if TYPE_CHECKING:
    from otmel.server.service import Service

T = TypeVar("T")


class Following:
    """Keeps a service at the newest snapshot of a graph's folder.

    Args:
        service: what is to follow.
        root: the graph's folder; ``None``: a graph that does not change, only its names are read.
    """

    def __init__(self, service: Service, root: Path | None) -> None:
        self._service, self._root = service, root
        self._store = None if root is None else GraphStore(root, service.settings.edit_seconds)
        self._turn = ThreadPoolExecutor(1, "otmel-graph")
        self._waiting, self._number = 0, -1  # the first look finds out
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Read the names (of a large graph beside all else), and begin to look at the folder. Needs a running loop."""
        served = self._service.served
        if len(served.graph) <= self._service.settings.names_at_once:
            self._service.serve(served.with_names(Names.of(served.graph)))
        else:
            threading.Thread(target=self._read_names, args=(served.graph,), name="otmel-names", daemon=True).start()
        if self._root is not None and self._service.settings.watch:
            self._watch = asyncio.ensure_future(self._look())

    async def stop(self) -> None:
        """End; a change that was begun is finished first."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await asyncio.to_thread(self._turn.shutdown, cancel_futures=True)

    async def upsert(self, entities: Sequence[Entity]) -> dict[str, Any]:
        """Insert or replace entities, and answer from them as of now. Raises ``ApiError`` (422, 429, 503)."""

        def work(store: GraphStore) -> dict[str, Any]:
            counts = store.upsert(entities).counts
            return {"inserted": counts["added"], "updated": counts["replaced"], "unchanged": counts["unchanged"]}

        return await self._edited("upsert", work)

    async def delete(self, entity_id: str) -> dict[str, Any]:
        """Delete an entity, and answer without it as of now. Raises ``ApiError`` (429, 503)."""
        return await self._edited("delete", lambda store: {"deleted": store.delete([entity_id]).counts["deleted"] > 0})

    async def _edited(self, operation: str, work: Callable[[GraphStore], dict[str, Any]]) -> dict[str, Any]:
        if self._waiting >= self._service.settings.edits:
            raise busy(f"{self._waiting} changes of the graph wait already", 1)
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._turn, self._change, operation, work)
        future.add_done_callback(self._done)
        try:  # a change that was begun is finished, whoever still waits for it
            return await asyncio.wait_for(asyncio.shield(future), self._service.settings.seconds)
        except asyncio.TimeoutError:
            raise unavailable("late", "the change takes long; it will be done, or was") from None

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # it was told to whoever waited; nobody may have

    def _change(self, operation: str, work: Callable[[GraphStore], dict[str, Any]]) -> dict[str, Any]:
        assert self._store is not None
        try:
            counts = work(self._store)
        except StorageError as fault:
            log.warning("graph not changed", operation=operation, problem=fault.problem)
            raise unavailable("graph_not_written", f"the graph cannot be changed now: {fault.problem}") from None
        except DataError as fault:
            raise invalid(fault.problem, cure=fault.cure) from None
        changed = sum(value for key, value in counts.items() if key != "unchanged")
        self._service.metrics.changes.labels(operation).inc(changed)
        if not self._follow():
            raise unavailable("not_followed", f"the change is committed and not served yet: {self._service.trouble}")
        return {"graph": self._service.served.graph.snapshot, **counts}

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._service.settings.watch)
            if self._newest() != self._number or self._service.trouble:
                await asyncio.get_running_loop().run_in_executor(self._turn, self._follow)

    def _newest(self) -> int:
        """The number of the newest snapshot, sound or not; 0 where the folder cannot be read."""
        if self._store is None:
            return 0
        with suppress(OSError):
            names = (path.stem for path in self._store.folder.snapshots.glob("*.json"))
            return max((int(name) for name in names if name.isdigit()), default=0)
        return 0

    def _follow(self) -> bool:
        """Move to the newest snapshot; whether that went well. The old one is served until then, and if it did not."""
        number, service = self._newest(), self._service
        try:
            assert self._root is not None
            graph = KnowledgeGraph.open(self._root)
            if graph.snapshot != service.served.graph.snapshot:
                self._move(graph)
        except Exception as fault:
            said = str(fault) if isinstance(fault, OtmelError) else f"{type(fault).__name__}: {fault}"
            if said != service.trouble:
                log.error("graph not followed", problem=said, exc_info=not isinstance(fault, OtmelError))
            service.trouble = said
            service.metrics.follows.labels("failed").inc()
            return False
        self._number, service.trouble = number, ""
        return True

    def _move(self, graph: KnowledgeGraph) -> None:
        served, service = self._service.served, self._service
        linker = served.linker.at(graph)
        names = None
        if served.names is not None:
            names = served.names.at(graph, Moves.between(served.graph, graph))
        service.serve(type(served)(linker, names))
        service.metrics.follows.labels("followed").inc()
        log.info("graph followed", graph=graph.snapshot, entities=len(graph))

    def _read_names(self, graph: KnowledgeGraph) -> None:
        """Read a large graph's names, then bring them to where the graph is by then."""
        try:
            names = Names.of(graph)
            self._turn.submit(self._take_names, names, graph)
        except Exception:
            log.exception("names not read")

    def _take_names(self, names: Names, graph: KnowledgeGraph) -> None:
        served = self._service.served
        if served.graph.snapshot != graph.snapshot:
            names = names.at(served.graph, Moves.between(graph, served.graph))
        self._service.serve(served.with_names(names))
