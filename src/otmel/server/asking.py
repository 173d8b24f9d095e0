"""What every route needs of a request: the service, its id, and an eye on whether the client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar, cast

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from otmel.server.errors import ClientGone, answered
from otmel.server.service import Service

T = TypeVar("T")


def service_of(request: Request) -> Service:
    """The service that the application belongs to."""
    return cast(Service, request.app.state.service)


def reply(request: Request, values: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Values and the request's id as a JSON answer."""
    return answered({**values, "request_id": request.state.request_id}, headers=headers)


def note(request: Request, **values: Any) -> None:
    """Have the log say more about the request."""
    request.state.said.update(values)


async def attended(request: Request, work: Awaitable[T]) -> T:
    """The result of work, which is given up when the client goes away. Raises ``ClientGone``."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        done, _ = await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            return task.result()
        raise ClientGone
    finally:
        for one in (task, gone):
            one.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class IdConvertor(Convertor[str]):
    """An entity's id in a path: any text, slashes and line feeds too."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("id", IdConvertor())
