"""What goes out, as the API's description has it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Given(BaseModel):
    """A record of an answer."""

    model_config = ConfigDict(extra="forbid")


class Candidate(Given):
    """One entity of an answer."""

    rank: int
    id: str
    name: str
    score: float
    probability: float | None = Field(description="that it is the right one; null where the run is not calibrated")
    parts: dict[str, float] = Field(description="what each part adds to the score: F, T, V, N")
    description: str
    attributes: str
    image: str | None = Field(description="path of its image")


class LinkAnswer(Given):
    """What a mention was linked to."""

    id: str | None
    mention: str
    sentence: str
    image: str | None = Field(default=None, description="only says that there was one")
    entity: str | None = Field(description="id of the best entity")
    name: str | None
    probability: float | None
    nil: bool | None = Field(description="whether the entity is not to be trusted; null where it is not calibrated")
    score: float | None
    parts: dict[str, float]
    margin: float | None = Field(description="by how much the best entity leads the second")
    candidates: list[Candidate]
    notes: list[str] = Field(description="what was odd about the mention")
    model: str = Field(description="hash of the weights")
    graph: str = Field(description="snapshot of the graph")
    search: dict[str, Any] | None = Field(description="how the answer was proven to be the best")
    request_id: str


class ErrorBody(Given):
    """What is wrong."""

    code: str
    message: str
    cure: str | None = None
    where: str | None = None


class ErrorAnswer(Given):
    """An error."""

    error: ErrorBody
    request_id: str


class BatchAnswer(Given):
    """The answers to many mentions, in their order."""

    links: list[dict[str, Any]] = Field(description="each a LinkAnswer without request_id, or {error}")
    request_id: str


class ExplainAnswer(BaseModel):
    """Why a mention gets its score with an entity."""

    mention: dict[str, Any]
    entity: dict[str, Any]
    score: float
    parts: dict[str, Any]
    plans: list[dict[str, Any]] = Field(description="every plan: matrix, marginals, entropy, the other kind's matrix")
    images: dict[str, str | None] = Field(description="what the model saw of mention and entity, as data URLs")
    notes: list[str]
    model: str
    graph: str
    request_id: str


class EntityAnswer(Given):
    """An entity of the graph."""

    id: str
    name: str
    aliases: list[str]
    description: str
    attributes: str
    images: list[str] = Field(description="paths of its images")
    graph: str
    request_id: str


class EntityLine(Given):
    """An entity in a list."""

    id: str
    name: str
    description: str
    image: str | None


class EntityList(Given):
    """Entities by name."""

    entities: list[EntityLine]
    total: int
    graph: str
    request_id: str


class UpsertAnswer(Given):
    """What an upsert did."""

    graph: str
    inserted: int
    updated: int
    unchanged: int
    request_id: str


class DeleteAnswer(Given):
    """What a deletion did."""

    graph: str
    deleted: bool
    request_id: str


class Limits(Given):
    """What a request may hold."""

    body: int
    mentions: int
    pixels: int
    seconds: float
    text: int
    k: int


class InfoAnswer(Given):
    """What the service is."""

    model: str
    graph: str
    entities: int
    sees_images: bool
    calibrated: bool
    remark: str | None = Field(description="what is to be known of all links, such as a calibration on another graph")
    system: str
    limits: Limits
    image_urls: bool
    editable: bool
    version: str
    request_id: str


class HealthAnswer(Given):
    """The process lives."""

    status: str


class ReadyAnswer(Given):
    """The service answers."""

    status: str
    graph: str
    trouble: str | None = Field(description="what is wrong although the service answers: a graph it cannot follow")
