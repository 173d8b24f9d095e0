from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.findings import Findings
from otmel.data.jsonio import REPAIRED, Row, parse_json, read_json, read_rows
from otmel.errors import DataError


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'[{"id": 0},\n {"id" 1}]', "line 2, column 8"),
        (b'{"a": 1', "line 1, column 8"),
        (b"", "line 1, column 1"),
        (b'{"a":\n "\xff"}', "line 2, column 3"),
        (b"\xff", "line 1, column 1"),
    ],
)
def test_wrong_json_is_named_by_file_line_and_column(data, place, tmp_path):
    path = tmp_path / "kb_entity.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_json(path)
    assert caught.value.where == f"{path}: {place}"
    assert caught.value.cure


@pytest.mark.parametrize("data", [b"[" * 200_000, b"1" * 10_000])
def test_hostile_json_is_an_error_of_ours(data):
    with pytest.raises(DataError, match="cannot be read"):
        parse_json(data, "hostile.json")


def test_a_byte_order_mark_is_passed_over():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "x") == {"a": 1}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_any_json_reads_back(value):
    assert parse_json(json.dumps(value).encode(), "x") == value


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(DataError) as caught:
            read_json(path)
        assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("value", "words"), [({"a": 1}, "a list of rows"), ([{}, 3], "an object was expected, got a number")]
)
def test_rows_of_the_wrong_type(value, words, tmp_path, findings):
    path = tmp_path / "x_train.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=words) as caught:
        read_rows(path, findings)
    assert str(path) in str(caught.value.where)
    assert ("row 1" in str(caught.value.where)) == isinstance(value, list)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("text", 3),
        ("text", ["a"]),
        ("title", {}),
        ("identifier", True),
        ("identifier", 1.5),
        ("texts", 3),
        ("texts", ["a", 3]),
        ("texts", {"a": 1}),
        ("number", -1),
        ("number", True),
        ("number", "1"),
    ],
)
def test_a_value_of_the_wrong_type_names_key_and_row(method, value, findings):
    row = Row({"key": value}, "x.json: row 7", findings)
    with pytest.raises(DataError, match="'key' must be") as caught:
        getattr(row, method)("key")
    assert caught.value.where == "x.json: row 7"


@pytest.mark.parametrize(
    ("method", "empty"), [("text", ""), ("title", ""), ("identifier", ""), ("texts", ()), ("number", None)]
)
def test_absent_and_null_are_empty(method, empty, findings):
    for values in ({}, {"key": None}):
        assert getattr(Row(values, "row 0", findings), method)("key") == empty


def test_url_quoting_is_undone_in_titles_only():
    findings = Findings()
    row = Row({"a": "J%C3%B6rg%20Haider", "b": "100%", "c": "%FF", "d": 12}, "row 0", findings)
    assert row.title("a") == "Jörg Haider"
    assert row.text("a") == "J%C3%B6rg%20Haider"
    assert row.title("b") == "100%"
    assert row.identifier("d") == "12"
    assert not findings
    assert row.title("c") == "\ufffd"
    assert findings.counts == {REPAIRED: 1}


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_nul_and_lone_surrogates_are_replaced_and_counted(text, findings):
    row = Row({"key": text, "list": [text]}, "row 0", findings)
    assert row.text("key") == "a\ufffdb"
    assert row.texts("list") == ("a\ufffdb",)
    assert findings.counts == {REPAIRED: 2}
