"""From mentions to answers: the library's links, with what a page shows beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from otmel.data.findings import Findings
from otmel.data.records import Entity
from otmel.errors import DataError, OtmelError
from otmel.linking import Link, Linker
from otmel.linking.mentions import prepared
from otmel.server.errors import invalid, unavailable
from otmel.server.logs import log
from otmel.server.requests import Asked

PLACE = "mention"


def linked(linker: Linker, asked: Sequence[Asked]) -> list[dict[str, Any] | Exception]:
    """The answers to mentions that ask for the same number of entities, or why one cannot be linked.

    One that cannot be linked does not touch the others.
    """
    answers: list[dict[str, Any] | Exception] = [_fault(one) or {} for one in asked]
    sound = [place for place, answer in enumerate(answers) if not isinstance(answer, Exception)]
    if not sound:
        return answers
    try:
        links = _links(linker, [asked[place] for place in sound])
        for place, link in zip(sound, links, strict=True):
            answers[place] = answer_of(linker, link, asked[place].notes)
    except Exception as fault:
        if len(sound) == 1:
            log.exception("a mention could not be linked")
            answers[sound[0]] = unavailable("unavailable", _said(fault))
        else:
            for place in sound:
                (answers[place],) = linked(linker, [asked[place]])
    return answers


def _links(linker: Linker, asked: Sequence[Asked]) -> list[Link]:
    mentions = [one.mention for one in asked]
    return linker.link(mentions, asked[0].k, given_candidates=True, places=[PLACE] * len(mentions))


def _fault(asked: Asked) -> Exception | None:
    """Why there is nothing to link by."""
    try:
        prepared(asked.mention, PLACE, None, Findings())
    except DataError as fault:
        return invalid(fault.problem, cure=fault.cure)
    return None


def _said(fault: Exception) -> str:
    return fault.problem if isinstance(fault, OtmelError) else "the mention could not be linked"


def answer_of(linker: Linker, link: Link, notes: Sequence[str] = ()) -> dict[str, Any]:
    """A link as the API gives it: the library's values, each candidate's texts and the path of its image."""
    values = link.as_json()
    values["notes"] = list(dict.fromkeys((*notes, *values["notes"])))
    for rank, candidate in enumerate(values["candidates"], 1):
        entity = linker.graph.entity(candidate["id"])
        image = image_path(entity.id) if entity.images else None
        texts = {"description": entity.description, "attributes": entity.attributes, "image": image}
        candidate |= {"rank": rank, "probability": candidate.get("probability"), **texts}
    return {**values, "probability": values.get("probability"), "nil": values.get("nil")}


def image_path(entity_id: str) -> str:
    """Where an entity's first image is."""
    return f"/v1/entities/{quote(entity_id, safe='')}/image"


def line_of(entity: Entity) -> dict[str, Any]:
    """An entity in a list; its images may not have been read."""
    image = image_path(entity.id) if entity.images else None
    return {"id": entity.id, "name": entity.name, "description": entity.description, "image": image}
