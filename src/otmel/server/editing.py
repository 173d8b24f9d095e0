"""Who may change the graph, and what may be put into it."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request

from otmel.data.images import KINDS, check_header
from otmel.data.records import Entity
from otmel.errors import ImageError
from otmel.server.errors import ApiError, invalid, too_large
from otmel.server.requests import check_texts, decoded
from otmel.server.schemas import EntityRecord, UpsertRequest
from otmel.server.service import Service
from otmel.server.settings import ServerSettings


def check_token(request: Request, service: Service) -> None:
    """Raises ``ApiError``: changing the graph is not enabled (403), or the token is missing or wrong (401)."""
    if service.root is None or service.token is None:
        why = "the graph is no graph's folder" if service.root is None else "the service was started without a token"
        cure = "serve a graph's folder, with OTMEL_TOKEN or --token-file"
        raise ApiError(403, "not_enabled", f"changing the graph is not enabled: {why}", cure=cure)
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not _same(given.strip(), service.token):
        message = "the token is wrong" if given else "a token is needed"
        cure = "send the header Authorization: Bearer TOKEN"
        raise ApiError(401, "unauthorized", message, cure=cure, headers={"www-authenticate": "Bearer"})


def _same(given: str, token: str) -> bool:
    """Compared in a time that tells nothing, not even the token's length."""
    digests = [hashlib.sha256(one.encode("utf-8", "surrogatepass")).digest() for one in (given, token)]
    return hmac.compare_digest(*digests)


def entities_of(listed: UpsertRequest, settings: ServerSettings) -> list[Entity]:
    """The entities of a request. Raises ``ApiError``: too many or too long (413), or not usable (422)."""
    if len(listed.entities) > settings.mentions:
        message = f"{len(listed.entities):,} entities are more than the {settings.mentions:,} of a request"
        raise too_large(message, "entities")
    seen: dict[str, int] = {}
    for number, record in enumerate(listed.entities):
        if (first := seen.setdefault(record.id, number)) != number:
            raise invalid(f"the id {record.id!r} is that of entities.{first}, too", f"entities.{number}.id")
    return [_entity(record, settings, f"entities.{number}") for number, record in enumerate(listed.entities)]


def _entity(record: EntityRecord, settings: ServerSettings, place: str) -> Entity:
    values = record.model_dump()
    check_texts(values, settings)
    images = [_image(text, settings, f"{place}.images.{n}") for n, text in enumerate(values.pop("images"))]
    return Entity(**{**values, "aliases": tuple(record.aliases)}, images=tuple(images))


def _image(text: str, settings: ServerSettings, where: str) -> bytes:
    data = decoded(text, where)
    try:
        check_header(data, settings.pixels)
    except ImageError as fault:
        raise invalid(f"{KINDS[fault.reason]}: {fault.problem}", where) from None
    return data
