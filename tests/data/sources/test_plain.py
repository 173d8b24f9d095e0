from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.fields import RowError
from otmel.data.raw_rows import MAX_DEPTH
from otmel.data.sources.plain import plain, plain_columns

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda value: st.lists(value, max_size=3) | st.dictionaries(st.text(), value, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_stays_as_it_is(value):
    assert plain(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\x00\xff", "AP8="),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("1.50"), "1.50"),
        (date(2020, 2, 29), "2020-02-29"),
        (datetime(2020, 2, 29, 1, 2, 3, tzinfo=timezone.utc), "2020-02-29T01:02:03+00:00"),
        (time(1, 2), "01:02:00"),
        (timedelta(days=1), "1 day, 0:00:00"),
        ((1, [b""]), [1, [""]]),
        ({1: None}, {"1": None}),
    ],
)
def test_what_json_does_not_have_becomes_text(value, expected):
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)


def test_depth_is_bounded():
    value = []
    for _ in range(MAX_DEPTH):
        value = [value]
    assert plain(value) == value
    with pytest.raises(RowError, match="nested too deeply"):
        plain_columns({"a": [value]}, ())


def test_known_columns_are_left_out():
    assert plain_columns({"id": 1, "a": 2, "b": 3}, {"id", "b"}) == {"a": 2}
