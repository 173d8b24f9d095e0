"""The entity rows of MIMIC's format, and the two numberings that must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otmel.data.findings import Findings
from otmel.data.image_folder import ImageFolder
from otmel.data.image_root import HasValues
from otmel.data.jsonio import Row
from otmel.data.records import Entity
from otmel.errors import DataError


def as_entity(row: Row, images: ImageFolder) -> Entity:
    """An entity from its row. Raises ``DataError`` when a value is of the wrong type or there is no ``qid``."""
    identifier = row.identifier("qid")
    if not identifier:
        raise DataError("the entity has no 'qid'", where=row.where, cure="give it one, or remove the row")
    name = row.title("entity_name")
    if not name:
        row.findings.add("entity without name", f"{row.where}: {identifier}")
    return Entity(
        id=identifier,
        name=name,
        aliases=row.texts("aliases"),
        description=row.text("desc"),
        attributes=". ".join(row.texts("attr")),
        images=_entity_images(row, images),
    )


def image_names(row: HasValues) -> list[list[str]]:
    """The names of images that a row states; none where they are of the wrong type, which ``as_entity`` tells."""
    stated = row.values.get("image_list")
    listed = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    return [[name] for name in listed if isinstance(name, str)]


def _entity_images(row: Row, images: ImageFolder) -> tuple[Any, ...]:
    names = row.texts("image_list")
    if not names:
        row.findings.add("image not stated", row.where)
    found = [images.find([name], row.where) for name in names]
    return tuple(path for path in found if path is not None)


def check_dense_ids(rows: Sequence[Row], stated: Mapping[str, Any] | None, findings: Findings) -> None:
    """Compare the dense ids with the rows and with ``qid2id.json``.

    Gaps and disagreements are counted: the reader itself goes by ``qid`` and needs neither numbering.

    Raises:
        DataError: a dense id occurs twice; both rows are named.
    """
    first: dict[int, Row] = {}
    for row in rows:
        number = row.number("id")
        if number is None:
            findings.add("dense id missing", row.where)
            continue
        if number in first:
            problem = f"the dense id {number} occurs twice, here and in {first[number].where}"
            raise DataError(problem, where=row.where, cure="number the entities 0, 1, 2 …")
        first[number] = row
    previous = -1
    for number in sorted(first):
        if number != previous + 1:
            findings.add("gap in dense ids", f"{first[number].where}: {number} follows {previous}")
        previous = number
    if stated is not None:
        _check_row_file(rows, stated, findings)


def _check_row_file(rows: Sequence[Row], stated: Mapping[str, Any], findings: Findings) -> None:
    kind = "qid2id.json disagrees with kb_entity.json"
    identifiers = [row.identifier("qid") for row in rows]
    for row, identifier in zip(rows, identifiers, strict=True):
        number = row.number("id")
        if number is not None and stated.get(identifier) != number:
            findings.add(kind, f"{row.where}: {identifier} is {number} here, {stated.get(identifier)} there")
    known = set(identifiers)
    for identifier in stated:
        if identifier not in known:
            findings.add(kind, f"qid2id.json: {identifier} is no entity")
