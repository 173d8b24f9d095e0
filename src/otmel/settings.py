"""Settings: small frozen records, validated in one place, saved with what they made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from otmel.errors import ConfigurationError, nearest

S = TypeVar("S", bound="Settings")
TAG = "kind"
"""The key by which the members of a union of records are told apart."""


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
        problem, cure = _explained(kind, values, fault.errors()[0])
        raise ConfigurationError(problem, where=where, cure=cure) from None


def valid_keys(kind: type[BaseModel], path: Iterable[str]) -> list[str]:
    """The keys a record has at ``path`` (a union offers those of all its members, or of the one the path names)."""
    kinds = [kind]
    for step in path:
        fields = [k.model_fields[step].annotation for k in kinds if step in k.model_fields]
        inner = [member for field in fields for member in _records_in(field)]
        tagged = [k for k in kinds if TAG in k.model_fields and k.model_fields[TAG].default == step]
        kinds = inner or tagged or kinds
    return sorted({key for k in kinds for key in k.model_fields})


def overridden(settings: S, assignments: Iterable[str]) -> S:
    """``settings`` with ``key.subkey=value`` assignments applied; values are read as JSON, else as text.

    ``group.kind=name`` exchanges a group for another of its kinds, which starts from its own defaults.

    Raises:
        ConfigurationError: an assignment without ``=``, an unknown key or a value of the wrong type.
    """
    values, texts = settings.model_dump(), {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"{assignment!r} is no assignment", cure="write --set key=value")
        path = tuple(key.strip().split("."))
        group = _group(type(settings), values, path)
        if path[-1] == TAG and group.get(TAG) != text:
            group.clear()
        group[path[-1]] = _read(text)
        texts[path] = (group, text)
    return _with_texts(type(settings), values, texts)


def _with_texts(kind: type[S], values: dict[str, Any], texts: Mapping[tuple[str, ...], tuple[dict, str]]) -> S:
    """Validate; what looks like a number but belongs to a text (``name=12``) is taken as it was typed."""
    try:
        return kind.model_validate(values)
    except ValidationError as fault:
        wrong = {error["loc"][-1] for error in fault.errors() if error["type"] == "string_type"}
        for path, (group, text) in texts.items():
            if path[-1] in wrong:
                group[path[-1]] = text
    return validated(kind, values, where="--set" if texts else None)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _group(kind: type[BaseModel], values: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The dictionary within ``values`` that holds the last key of ``path``; made where an exchanged group lacks it."""
    *parents, last = path
    for depth, parent in enumerate(parents):
        known = valid_keys(kind, parents[:depth])
        if parent in known and (parent not in values or (values[parent] is None and last == TAG)):
            values[parent] = {}
        if not isinstance(values.get(parent), dict):
            if parent not in known:
                problem = f"there is no group {parent!r} in {'.'.join(path)!r}"
                raise ConfigurationError(problem, where="--set", cure=nearest(parent, known))
            problem = f"{'.'.join(parents[: depth + 1])} is {json.dumps(values[parent])}"
            raise ConfigurationError(f"{problem}, so {'.'.join(path)!r} cannot be set", where="--set")
        values = values[parent]
    return values


def _explained(kind: type[BaseModel], values: Any, error: ErrorDetails) -> tuple[str, str | None]:
    """Problem and cure behind one of pydantic's errors."""
    path = [str(step) for step in error["loc"]]
    key, context = ".".join(_typed(path, values)), error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return f"there is no setting {key!r}", nearest(path[-1], valid_keys(kind, path[:-1]))
    if error["type"] == "missing":
        return f"{key} is missing", None
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not path:
        return message, None
    given = "" if isinstance(error["input"], (dict, BaseModel)) else f", got {error['input']!r}"
    cure = None
    if error["type"] == "union_tag_invalid":
        cure = nearest(str(context["tag"]), str(context["expected_tags"]).replace("'", "").split(", "))
    elif error["type"] in {"model_type", "model_attributes_type"}:
        cure = f"this is a group with the keys {', '.join(valid_keys(kind, path))}"
    return f"{key}: {message}{given}", cure


def _typed(path: Sequence[str], values: Any) -> list[str]:
    """The path as one would type it: without the kinds that pydantic puts after the name of a group."""
    typed = []
    for number, step in enumerate(path):
        if isinstance(values, Mapping) and step not in values and number + 1 < len(path):
            continue
        typed.append(step)
        values = values.get(step) if isinstance(values, Mapping) else None
    return typed


def _records_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [record for part in getattr(annotation, "__args__", ()) for record in _records_in(part)]
