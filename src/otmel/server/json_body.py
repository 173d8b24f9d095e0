"""JSON bodies that were sent to do harm: depth and number of values are known before anything is built."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np

from otmel.server.errors import ApiError, too_large

OPENS: Final = np.frombuffer(b"[{", dtype=np.uint8)
CLOSES: Final = np.frombuffer(b"]}", dtype=np.uint8)


def parsed_json(body: bytes, depth: int, values: int) -> Any:
    """The value in a body.

    Args:
        body: UTF-8.
        depth: how deep it may be nested.
        values: how many values it may hold.

    Raises:
        ApiError: it is no JSON (400), nested too deeply (400), or holds more values (413).
    """
    _check_structure(body, depth, values)
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except json.JSONDecodeError as fault:
        raise unparsable(f"this is no JSON: {fault.msg} (line {fault.lineno}, column {fault.colno})") from None
    except UnicodeDecodeError as fault:
        raise unparsable(f"byte {fault.start} is no UTF-8") from None
    except (RecursionError, ValueError) as fault:
        raise unparsable(f"this JSON cannot be read: {fault}") from None


def unparsable(message: str) -> ApiError:
    """A body that cannot be read: 400."""
    return ApiError(400, "unparsable", message, cure="send JSON in UTF-8, or multipart/form-data")


def _check_structure(body: bytes, depth: int, values: int) -> None:
    """Look at what stands outside of strings. An unbalanced body is left to the parser."""
    plain = np.frombuffer(body.replace(b"\\\\", b"").replace(b'\\"', b""), dtype=np.uint8)  # no escapes any more
    outside = plain[~np.logical_xor.accumulate(plain == ord('"'))]
    opens, closes = np.isin(outside, OPENS), np.isin(outside, CLOSES)
    steps = (opens.astype(np.int8) - closes.astype(np.int8))[opens | closes]
    deepest = int(np.cumsum(steps, dtype=np.int64).max(initial=0))
    if deepest > depth:
        raise unparsable(f"nested {deepest:,} deep, at most {depth} are read")
    count = int(np.count_nonzero(outside == ord(","))) + int(np.count_nonzero(opens))
    if count > values:
        raise too_large(f"{count:,} values are more than the {values:,} that are read at once")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
