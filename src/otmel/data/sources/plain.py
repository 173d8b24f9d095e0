"""The columns of a row that no entity has, as values of JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping
from datetime import date, time
from typing import Any

from otmel.data.fields import RowError
from otmel.data.raw_rows import MAX_DEPTH


def plain_columns(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The columns of ``values`` that are not ``known``. Raises ``RowError`` for one that is nested too deeply."""
    return {key: plain(value) for key, value in values.items() if key not in known}


def plain(value: object, depth: int = 0) -> Any:
    """``value`` in types of JSON.

    Bytes become base64, dates ISO 8601, numbers that JSON does not have (not a number, infinite, decimal) text.
    """
    if depth > MAX_DEPTH:
        raise RowError("nested too deeply")
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part, depth + 1) for part in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if isinstance(value, (date, time)) else str(value)
