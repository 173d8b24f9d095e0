"""The graph's entities: shown, found by name, put and deleted."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from otmel.server.answers import DeleteAnswer, EntityAnswer, EntityList, UpsertAnswer
from otmel.server.asking import attended, note, reply, service_of
from otmel.server.description import TOKEN, body_of, failures
from otmel.server.editing import check_token, entities_of
from otmel.server.errors import invalid, unavailable
from otmel.server.linked import line_of
from otmel.server.pictures import tag_of, unknown
from otmel.server.requests import read_values, validated
from otmel.server.schemas import UpsertRequest


def _once(request: Request) -> None:
    """Every parameter of a query at most once. Raises ``ApiError`` (422)."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen:
            raise invalid("the parameter occurs twice", name)
        seen.add(name)


def _digits(value: Any) -> Any:
    """A number of digits alone: ``int`` takes spaces and line breaks around them, too."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
        raise ValueError("it is no whole number")
    return value


router = APIRouter(tags=["entities"], dependencies=[Depends(_once)])
Whole = Annotated[int, BeforeValidator(_digits)]
EntityId = Annotated[str, Path(min_length=1, max_length=1_000, description="id of an entity; / is written %2F")]


class Named(BaseModel):
    """Which entities are listed."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=200, description="how a name, an alias or a word of one begins")
    limit: Whole = Field(default=20, ge=1, le=100)
    offset: Whole = Field(default=0, ge=0, le=100_000_000)


class Shown(BaseModel):
    """Which image, and how large."""

    model_config = ConfigDict(extra="forbid")

    number: Whole = Field(default=0, ge=0, le=10_000)
    size: Whole = Field(default=256, ge=16, le=1_024, description="pixels of the longer side")


@router.get("/v1/entities", response_model=EntityList, responses=failures(422))
async def entities(request: Request, named: Annotated[Named, Query()]) -> Response:
    """List entities by name: whole names first, then beginnings, then words; case and accents do not count."""
    service, served = service_of(request), service_of(request).served
    names = served.names
    if names is None:
        raise unavailable("names_unread", "the names of the graph are still being read", 5)

    def work() -> dict[str, Any]:
        rows = names.find(named.name)
        listed = served.graph.take(rows[named.offset : named.offset + named.limit].tolist())
        return {"entities": [line_of(one) for one in listed], "total": len(rows), "graph": served.graph.snapshot}

    return reply(request, await attended(request, service.read(work)))


@router.get(
    "/v1/entities/{entity_id:id}/image",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The same as before."},
        **failures(404, 422),
    },
)
async def image(request: Request, entity_id: EntityId, shown: Annotated[Shown, Query()]) -> Response:
    """Show an entity's image, as a JPEG."""
    service, graph = service_of(request), service_of(request).served.graph
    tag = tag_of(graph, entity_id, shown.number, shown.size)
    headers = {"etag": tag, "cache-control": "private, max-age=60"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    work = service.read(lambda: service.pictures.get(graph, entity_id, shown.number, shown.size))
    data, _ = await attended(request, work)
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get("/v1/entities/{entity_id:id}", response_model=EntityAnswer, responses=failures(404, 422))
async def entity(request: Request, entity_id: EntityId) -> Response:
    """Show an entity."""
    service, graph = service_of(request), service_of(request).served.graph
    if entity_id not in graph:
        raise unknown(entity_id)
    (found,) = await attended(request, service.read(lambda: graph.take([graph.row(entity_id)])))
    place = f"/v1/entities/{quote(entity_id, safe='')}/image?number="
    values = {name: getattr(found, name) for name in ("id", "name", "description", "attributes")}
    images = [f"{place}{number}" for number in range(len(found.images))]
    return reply(request, {**values, "aliases": list(found.aliases), "images": images, "graph": graph.snapshot})


@router.put(
    "/v1/entities",
    response_model=UpsertAnswer,
    responses=failures(400, 401, 403, 413, 415, 422, 429),
    openapi_extra={**body_of(UpsertRequest), **TOKEN},
)
async def upsert(request: Request) -> Response:
    """Insert entities, or put them in the place of those with their ids; the next request is answered from them."""
    service = service_of(request)
    check_token(request, service)
    listed = validated(UpsertRequest, await read_values(request, service.settings))
    records = entities_of(listed, service.settings)
    counts = await attended(request, service.following.upsert(records))
    note(request, **counts)
    return reply(request, counts)


@router.delete(
    "/v1/entities/{entity_id:id}",
    response_model=DeleteAnswer,
    responses=failures(401, 403, 422, 429),
    openapi_extra=dict(TOKEN),
)
async def delete(request: Request, entity_id: EntityId) -> Response:
    """Delete an entity; the next request is answered without it. ``deleted`` is false where there was none."""
    service = service_of(request)
    check_token(request, service)
    counts = await attended(request, service.following.delete(entity_id))
    note(request, **counts)
    return reply(request, counts)
