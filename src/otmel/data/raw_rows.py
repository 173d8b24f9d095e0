"""A row of a file as it was read, before anything is known of its columns, and what makes its texts unusable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_ROW: Final = 1_000_000
"""Bytes (of a JSONL line) or characters (of a CSV or Parquet row) above which a row is skipped."""

MAX_DEPTH: Final = 100
"""Lists and objects within one another above which a row is skipped."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: its ``values``, or the ``fault`` for which it has none; ``where`` names file and line."""

    where: str
    values: Mapping[str, Any]
    fault: str | None = None


def text_fault(values: Mapping[str, Any]) -> str | None:
    """Why the texts in ``values``, its keys and nested ones too, cannot be used; ``None`` when they can."""
    texts: list[str] = []
    waiting: list[tuple[Any, int]] = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        for part in [*value, *value.values()] if isinstance(value, Mapping) else value:
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, (dict, list, tuple)):
                if depth == MAX_DEPTH:
                    return "nested too deeply"
                waiting.append((part, depth + 1))
    return texts_fault(texts)


def texts_fault(texts: Iterable[str]) -> str | None:
    """Why texts that belong to one row cannot be used; ``None`` when they can."""
    text = "".join(texts)
    return string_fault(text) or ("text too long" if len(text) > MAX_ROW else None)


def string_fault(text: str) -> str | None:
    """Why one text cannot be used, whatever its length; ``None`` when it can."""
    if "\0" in text:
        return "NUL character"
    if not text.isascii() and _SURROGATE.search(text):
        return "lone surrogate"
    return None
