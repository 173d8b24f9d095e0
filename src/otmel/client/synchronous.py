"""``Client``: the service, called."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import otmel.client.calls as calls
from otmel.client.answers import Entity, Link, Page, Upserted
from otmel.client.calls import RETRIED, Call, Picture, answer_of, mention, pause
from otmel.client.faults import ServiceError, Unreachable
from otmel.errors import MissingExtra

try:
    import httpx
except ImportError:  # pragma: no cover
    raise MissingExtra("httpx", "client", "the client") from None

T = TypeVar("T")


class Client:
    """A service.

    Args:
        url: where it is.
        token: what lets one change the graph.
        timeout: seconds for one attempt.
        retries: how often a request is sent again when the service has no time.
        options: of ``httpx.Client``.

    Every method raises ``ServiceError``.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = 60.0, retries: int = 3, **options: Any
    ) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, timeout=timeout, headers=headers, **options)
        self._retries = retries

    def link(self, words: str | None = None, *, image: Picture | None = None, **more: Any) -> Link:
        """Link a mention. Arguments as those of ``mention``."""
        return self._ask(calls.link(mention(words, image=image, **more)))

    def link_batch(self, requests: Iterable[Mapping[str, Any]], k: int | None = None) -> list[Link | ServiceError]:
        """Link many mentions, made by ``mention``. One that cannot be linked is an error in its place."""
        return self._ask(calls.link_batch(requests, k))

    def explain(
        self, words: str | None = None, *, entity: str | None = None, image: Picture | None = None, **more: Any
    ) -> dict[str, Any]:
        """Say why a mention gets its score with an entity, by default with the best one."""
        return self._ask(calls.explain(mention(words, image=image, entity=entity, **more)))

    def entity(self, entity_id: str) -> Entity:
        """Show an entity."""
        return self._ask(calls.entity(entity_id))

    def entities(self, name: str = "", limit: int = 20, offset: int = 0) -> Page:
        """List the entities with a name, an alias, or a word of one, that begins so."""
        return self._ask(calls.entities(name, limit, offset))

    def image(self, path: str, size: int = 256) -> bytes:
        """The JPEG at a path that an answer gave."""
        return self._ask(calls.image(path, size))

    def upsert(self, records: Iterable[Mapping[str, Any]]) -> Upserted:
        """Put entities into the graph: ``id``, ``name``, ``aliases``, ``description``, ``attributes``, ``images``."""
        return self._ask(calls.upsert(records))

    def delete(self, entity_id: str) -> bool:
        """Delete an entity; whether there was one."""
        return self._ask(calls.delete(entity_id))

    def info(self) -> dict[str, Any]:
        """Say what answers, from what, and within which limits."""
        return self._ask(calls.info())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _ask(self, call: Call[T]) -> T:
        for attempt in range(self._retries + 1):
            try:
                response = self._http.request(call.method, call.path, json=call.json, params=call.params)
            except httpx.HTTPError as fault:
                cure = "is otmel serve running there?"
                raise Unreachable(
                    f"no answer: {type(fault).__name__}", where=str(self._http.base_url), cure=cure
                ) from fault
            if response.status_code not in RETRIED or attempt == self._retries:
                return answer_of(call, response)
            time.sleep(pause(response, attempt))
        raise AssertionError
