"""What the service answers, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from otmel.client.faults import ServiceError, fault_of

T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """One entity of an answer.

    Attributes:
        rank: 1 for the best.
        id: the entity's id.
        name: its name.
        score: its score.
        probability: that it is the right one; ``None`` where the run is not calibrated.
        parts: what each part adds to the score: F, T, V, N.
        description: a text about it.
        attributes: statements about it.
        image: path of its image, for ``Client.image``.
    """

    rank: int
    id: str
    name: str
    score: float
    probability: float | None
    parts: Mapping[str, float]
    description: str
    attributes: str
    image: str | None


@dataclass(frozen=True)
class Link:
    """What a mention was linked to.

    Attributes:
        entity: id of the best entity; ``None`` where there is none.
        name: its name.
        score: its score.
        probability: that it is the right one; ``None`` where the run is not calibrated.
        nil: whether it is not to be trusted; ``None`` where the run is not calibrated.
        margin: by how much it leads the second.
        candidates: the best entities.
        notes: what was odd about the mention.
        model: hash of the weights.
        graph: snapshot of the graph.
        values: everything that the service said.
    """

    entity: str | None
    name: str | None
    score: float | None
    probability: float | None
    nil: bool | None
    margin: float | None
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    model: str
    graph: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Entity:
    """An entity of the graph; ``images`` are paths, for ``Client.image``."""

    id: str
    name: str
    aliases: tuple[str, ...]
    description: str
    attributes: str
    images: tuple[str, ...]
    graph: str


@dataclass(frozen=True)
class EntityLine:
    """An entity in a list."""

    id: str
    name: str
    description: str
    image: str | None


@dataclass(frozen=True)
class Page:
    """Some of the entities that fit a name, and how many there are."""

    entities: tuple[EntityLine, ...]
    total: int
    graph: str


@dataclass(frozen=True)
class Upserted:
    """What an upsert did, and the snapshot that it made."""

    graph: str
    inserted: int
    updated: int
    unchanged: int


def made(kind: type[T], given: Mapping[str, Any], **more: Any) -> T:
    """A record of the values that it has names for; further ones of the service are no fault."""
    names: Mapping[str, Any] = kind.__dataclass_fields__  # pyright: ignore[reportAttributeAccessIssue]
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(**{name: value for name, value in {**lists, **more}.items() if name in names})


def link_of(values: Mapping[str, Any]) -> Link:
    """A link."""
    candidates = tuple(made(Candidate, one) for one in values["candidates"])
    return made(Link, values, candidates=candidates, values=values)


def entry_of(values: Mapping[str, Any]) -> Link | ServiceError:
    """A link of many, or why there is none."""
    return fault_of(422, values) if "error" in values else link_of(values)


def page_of(values: Mapping[str, Any]) -> Page:
    """A list of entities."""
    return made(Page, values, entities=tuple(made(EntityLine, one) for one in values["entities"]))
