"""What a request may bring, enforced while it arrives: bytes, pauses, and bytes of all bodies together."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from otmel.server.errors import ApiError, ClientGone, busy, too_large
from otmel.server.metrics import Metrics
from otmel.server.settings import ServerSettings

LINGER_SECONDS, LINGER_BYTES = 2.0, 2**28


class Held:
    """Bytes of all bodies that are held at once."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics, self.bytes = most, metrics, 0

    def add(self, count: int) -> None:
        """Hold more. Raises ``ApiError`` (429) when that is too much."""
        if self.bytes + count > self._most:
            raise busy("too many large bodies at once", 1)
        self.bytes += count
        self._metrics.bodies.set(self.bytes)

    def free(self, count: int) -> None:
        """Hold less."""
        self.bytes -= count
        self._metrics.bodies.set(self.bytes)


class Intake:
    """The two ends of one request's connection, with limits.

    Args:
        scope: the request.
        ends: what the server gives: how to receive and how to send.
        settings: limits.
        held: bytes of all bodies.
    """

    def __init__(self, scope: Scope, ends: tuple[Receive, Send], settings: ServerSettings, held: Held) -> None:
        self._receive, self._send = ends
        self._settings, self._held = settings, held
        self._headers = dict(scope["headers"])
        self._until = time.monotonic() + settings.body_seconds
        self.bytes, self.complete, self.gone = 0, False, False

    def check_length(self) -> None:
        """Refuse a body by the length that its headers name. Raises ``ApiError`` (413)."""
        length = self._headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._settings.body:
            raise self._too_large(int(length))

    async def receive(self) -> Message:
        """The next piece. Raises ``ApiError``: too large (413), too slow (400), too much in all (429)."""
        if self.complete:
            return await self._receive()
        patience = min(self._settings.idle_seconds, self._until - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0.0))
        except asyncio.TimeoutError:
            raise ApiError(400, "too_slow", "the body did not arrive in time", cure="send it faster, or less") from None
        if message["type"] == "http.disconnect":
            self.complete = self.gone = True
            raise ClientGone
        self._count(len(message.get("body", b"")))
        self.complete = not message.get("more_body", False)
        return message

    def _count(self, count: int) -> None:
        if self.bytes + count > self._settings.body:
            raise self._too_large(None)
        self._held.add(count)
        self.bytes += count

    def _too_large(self, length: int | None) -> ApiError:
        said = "the body is" if length is None else f"{length:,} bytes are"
        return too_large(f"{said} more than the {self._settings.body:,} that are read")

    def release(self) -> None:
        """The body is not held any more."""
        self._held.free(self.bytes)
        self.bytes = 0

    async def send(self, message: Message) -> None:
        """Send, to a client that reads. Raises ``ClientGone`` when it has stopped reading."""
        try:
            await asyncio.wait_for(self._send(message), self._settings.idle_seconds)
        except asyncio.TimeoutError:
            self.gone = True
            raise ClientGone from None

    async def refuse(self, message: dict[str, Any], body: bytes) -> None:
        """Answer before the body was read: the answer goes out at once, then what still comes is thrown away a while.

        A connection that is closed on a client that is still writing would take the answer with it.
        """
        await self.send(message)
        if self.complete or b"expect" in self._headers:
            await self.send({"type": "http.response.body", "body": body})
            return
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._throw_away(), LINGER_SECONDS)
        await self.send({"type": "http.response.body", "body": b""})

    async def _throw_away(self) -> None:
        thrown = 0
        while thrown < LINGER_BYTES:
            message = await self._receive()
            thrown += len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
