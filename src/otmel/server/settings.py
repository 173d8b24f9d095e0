"""``ServerSettings``: every limit of the service, in one record."""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from otmel.data.images import MAX_PIXELS
from otmel.settings import Settings

MIB: Final = 2**20


class ServerSettings(Settings):
    """Where the service listens, and what it takes.

    Attributes:
        host: the address to listen on.
        port: the port; 0 for any that is free.
        body: bytes of a request's body.
        bodies: bytes of all bodies that are held at once.
        mentions: mentions, or entities, of one request.
        text: characters of a mention, a sentence, a name or any other text.
        candidates: ids that a mention may be given to choose among.
        k: the most entities of an answer.
        depth: how deep JSON may be nested.
        pixels: width × height of an image; a larger one is not decoded.
        queue: mentions that may wait to be linked.
        batch: mentions that are linked together.
        wait: milliseconds that a batch waits for more mentions.
        seconds: how long a request may wait for its answer.
        header_seconds: how long a request's headers may take to arrive.
        idle_seconds: how long a body may pause, or an answer may go unread.
        body_seconds: how long a body may take to arrive.
        keep_alive: seconds that an idle connection stays open.
        connections: connections at once.
        drain_seconds: how long requests in flight have to end when the service is told to stop.
        watch: seconds between two looks at whether the graph was changed; 0: it is not looked at.
        edits: changes of the graph that may wait.
        edit_seconds: how long a change waits for another process that writes to the graph.
        pictures: bytes of resized images that are kept.
        names_at_once: rows up to which the names are read before the service is ready, rather than beside it.
        image_hosts: hosts that images may be fetched from by their address; none by default.
        url_bytes: bytes of an image that is fetched.
        url_seconds: how long fetching may take.
        fetches: images that are fetched at the same time.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    body: int = Field(default=32 * MIB, ge=1)
    bodies: int = Field(default=512 * MIB, ge=1)
    mentions: int = Field(default=256, ge=1)
    text: int = Field(default=20_000, ge=1)
    candidates: int = Field(default=1_000, ge=1)
    k: int = Field(default=100, ge=1)
    depth: int = Field(default=8, ge=3)
    pixels: int = Field(default=MAX_PIXELS, ge=1, le=MAX_PIXELS)
    queue: int = Field(default=1_024, ge=1)
    batch: int = Field(default=32, ge=1)
    wait: float = Field(default=1.0, ge=0, le=1_000)
    seconds: float = Field(default=30.0, gt=0)
    header_seconds: float = Field(default=10.0, gt=0)
    idle_seconds: float = Field(default=10.0, gt=0)
    body_seconds: float = Field(default=60.0, gt=0)
    keep_alive: int = Field(default=15, ge=1)
    connections: int = Field(default=1_000, ge=1)
    drain_seconds: float = Field(default=20.0, gt=0)
    watch: float = Field(default=1.0, ge=0)
    edits: int = Field(default=64, ge=1)
    edit_seconds: float = Field(default=10.0, ge=0)
    pictures: int = Field(default=64 * MIB, ge=0)
    names_at_once: int = Field(default=20_000, ge=0)
    image_hosts: tuple[str, ...] = ()
    url_bytes: int = Field(default=16 * MIB, ge=1)
    url_seconds: float = Field(default=10.0, gt=0)
    fetches: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _hold_together(self) -> ServerSettings:
        if self.queue < self.mentions:
            raise ValueError(f"a queue of {self.queue} never has room for a request of {self.mentions} mentions")
        if self.bodies < self.body:
            raise ValueError(f"bodies of {self.bodies} bytes in all never have room for one of {self.body}")
        return self
