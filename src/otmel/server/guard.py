"""Around every request: its id, its place in the log and the metrics, security headers, and an answer to any fault.

Nothing but JSON reaches a client when something goes wrong, and no 5xx but 503.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otmel.server.errors import GONE, ApiError, ClientGone, refused, unavailable
from otmel.server.intake import Held, Intake
from otmel.server.logs import log
from otmel.server.service import Service

SANE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
QUIET: Final = ("/healthz", "/readyz", "/metrics")
"""Not logged when all is well: they are asked every few seconds."""


class Guard:
    """The outermost layer of the application.

    Args:
        app: what answers.
        service: settings, metrics, and whether it is stopping.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        self.held = Held(service.settings.bodies, service.metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Guarded(scope, Intake(scope, (receive, send), self.service.settings, self.held))
        with structlog.contextvars.bound_contextvars(request_id=request.id):
            self.service.metrics.in_flight.inc()
            try:
                await self._answered(request)
            finally:
                request.intake.release()
                self.service.metrics.in_flight.dec()
                self._note(request)

    async def _answered(self, request: _Guarded) -> None:
        try:
            request.intake.check_length()
            if self.service.draining and request.scope["path"].startswith("/v1/"):
                raise unavailable("draining", "the service is stopping")
            await self.app(request.scope, request.intake.receive, request.send)
        except ClientGone:
            request.status = request.status or GONE
        except ApiError as fault:
            await request.refuse(fault)
        except Exception:
            log.exception("fault")
            if not request.status:
                await request.refuse(unavailable("unavailable", "something went wrong; the log says what"))

    def _note(self, request: _Guarded) -> None:
        seconds, metrics = time.perf_counter() - request.began, self.service.metrics
        labels = request.scope["method"] if request.scope["method"] in METHODS else "other", request.route
        metrics.requests.labels(*labels, request.status).inc()
        metrics.latency.labels(*labels).observe(seconds)
        if request.status >= 400 or request.scope["path"] not in QUIET:
            said = {"method": labels[0], "route": request.route, "status": request.status}
            log.info("request", **said, milliseconds=round(1000 * seconds, 1), **request.said)


METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")


class _Guarded:
    """One request."""

    def __init__(self, scope: Scope, intake: Intake) -> None:
        self.scope, self.intake = scope, intake
        self.began, self.status = time.perf_counter(), 0
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        self.id = given if SANE.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {}).update(request_id=self.id, refuse=self.refuse, said={})

    @property
    def route(self) -> str:
        """The path's pattern, not the path: there are few of them."""
        return getattr(self.scope.get("route"), "path_format", "other")

    @property
    def said(self) -> MutableMapping[str, Any]:
        """What the routes added for the log."""
        return self.scope["state"]["said"]

    async def send(self, message: Message) -> None:
        """Send, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self._headers()]}
        await self.intake.send(message)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [(name.encode(), value.encode()) for name, value in {**SECURITY, "x-request-id": self.id}.items()]

    async def refuse(self, fault: ApiError) -> None:
        """Answer with an error, unless an answer has begun; then the connection can only be closed."""
        if self.status:
            raise fault
        response = refused(fault, self.id)
        self.status = fault.status
        headers = [*response.raw_headers, *self._headers()]
        if not self.intake.complete:
            headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": fault.status, "headers": headers}
        await self.intake.refuse(start, bytes(response.body))
