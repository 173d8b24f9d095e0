"""Entities of a JSON dump of Wikidata: labels, aliases and description in one language, chosen statements as text.

A property, lexeme, media file or redirect is a row too: it is rejected with a reason of ``NO_ENTITY``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from otmel.data.byte_files import ByteFile
from otmel.data.fields import RowError
from otmel.data.findings import Findings
from otmel.data.image_root import ImageRoot
from otmel.data.raw_rows import RawRow, texts_fault
from otmel.data.records import Entity
from otmel.data.sources.claims import attribute_text, best_values, objects
from otmel.data.sources.dump import read_dump
from otmel.data.sources.records import Built, RowSource, SourceOptions

IMAGE: Final = "P18"
EVERY_LANGUAGE: Final = "mul"
"""The code of labels and aliases that hold in all languages."""

_ITEM = re.compile(r"Q[1-9][0-9]*")
_OTHERS: Final = {"P": "a property, no item", "L": "a lexeme, no item", "M": "a media file, no item"}


def wikidata_source(file: ByteFile, options: SourceOptions, findings: Findings) -> RowSource:
    """The items of a dump. Images are never fetched: a name of Commons is looked for in the image root, if any."""
    root = None if options.image_root is None else ImageRoot(options.image_root)
    build = _builder(options, root, findings)
    if root is None:
        return RowSource(file, read_dump, build)
    return RowSource(file, read_dump, build, lambda rows: root.ahead(rows, _image_names))


def _builder(options: SourceOptions, root: ImageRoot | None, findings: Findings) -> Callable[[RawRow], Built]:
    base = options.language.partition("-")[0]
    own = tuple(dict.fromkeys((options.language, base)))
    every = tuple(dict.fromkeys((*own, EVERY_LANGUAGE, "en")))

    def build(row: RawRow) -> Built:
        identifier = _identifier(row.values)
        name, code = _first(objects(row.values, "labels"), every)
        if not name:
            raise RowError(f"no label in {', '.join(every)}")
        images = list(best_values(row.values, IMAGE, {}, findings))
        aliases = _aliases(row.values, own, name)
        description, _ = _first(objects(row.values, "descriptions"), own)
        attributes = attribute_text(row.values, options.claims, options.labels, findings)
        if fault := texts_fault((name, *aliases, description, attributes, *images)):
            raise RowError(fault)
        if code != options.language:
            findings.add(f"label in {code!r} for want of one in {options.language!r}", row.where)
        found, extra = _image(images, root, findings, row.where)
        return Entity(identifier, name, aliases, description, attributes, found), extra

    return build


def _identifier(values: Mapping[str, Any]) -> str:
    identifier = values.get("id")
    if "redirect" in values:
        raise RowError("a redirect")
    if identifier is None:
        raise RowError("id missing")
    if not isinstance(identifier, str):
        raise RowError("id is no text")
    if not _ITEM.fullmatch(identifier):
        raise RowError(_OTHERS.get(identifier[:1], "id is none of an item"))
    return identifier


def _first(texts: Mapping[str, Any], codes: tuple[str, ...]) -> tuple[str, str]:
    """The first text there is in one of the languages, and its language; empty when there is none."""
    for code in codes:
        if code in texts and (text := _value(texts[code])):
            return text, code
    return "", ""


def _aliases(values: Mapping[str, Any], codes: tuple[str, ...], name: str) -> tuple[str, ...]:
    aliases = objects(values, "aliases")
    found: dict[str, None] = {}
    for code in (*codes, EVERY_LANGUAGE):
        parts = aliases.get(code, [])
        if not isinstance(parts, list):
            raise RowError("aliases are no list")
        found.update(dict.fromkeys(map(_value, parts)))
    return tuple(alias for alias in found if alias and alias != name)


def _value(text: object) -> str:
    value = text.get("value") if isinstance(text, dict) else None
    if not isinstance(value, str):
        raise RowError("a label, description or alias is no text")
    return value.strip()


def _image(
    names: list[str], root: ImageRoot | None, findings: Findings, where: str
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """The file of the first image under ``root``; else its name, to be kept beside the entity."""
    if not names:
        findings.add("image not stated", where)
        return (), {}
    name = commons_name(names[0])
    if root is None:
        return (), {"image_name": name}
    for spelling in _spellings(name):
        if path := root.find(spelling, Findings(), where):
            return (path,), {}
    root.find(name, findings, where)  # says why there is none
    return (), {"image_name": name}


def _image_names(row: RawRow) -> list[tuple[str, ...]]:
    """What the file of a row's first image may be called in the image root."""
    try:
        names = best_values(row.values, IMAGE, {}, Findings())
    except RowError:  # which whoever makes an entity of the row will meet again
        return []
    return [_spellings(commons_name(names[0]))] if names else []


def _spellings(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((name, name.replace(" ", "_"))))


def commons_name(name: str) -> str:
    """The one spelling of a file's name on Commons: spaces for underscores, no namespace, a capital letter first."""
    words = " ".join(name.replace("_", " ").split())
    words = re.sub(r"^(file|image) ?: ?", "", words, flags=re.IGNORECASE)
    return words[:1].upper() + words[1:]
