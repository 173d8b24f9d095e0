"""``Service``: the state behind the routes. What it answers from is one record, exchanged as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from otmel import __version__
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.linking import Linker
from otmel.server.batcher import Batcher, Task
from otmel.server.errors import invalid, unavailable
from otmel.server.following import Following
from otmel.server.metrics import Metrics
from otmel.server.names import Names
from otmel.server.pictures import Pictures
from otmel.server.requests import Asked
from otmel.server.settings import ServerSettings
from otmel.server.urls import Fetcher

T = TypeVar("T")
READERS: Final = 2
"""Threads that read entities and make their images small."""


@dataclass(frozen=True)
class Served:
    """What answers come from: a linker over one snapshot, and the entities' names once they are read."""

    linker: Linker
    names: Names | None = None

    def with_names(self, names: Names) -> Served:
        """The same, with the names of its entities."""
        return replace(self, names=names)

    @property
    def graph(self) -> KnowledgeGraph:
        """The snapshot."""
        return self.linker.graph


class Service:
    """A linker that many ask at once.

    Args:
        linker: over the snapshot to begin with.
        settings: limits.
        root: the graph's folder, where it is a stored one: then changes of it are taken over.
        token: what may change the graph; ``None``: nobody.

    Attributes:
        draining: whether it was told to stop.
    """

    def __init__(
        self,
        linker: Linker,
        settings: ServerSettings | None = None,
        root: Path | None = None,
        token: str | None = None,
    ) -> None:
        self.settings, self.root, self.token = settings or ServerSettings(), root, token
        self.metrics, self.draining, self.trouble = Metrics(), False, ""
        self.batcher = Batcher(self.settings.queue, self.settings.batch, self.settings.wait / 1000, self.metrics)
        self.pictures = Pictures(self.settings.pictures, self.settings.pixels)
        own = self.settings
        self.fetcher = Fetcher(own.image_hosts, own.url_bytes, own.url_seconds)
        self._fetches = asyncio.Semaphore(own.fetches)
        self._readers = ThreadPoolExecutor(READERS, "otmel-reader")
        self._served = Served(linker)
        self.serve(self._served)
        self.following = Following(self, root)

    @property
    def served(self) -> Served:
        """What answers come from now."""
        return self._served

    @property
    def linker(self) -> Linker:
        """The linker of now."""
        return self._served.linker

    def serve(self, served: Served) -> None:
        """Answer from this as of now; requests that wait already are answered from what they came to."""
        self._served = served
        self.metrics.serves(served.linker.model_hash, served.graph.snapshot, len(served.graph))

    def info(self) -> dict[str, Any]:
        """What answers, from what, and within which limits."""
        linker, own = self.linker, self.settings
        return {
            "model": linker.model_hash,
            "graph": linker.graph.snapshot,
            "entities": len(linker.graph),
            "sees_images": linker.sees,
            "calibrated": linker.calibration is not None,
            "remark": linker.remark,
            "system": linker.bundle.model.settings.kind,
            "limits": {name: getattr(own, name) for name in ("body", "mentions", "pixels", "seconds", "text", "k")},
            "image_urls": bool(own.image_hosts),
            "editable": self.root is not None and self.token is not None,
            "version": __version__,
        }

    async def fetch(self, url: str) -> bytes:
        """The image at an address. Raises ``ApiError`` (422): not enabled, not allowed, or it led nowhere."""
        if not self.fetcher.hosts:
            raise invalid("addresses of images are not fetched here", "image_url", "send the image itself")
        outcome = "refused"
        try:
            async with self._fetches:
                data = await self.fetcher.get(url)
            outcome = "fetched"
        finally:
            self.metrics.fetches.labels(outcome).inc()
        return data

    def start(self) -> None:
        """Link once, so that the first client does not wait for what is made once, and start the threads."""
        if len(self.linker.graph):
            self.linker.link(Mention(self.linker.graph[0].name or "a", "a"), 1)
        self.batcher.start()
        self.following.start()

    async def stop(self) -> None:
        """End the threads; what waits is finished first."""
        await self.following.stop()
        await asyncio.to_thread(self.batcher.stop)
        self._readers.shutdown(cancel_futures=True)

    async def read(self, work: Callable[[], T]) -> T:
        """Have something read beside the loop. Raises ``ApiError`` (503)."""
        future = asyncio.get_running_loop().run_in_executor(self._readers, work)
        try:
            return await asyncio.wait_for(future, self.settings.seconds)
        except asyncio.TimeoutError:
            raise unavailable("late", "reading took too long") from None

    def submit(self, work: Sequence[Asked | Callable[[Linker], Any]]) -> list[Future[Any]]:
        """Have the linking thread do something, all of it over the snapshot of now. Raises ``ApiError`` (429, 503)."""
        linker, until = self.linker, time.monotonic() + self.settings.seconds
        tasks = [Task(linker, one, until) for one in work]
        self.batcher.submit(tasks)
        return [task.done for task in tasks]

    async def wait(self, futures: Sequence[Future[Any]]) -> list[Any]:
        """What became of work: answers and exceptions. What is given up is not done. Raises ``ApiError`` (503)."""
        waiting = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        try:
            return await asyncio.wait_for(waiting, self.settings.seconds)
        except asyncio.TimeoutError:
            raise unavailable("late", "the answer took too long", self.batcher.estimate()) from None
