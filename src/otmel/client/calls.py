"""What can be asked, as values: one place for the API's paths, whoever sends them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from otmel.client.answers import Entity, Link, Page, Upserted, entry_of, link_of, made, page_of
from otmel.client.faults import ServiceError, fault_of

T = TypeVar("T")
Picture: TypeAlias = "bytes | str | os.PathLike[str]"
"""An image: its bytes, or the path of its file."""
RETRIED: Final = (429, 503)
LONGEST: Final = 30.0
"""Seconds after which a request is sent again at the latest."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        method: of HTTP.
        path: what is asked.
        read: makes the answer of JSON; ``None``: it is the body's bytes.
        json: the body.
        params: of the query.
    """

    method: str
    path: str
    read: Callable[[Any], T] | None
    json: Any = None
    params: Mapping[str, Any] | None = None


def mention(words: str | None = None, *, image: Picture | None = None, **more: Any) -> dict[str, Any]:
    """A link request.

    Args:
        words: the mention.
        image: the image that goes with it.
        more: ``context``, ``span``, ``image_url``, ``k``, ``candidates``.
    """
    given = {"mention": words, "image": None if image is None else encoded(image), **more}
    return {name: value for name, value in given.items() if value is not None}


def encoded(image: Picture) -> str:
    """An image as base64."""
    return base64.b64encode(image if isinstance(image, bytes) else Path(image).read_bytes()).decode()


def link(request: Mapping[str, Any]) -> Call[Link]:
    """Link a mention."""
    return Call("POST", "/v1/link", link_of, request)


def link_batch(requests: Iterable[Mapping[str, Any]], k: int | None) -> Call[list[Link | ServiceError]]:
    """Link many."""
    body = {"mentions": list(requests), **({} if k is None else {"k": k})}
    return Call("POST", "/v1/link/batch", lambda values: [entry_of(one) for one in values["links"]], body)


def explain(request: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Say why."""
    return Call("POST", "/v1/explain", dict, request)


def entity(entity_id: str) -> Call[Entity]:
    """Show an entity."""
    return Call("GET", f"/v1/entities/{quote(entity_id, safe='')}", lambda values: made(Entity, values))


def entities(name: str, limit: int, offset: int) -> Call[Page]:
    """List entities."""
    return Call("GET", "/v1/entities", page_of, None, {"name": name, "limit": limit, "offset": offset})


def image(path: str, size: int) -> Call[bytes]:
    """Show an image."""
    return Call("GET", path, None, None, {"size": size} if "?" not in path else None)


def upsert(records: Iterable[Mapping[str, Any]]) -> Call[Upserted]:
    """Put entities into the graph."""
    listed = [{**one, **({"images": [*map(encoded, one["images"])]} if "images" in one else {})} for one in records]
    return Call("PUT", "/v1/entities", lambda values: made(Upserted, values), {"entities": listed})


def delete(entity_id: str) -> Call[bool]:
    """Delete an entity."""
    return Call("DELETE", f"/v1/entities/{quote(entity_id, safe='')}", lambda values: bool(values["deleted"]))


def info() -> Call[dict[str, Any]]:
    """Say what answers."""
    return Call("GET", "/v1/info", dict)


def answer_of(call: Call[T], response: Any) -> T:
    """The answer to a call. Raises ``ServiceError``."""
    try:
        if response.status_code == 200:
            return response.content if call.read is None else call.read(response.json())
        values = response.json()
    except (ValueError, KeyError, TypeError):
        values = None
    raise fault_of(response.status_code, values, response.headers.get("x-request-id", ""))


def pause(response: Any, attempt: int) -> float:
    """Seconds to wait before the same is asked again."""
    said = response.headers.get("retry-after", "")
    return min(LONGEST, float(said) if said.isdigit() else 0.5 * 2**attempt)
