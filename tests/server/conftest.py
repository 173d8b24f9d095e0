"""A real server on loopback, over the tiny data set in a stored graph."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from otmel.data.datasets import load_dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.store import GraphStore
from otmel.linking import Linker
from otmel.server.run import Server, server_of
from otmel.server.service import Service
from otmel.server.settings import ServerSettings

TOKEN = "a-token-for-tests-alone"


@dataclass
class Running:
    """A server that runs in a thread of this process."""

    url: str
    service: Service
    server: Server

    def stop(self) -> None:
        """As a signal does."""
        self.server.should_exit = True

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=300, trust_env=False, verify=False, **options)


@contextmanager
def running(service: Service) -> Iterator[Running]:
    """Serve until the block ends."""
    told, place = threading.Event(), []

    def ready(host: str, port: int) -> None:
        place.append(f"http://{host}:{port}")
        told.set()

    server = server_of(service, ready)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="server")
    thread.start()
    try:
        assert told.wait(60)
        yield Running(place[0], service, server)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def tiny_store(tiny_dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny graph in a store: read only."""
    return build(tiny_dataset_folder, tmp_path_factory.mktemp("graphs") / "tiny.kg")


def build(dataset: Path, folder: Path) -> Path:
    graph = load_dataset(dataset).graph
    GraphStore.create(folder).build(list(graph))
    return folder


@pytest.fixture(scope="session")
def library(tiny_run: Path, tiny_store: Path) -> Linker:
    """What the server's answers are compared with."""
    return Linker.load(tiny_run, KnowledgeGraph.open(tiny_store))


@pytest.fixture(scope="session")
def start(tiny_run: Path, tiny_store: Path) -> Callable[..., Any]:
    """A server with settings of its own, over the tiny graph or another: a context."""

    def start(graph: Path = tiny_store, token: str | None = None, **settings: Any) -> Any:
        linker = Linker.load(tiny_run, KnowledgeGraph.open(graph))
        own = ServerSettings.model_validate({"port": 0, "keep_alive": 5, **settings})
        return running(Service(linker, own, graph, token))

    return start


@pytest.fixture(scope="session")
def server(start: Callable[..., Any]) -> Iterator[Running]:
    """One server for all tests that change nothing."""
    with start() as one:
        yield one


@pytest.fixture(scope="session")
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as one:
        yield one
