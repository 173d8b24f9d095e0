"""``create_app``: routes and errors around a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from otmel import __version__
from otmel.server import routes_entities, routes_link, routes_page, routes_status
from otmel.server.description import described
from otmel.server.errors import GONE, ApiError, ClientGone, unavailable
from otmel.server.guard import Guard
from otmel.server.service import Service

CODES = {400: "unparsable", 404: "not_found", 405: "method_not_allowed"}


def create_app(service: Service) -> ASGIApp:
    """The application of a service, ready for an ASGI server, which starts and stops the service with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="otmel",
        version=__version__,
        description="Link mentions in text and image to the entities of a knowledge graph, by optimal transport.",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    for module in (routes_link, routes_entities, routes_status, routes_page):
        app.include_router(module.router)
    handlers: dict[Any, Any] = {
        ApiError: _refused,
        HTTPException: _http,
        RequestValidationError: _invalid,
        ClientGone: _gone,
        Exception: _fault,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    app.openapi = partial(described, app)
    return Guard(app, service)


class _Refusal(Response):
    """An answer that the outermost layer gives, since the body may not have been read."""

    def __init__(self, fault: ApiError) -> None:
        super().__init__(status_code=fault.status)
        self.fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["state"]["refuse"](self.fault)


async def _refused(request: Request, fault: ApiError) -> Response:
    return _Refusal(fault)


async def _http(request: Request, fault: HTTPException) -> Response:
    code = CODES.get(fault.status_code, "refused")
    return _Refusal(ApiError(fault.status_code, code, str(fault.detail), headers=fault.headers))


async def _invalid(request: Request, fault: RequestValidationError) -> Response:
    error = fault.errors()[0]
    where = ".".join(str(step) for step in error["loc"][1:]) or None
    return _Refusal(ApiError(422, "invalid", str(error["msg"]), where=where))


async def _gone(request: Request, fault: ClientGone) -> Response:
    return Response(status_code=GONE)


async def _fault(request: Request, fault: Exception) -> Response:
    return _Refusal(unavailable("unavailable", "something went wrong; the log says what"))
