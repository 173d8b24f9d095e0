"""Connections with limits that uvicorn has none for: how many, and how long headers may take."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from otmel.server.errors import refused, unavailable
from otmel.server.settings import ServerSettings


def limited(settings: ServerSettings) -> type[asyncio.Protocol]:
    """Uvicorn's protocol under these settings."""

    class Limited(H11Protocol):
        """One connection."""

        _headers_due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > settings.connections:
                transport.write(_full())
                transport.close()
            else:
                self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers_came()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._idle and self._headers_due is None:
                self._expect_headers()
            super().data_received(data)
            if not self._idle:
                self._headers_came()

        @property
        def _idle(self) -> bool:
            """Whether no request is being answered: the next one's headers are waited for."""
            return self.cycle is None or self.cycle.response_complete

        def _expect_headers(self) -> None:
            self._headers_due = self.loop.call_later(settings.header_seconds, self._too_slow)

        def _headers_came(self) -> None:
            if self._headers_due is not None:
                self._headers_due.cancel()
                self._headers_due = None

        def _too_slow(self) -> None:
            self._headers_due = None
            if self._idle and not self.transport.is_closing():
                self.transport.close()

    return Limited


def _full() -> bytes:
    """The answer on a connection too many, as it goes over the line."""
    answer = refused(unavailable("full", "there are too many connections"), "-")
    head = [b"HTTP/1.1 503 Service Unavailable", b"connection: close"]
    head += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*head, b"", bytes(answer.body)])
