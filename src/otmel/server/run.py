"""``serve``: the service on uvicorn, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from otmel.server.app import create_app
from otmel.server.logs import log
from otmel.server.protocol import limited
from otmel.server.service import Service

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
GRACE_SECONDS: Final = 5
"""What is being linked when the time is up may end within these."""


class Server(uvicorn.Server):
    """uvicorn's server; SIGTERM and Ctrl-C end it with what is in flight done, and without a signal's exit status."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[str, int], object]) -> None:
        super().__init__(config)
        self._service, self._ready = service, ready

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            log.info("serving", host=host, port=port, graph=self._service.served.graph.snapshot)
            self._ready(host, port)

    async def shutdown(self, sockets: Any = None) -> None:
        """Let what is in flight end; what still waits when the time is up is answered with 503."""
        self._service.draining = True
        late = asyncio.get_running_loop().call_later(
            self._service.settings.drain_seconds, self._service.batcher.abandon
        )
        await super().shutdown(sockets)
        late.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; at a second one, at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop."""
        self._service.draining = True
        super().handle_exit(sig, frame)


def server_of(service: Service, ready: Callable[[str, int], object] = lambda host, port: None) -> Server:
    """A server that is not running yet; ``ready`` is told where it listens."""
    settings = service.settings
    config = uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        http=limited(settings),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=int(settings.drain_seconds + GRACE_SECONDS),
    )
    return Server(config, service, ready)


def serve(service: Service, ready: Callable[[str, int], object] = lambda host, port: None) -> bool:
    """Serve until SIGTERM or Ctrl-C; whether it ever listened."""
    server = server_of(service, ready)
    asyncio.run(server.serve())
    return server.started
