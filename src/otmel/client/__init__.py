"""A client for ``otmel serve``, to be called and awaited.

    with Client("http://127.0.0.1:8000") as client:
        link = client.link("Robert", context="The actors Robert and Susan.", image=Path("premiere.jpg"))
        link.entity, link.probability, link.candidates[0].name

What the service refuses is an exception that says why; what it has no time for (429, 503) is asked again after the
seconds that it names. Needs the extra ``client``.
"""

from __future__ import annotations

from otmel.client.answers import Candidate, Entity, EntityLine, Link, Page, Upserted
from otmel.client.asynchronous import AsyncClient
from otmel.client.calls import Picture, mention
from otmel.client.faults import BadRequest, NotAllowed, NotFound, Overloaded, ServiceError, Unreachable
from otmel.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "BadRequest",
    "Candidate",
    "Client",
    "Entity",
    "EntityLine",
    "Link",
    "NotAllowed",
    "NotFound",
    "Overloaded",
    "Page",
    "Picture",
    "ServiceError",
    "Unreachable",
    "Upserted",
    "mention",
]
