"""Depth and number of values are those of what the parser makes, and are known before it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.server.errors import ApiError
from otmel.server.json_body import parsed_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('a"\\[]{},é\n'), max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('"\\[,b', max_size=3), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@settings(max_examples=200, deadline=None)
@given(VALUES, st.booleans())
def test_what_is_written_is_read_within_its_depth_and_not_below(value: Any, ascii_only: bool) -> None:
    body, deep = json.dumps(value, ensure_ascii=ascii_only).encode(), depth(value)
    assert parsed_json(body, deep, 1000) == value
    if deep:
        with pytest.raises(ApiError) as fault:
            parsed_json(body, deep - 1, 1000)
        assert fault.value.status == 400


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_400(body: bytes) -> None:
    try:
        value = parsed_json(body, 8, 1000)
    except ApiError as fault:
        status = fault.status
    else:
        status = 0
        assert value == json.loads(body.decode())
    assert status in (0, 400)


def test_values_are_counted() -> None:
    assert len(parsed_json(b"[" + b"1," * 98 + b"1]", 3, 99)) == 99
    with pytest.raises(ApiError) as fault:
        parsed_json(b"[" + b"1," * 99 + b"1]", 3, 99)
    assert fault.value.status == 413
