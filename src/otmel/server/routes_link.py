"""Linking: one mention, many, and the reasons for a score."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from otmel.errors import DataError
from otmel.linking import Linker
from otmel.server.answers import BatchAnswer, ExplainAnswer, LinkAnswer
from otmel.server.asking import attended, note, reply, service_of
from otmel.server.description import body_of, failures
from otmel.server.errors import ApiError, invalid, too_large
from otmel.server.requests import Asked, asked, checked_image, read_values, validated
from otmel.server.schemas import BatchRequest, ExplainRequest, LinkRequest
from otmel.server.service import Service
from otmel.server.settings import ServerSettings

router = APIRouter(tags=["linking"])


@router.post(
    "/v1/link",
    response_model=LinkAnswer,
    responses=failures(400, 413, 415, 422, 429),
    openapi_extra=body_of(LinkRequest, form=True),
)
async def link(request: Request) -> Response:
    """Link a mention to the entities of the graph."""
    service = service_of(request)
    one = await _with_image(service, asked(await read_values(request, service.settings, True), service.settings))
    (answer,) = await attended(request, service.wait(service.submit([one])))
    if isinstance(answer, Exception):
        raise answer
    note(request, mentions=1)
    return reply(request, answer)


@router.post(
    "/v1/link/batch",
    response_model=BatchAnswer,
    responses=failures(400, 413, 415, 422, 429),
    openapi_extra=body_of(BatchRequest),
)
async def link_batch(request: Request) -> Response:
    """Link many mentions, all over one snapshot. A bad mention is a bad entry, and no more."""
    service = service_of(request)
    listed = validated(BatchRequest, await read_values(request, service.settings))
    if len(listed.mentions) > (most := service.settings.mentions):
        raise too_large(f"{len(listed.mentions):,} mentions are more than the {most:,} of a request", "mentions")
    entries = await asyncio.to_thread(_entries, listed, service.settings)
    room = Room(service.settings.body)
    entries = await asyncio.gather(*(_fetched(service, entry, room) for entry in entries))
    sound = [entry for entry in entries if isinstance(entry, Asked)]
    answers = iter(await attended(request, service.wait(service.submit(sound))) if sound else [])
    links = [_entry(next(answers) if isinstance(entry, Asked) else entry) for entry in entries]
    note(request, mentions=len(links))
    return reply(request, {"links": links})


@router.post(
    "/v1/explain",
    response_model=ExplainAnswer,
    responses=failures(400, 413, 415, 422, 429),
    openapi_extra=body_of(ExplainRequest, form=True),
)
async def explain(request: Request) -> Response:
    """Say why a mention gets its score with an entity: the terms that add up to it, and every plan behind them."""
    service = service_of(request)
    values = await read_values(request, service.settings, True)
    one = await _with_image(service, asked(values, service.settings, ExplainRequest))
    work = _explained(one, values.get("entity"))
    (answer,) = await attended(request, service.wait(service.submit([work])))
    if isinstance(answer, Exception):
        raise answer
    return reply(request, answer)


def _entries(listed: BatchRequest, settings: ServerSettings) -> list[Asked | ApiError]:
    return [_asked_or_fault(values, number, listed.k, settings) for number, values in enumerate(listed.mentions)]


def _asked_or_fault(values: Any, number: int, k: int | None, settings: ServerSettings) -> Asked | ApiError:
    try:
        if isinstance(values, dict) and k is not None:
            values = {"k": k, **values}
        return asked(values, settings, place=f"mentions.{number}")
    except ApiError as fault:
        return fault


def _entry(answer: Any) -> dict[str, Any]:
    """An answer's place in the list. A fault that is not the mention's own is the whole request's."""
    if isinstance(answer, ApiError) and answer.status < 429:
        return {"error": answer.as_json()}
    if isinstance(answer, Exception):
        raise answer
    return answer


class Room:
    """Bytes that the images of one request may have together, where they are fetched."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def take(self, count: int) -> None:
        """Use some. Raises ``ApiError`` (413)."""
        self._left -= count
        if self._left < 0:
            raise too_large(f"the images have more than {self._most:,} bytes together", "image_url")


async def _fetched(service: Service, entry: Asked | ApiError, room: Room) -> Asked | ApiError:
    try:
        return await _with_image(service, entry, room) if isinstance(entry, Asked) else entry
    except ApiError as fault:
        return fault


async def _with_image(service: Service, one: Asked, room: Room | None = None) -> Asked:
    """The mention with the image that its address leads to. Raises ``ApiError`` (422)."""
    if one.image_url is None:
        return one
    data = await service.fetch(one.image_url)
    if room is not None:
        room.take(len(data))
    image, notes = checked_image(data, service.settings)
    if image is None and not one.mention.name.strip():
        raise invalid(f"the mention has neither words nor an image ({'; '.join(notes)})", "image_url")
    return replace(one, mention=replace(one.mention, image=image), notes=notes)


def _explained(one: Asked, entity: str | None) -> Callable[[Linker], dict[str, Any]]:
    def work(linker: Linker) -> dict[str, Any]:
        if entity is not None and entity not in linker.graph:
            raise ApiError(422, "unknown_entity", f"the graph has no entity with the id {entity!r}", where="entity")
        try:
            found = linker.explain(one.mention, entity)
        except DataError as fault:
            raise invalid(fault.problem, cure=fault.cure) from None
        values = found.as_json()
        notes = list(dict.fromkeys((*one.notes, *values["notes"])))
        return {**values, "notes": notes, "images": found.images_json()}

    return work
