"""Reading JSON and its rows with errors that name file, line, column or row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from otmel.data.findings import Findings
from otmel.errors import DataError

REPAIRED: Final = "text repaired (NUL, lone surrogate or broken URL quoting)"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_CURE = "correct the file there, or fetch it again if the download broke off"


def read_json(path: Path) -> Any:
    """The value in a JSON file (UTF-8, with or without a byte order mark).

    Raises:
        DataError: the file is missing or unreadable, or is no JSON; then with line and column.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except OSError as fault:
        raise DataError(f"the file cannot be read ({fault.strerror})", where=str(path)) from None
    return parse_json(data, str(path))


def parse_json(data: bytes, where: str) -> Any:
    """The value in JSON bytes; errors call their source ``where``."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as fault:
        place = f"{where}: line {fault.lineno}, column {fault.colno}"
        raise DataError(f"this is no JSON: {fault.msg}", where=place, cure=_CURE) from None
    except UnicodeDecodeError as fault:
        line, column = data.count(b"\n", 0, fault.start) + 1, fault.start - data.rfind(b"\n", 0, fault.start)
        raise DataError(
            f"byte 0x{data[fault.start]:02x} is no UTF-8",
            where=f"{where}: line {line}, column {column}",
            cure="save the file as UTF-8",
        ) from None
    except (RecursionError, ValueError) as fault:  # nested too deeply; a number of thousands of digits
        raise DataError(f"this JSON cannot be read: {fault}", where=where, cure=_CURE) from None


def read_rows(path: Path, findings: Findings) -> list[Row]:
    """The objects of a JSON list, numbered from 0 as the dense ids are.

    Raises:
        DataError: the file holds no list, or one of its rows is no object (named).
    """
    values = read_json(path)
    if not isinstance(values, list):
        raise DataError(
            f"a list of rows was expected, got {kind_of(values)}", where=str(path), cure="write [ {…}, {…} ]"
        )
    rows = [Row(row, f"{path.name}: row {number}", findings) for number, row in enumerate(values)]
    for number, row in enumerate(values):
        if not isinstance(row, dict):
            raise DataError(f"an object was expected, got {kind_of(row)}", where=f"{path}: row {number}")
    return rows


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, read key by key.

    Attributes:
        values: the row's keys and values.
        where: file and row, for errors and findings.
        findings: takes what is repaired.
    """

    values: Mapping[str, Any]
    where: str
    findings: Findings

    def text(self, key: str) -> str:
        """The text under ``key``; empty when it is absent or null. Raises ``DataError`` for another type."""
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, "text", value)
        return self._usable(value)

    def title(self, key: str) -> str:
        """The text under ``key`` with its URL quoting (``%20``) undone."""
        value = self.text(key)
        if "%" not in value:
            return value
        title = unquote(value)
        if title.count(_REPLACEMENT) > value.count(_REPLACEMENT):  # %FF and the like
            self.findings.add(REPAIRED, self.where)
        return self._usable(title)

    def identifier(self, key: str) -> str:
        """An identifier: text or a whole number; empty when it is absent."""
        value = self.values.get(key)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts under ``key``: a list, or one text; empty ones are left out."""
        value = self.values.get(key)
        if isinstance(value, str):
            value = [value]
        if value is None:
            return ()
        if not isinstance(value, Sequence) or not all(isinstance(part, str) for part in value):
            raise self.wrong(key, "a list of texts", value)
        return tuple(self._usable(part) for part in value if part)

    def number(self, key: str) -> int | None:
        """The whole number under ``key``, not negative; ``None`` when it is absent."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise self.wrong(key, "a whole number from 0 up", value)
        return value

    def wrong(self, key: str, expected: str, value: object) -> DataError:
        """The error for a value of the wrong type."""
        return DataError(f"{key!r} must be {expected}, got {kind_of(value)}", where=self.where, cure="correct the row")

    def _usable(self, text: str) -> str:
        if not _UNUSABLE.search(text):
            return text
        self.findings.add(REPAIRED, self.where)
        return _UNUSABLE.sub(_REPLACEMENT, text)


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    shown = repr(value)
    return f"{words.get(type(value), 'a number')} ({shown if len(shown) <= 40 else shown[:40] + '…'})"
