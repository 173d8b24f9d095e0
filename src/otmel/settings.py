"""Settings: small frozen records, validated in one place, saved with what they made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from otmel.errors import ConfigurationError, nearest

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of every configuration record: frozen, typed, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def validated(kind: type[S], values: Mapping[str, Any], *, where: str | None = None) -> S:
    """``kind`` from plain values.

    Raises:
        ConfigurationError: naming the key, the fault and, for an unknown key, the nearest valid one.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as fault:
        first = fault.errors()[0]
        path = [str(step) for step in first["loc"]]
        key = ".".join(path)
        cure = None
        if first["type"] == "extra_forbidden":
            cure = nearest(path[-1], valid_keys(kind, path[:-1]))
        raise ConfigurationError(f"{key}: {first['msg'].lower()}, got {first['input']!r}", where=where, cure=cure) from None


def valid_keys(kind: type[BaseModel], path: Iterable[str]) -> list[str]:
    """The keys a record has at ``path`` (a union offers those of all its members)."""
    kinds = [kind]
    for step in path:
        fields = [k.model_fields[step].annotation for k in kinds if step in k.model_fields]
        inner = [member for field in fields for member in _records_in(field)]
        kinds = inner or kinds
    return sorted({key for k in kinds for key in k.model_fields})


def _records_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [record for part in getattr(annotation, "__args__", ()) for record in _records_in(part)]


def overridden(settings: S, assignments: Iterable[str]) -> S:
    """``settings`` with ``key.subkey=value`` assignments applied; values are read as JSON, else as text.

    Raises:
        ConfigurationError: an assignment without ``=``, an unknown key or a value of the wrong type.
    """
    values = settings.model_dump()
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"{assignment!r} is no assignment", cure="write --set key=value")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        *parents, last = key.strip().split(".")
        place = values
        for depth, parent in enumerate(parents):
            if not isinstance(place.get(parent), dict):
                known = valid_keys(type(settings), parents[:depth])
                raise ConfigurationError(f"there is no group {parent!r} in {key!r}", cure=nearest(parent, known))
            place = place[parent]
        place[last] = value
    return validated(type(settings), values, where="--set" if assignments else None)
