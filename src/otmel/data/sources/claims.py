"""Statements of Wikidata as text: the values of the best rank, written so that one can read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from otmel.data.fields import RowError
from otmel.data.findings import Findings

_TIME = re.compile(r"([+-])0*([0-9]{1,16})-([0-9]{2})-([0-9]{2})T")
_ENTITY = re.compile(r"(?:https?://.*/)?([A-Z][0-9]+(?:-[A-Z][0-9]+)?)")
_LETTERS: Final = {"item": "Q", "property": "P", "lexeme": "L"}
_DAY, _MONTH, _DECADE, _CENTURY, _MILLENNIUM = 11, 10, 8, 7, 6


class Malformed(Exception):
    """A part of a statement is of the wrong type."""


def objects(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under ``key``; empty when it is absent, or an empty list, as PHP writes an empty object."""
    value = values.get(key)
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise RowError(f"{key} is no object")
    return value


def attribute_text(
    row: Mapping[str, Any], claims: tuple[str, ...], labels: Mapping[str, str], findings: Findings
) -> str:
    """``Label: value, value. Label: value`` of the chosen properties. Raises ``RowError`` for what is malformed."""
    parts = []
    for claim in claims:
        values = list(dict.fromkeys(best_values(row, claim, labels, findings)))
        if values:
            parts.append(f"{labels.get(claim, claim)}: {', '.join(values)}")
    return ". ".join(parts)


def best_values(row: Mapping[str, Any], claim: str, labels: Mapping[str, str], findings: Findings) -> list[str]:
    """The values of a property, of the preferred statements if there are any, else of the normal ones."""
    statements = objects(row, "claims").get(claim)
    if statements is None:
        return []
    try:
        snaks = [snak for snak in _best(statements) if _of(snak, "snaktype", str) == "value"]
        texts = [_text(_of(snak, "datavalue", dict), labels, findings, claim) for snak in snaks]
    except Malformed:
        raise RowError(f"the statements of {claim} are malformed") from None
    return [text for text in texts if text]


def _best(statements: object) -> list[dict[str, Any]]:
    """The main snaks of the best rank; what is deprecated is known to be wrong."""
    if not isinstance(statements, list):
        raise Malformed
    ranked: dict[str, list[dict[str, Any]]] = {"preferred": [], "normal": [], "deprecated": []}
    for statement in statements:
        rank = _of(statement, "rank", str)
        if rank not in ranked:
            raise Malformed
        ranked[rank].append(_of(statement, "mainsnak", dict))
    return ranked["preferred"] or ranked["normal"]


def _text(value: dict[str, Any], labels: Mapping[str, str], findings: Findings, claim: str) -> str:
    kind = _of(value, "type", str)
    if kind not in _WRITERS:
        findings.add("value of an unknown kind left out", f"{claim}: {kind[:40]!r}")
        return ""
    return " ".join(_WRITERS[kind](value.get("value"), labels).split())


def _string(value: object, labels: Mapping[str, str]) -> str:
    if not isinstance(value, str):
        raise Malformed
    return value


def _item(value: object, labels: Mapping[str, str]) -> str:
    identifier = value.get("id") if isinstance(value, dict) else None
    if identifier is None:  # as it was written until 2017
        identifier = f"{_LETTERS.get(_of(value, 'entity-type', str), '')}{_of(value, 'numeric-id', int)}"
    return _named(identifier, labels)


def _named(identifier: object, labels: Mapping[str, str]) -> str:
    match = _ENTITY.fullmatch(identifier) if isinstance(identifier, str) else None
    if match is None:
        raise Malformed
    return labels.get(match[1], match[1])


def _monolingual(value: object, labels: Mapping[str, str]) -> str:
    return _of(value, "text", str)


def _quantity(value: object, labels: Mapping[str, str]) -> str:
    amount, unit = _of(value, "amount", str).removeprefix("+"), _of(value, "unit", str)
    return amount if unit == "1" else f"{amount} {_named(unit, labels)}"


def _time(value: object, labels: Mapping[str, str]) -> str:
    """A date as far as it is known: ``1952-03-11``, ``1952-03``, ``1952``, ``1950s``, ``20th century``, ``44 BCE``."""
    match, precision = _TIME.match(_of(value, "time", str)), _of(value, "precision", int)
    if match is None:
        raise Malformed
    sign, year, month, day = match.groups()
    text = year
    if precision >= _MONTH:
        text = f"{year.zfill(4)}-{month}" + (f"-{day}" if precision >= _DAY else "")
    elif precision == _DECADE:
        text = f"{year[:-1]}0s"
    elif precision in (_CENTURY, _MILLENNIUM):
        length, name = (100, "century") if precision == _CENTURY else (1000, "millennium")
        text = f"{_ordinal(-(-int(year) // length))} {name}"
    return text if sign == "+" else f"{text} BCE"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _coordinates(value: object, labels: Mapping[str, str]) -> str:
    return f"{_of(value, 'latitude', (int, float))}, {_of(value, 'longitude', (int, float))}"


def _of(value: object, key: str, kind: type | tuple[type, ...]) -> Any:
    part = value.get(key) if isinstance(value, dict) else None
    if not isinstance(part, kind) or isinstance(part, bool):
        raise Malformed
    return part


_WRITERS: Final[Mapping[str, Callable[[object, Mapping[str, str]], str]]] = {
    "string": _string,
    "wikibase-entityid": _item,
    "monolingualtext": _monolingual,
    "quantity": _quantity,
    "time": _time,
    "globecoordinate": _coordinates,
}
"""Kind of a value → its text."""
