"""The values of a row of own data, each checked as it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otmel.data.findings import Findings
from otmel.data.image_root import ImageRoot
from otmel.data.records import ImageSource


class RowError(Exception):
    """A row cannot be used: ``reason`` is the kind under which it is counted, ``detail`` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Fields:
    """A row's ``values`` by column; ``where`` names it, ``findings`` takes what is missing.

    Every method raises ``RowError`` for a value of the wrong type.
    """

    values: Mapping[str, Any]
    where: str
    findings: Findings

    def text(self, key: str, required: bool = False) -> str:
        """The text in a column; empty when there is none."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise RowError(f"{key} is no text")
        if required and not (value and value.strip()):
            raise RowError(f"{key} missing")
        return value or ""

    def identifier(self, key: str, required: bool = False) -> str:
        """An identifier: text or a whole number."""
        value = self.values.get(key)
        whole = isinstance(value, int) and not isinstance(value, bool)
        return str(value) if whole else self.text(key, required)

    def texts(self, key: str) -> tuple[str, ...]:
        """Texts in a column: a list, or one text separated by ``|``."""
        value = self.values.get(key)
        parts = value.split("|") if isinstance(value, str) else [] if value is None else value
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise RowError(f"{key} is no list of texts")
        return tuple(part.strip() for part in parts if part.strip())

    def attributes(self, key: str) -> str:
        """The attribute text: as it stands, or ``key: value. key: value`` of a mapping, or the parts of a list."""
        value = self.values.get(key)
        if isinstance(value, dict):
            stated = {name: _value_text(part) for name, part in value.items()}
            return ". ".join(f"{name}: {part}" for name, part in stated.items() if part)
        if isinstance(value, list):
            return ". ".join(part for part in map(_value_text, value) if part)
        return self.text(key)

    def images(self, root: ImageRoot) -> tuple[ImageSource, ...]:
        """The images named in ``image`` (or ``images``), relative to ``root``; encoded bytes stay as they are."""
        value = self.values.get("image") or self.values.get("images")
        if not value:
            self.findings.add("image not stated", self.where)
            return ()
        found: list[ImageSource] = []
        for image in value if isinstance(value, list) else [value]:
            if isinstance(image, bytes):
                found.append(image)
            elif isinstance(image, str):
                path = root.find(image, self.findings, self.where)
                found.extend([path] if path else [])
            else:
                raise RowError("image is no file name")
        return tuple(found)


def _value_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(_value_text, value)))
    if isinstance(value, dict):
        raise RowError("attributes are nested")
    return str(value)
