from __future__ import annotations

import json
import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data import json_array
from otmel.data.byte_files import BrokenStream, ByteFile
from otmel.data.json_array import read_array
from otmel.errors import DataError

ROWS = st.lists(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.none() | st.floats(allow_nan=False) | st.text(alphabet='ab"\\[]{},:é😀\n '),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    ),
    max_size=8,
)


def written(folder, text):
    path = folder / "kb_entity.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return ByteFile(path)


def read(folder, text, **options):
    return [(row.values, row.fault) for row in read_array(written(folder, text), **options)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("arrays")


@pytest.fixture(params=[1, 7, json_array.BLOCK])
def block(request, monkeypatch):
    """Bytes read at once: one and seven cut rows at every place there is."""
    monkeypatch.setattr(json_array, "BLOCK", request.param)


@settings(deadline=None)
@given(
    rows=ROWS,
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    start=st.integers(0, 9),
    size=st.integers(1, 40),
)
def test_every_row_comes_back_however_the_text_is_cut(rows, indent, ascii_only, start, size, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "BLOCK", size)
        text = "\ufeff " + json.dumps(rows, indent=indent, ensure_ascii=ascii_only) + " \n"
        assert read(folder, text, start=start) == [(row, None) for row in rows][start:]


@pytest.mark.parametrize(
    "row, fault",
    [
        ('{"a" 1}', "broken JSON"),
        ('{"a": [1, 2}', "broken JSON"),
        ('{"a": 1]}', "broken JSON"),
        ('{"a": 1} x', "broken JSON"),
        ('{"a": 1} {"b": 2}', "broken JSON"),
        ('{"a": "x\ny"}', "broken JSON"),
        ('{"a": "\\"]},", b}', "broken JSON"),
        ("nul", "broken JSON"),
        ("", "broken JSON"),
        ("[" * 3000 + "]" * 3000, "broken JSON"),
        ("7" * 6000, "broken JSON"),
        ("[1]", "no object"),
        ("12", "no object"),
        ('"],"', "no object"),
        ("null", "no object"),
    ],
)
def test_a_bad_row_costs_itself_alone(row, fault, tmp_path, block):
    found = read(tmp_path, f'[{{"n": 1}}, {row}, {{"n": 2}}]')
    assert found == [({"n": 1}, None), ({}, fault), ({"n": 2}, None)]


def test_bytes_that_are_no_utf8_cost_their_row(tmp_path, block):
    found = read(tmp_path, b'[{"n": "\xc3\xa9"}, {"n": "\xff"}, {"n": "\xed\xa0\x80"}, {"n": "\xc3\xa9"}]')
    assert found == [({"n": "é"}, None), ({}, "bad UTF-8"), ({}, "bad UTF-8"), ({"n": "é"}, None)]


@pytest.mark.parametrize("size", [99, 100, 101, 5000])
@pytest.mark.parametrize("tail", ['"}', '\\\\"}', '", [}'])
def test_a_row_may_be_as_long_as_stated(size, tail, tmp_path, block):
    row = '{"a": "' + "\\\\" * ((size - len(tail) - 8) // 2)
    row += "x" * (size - len(row) - len(tail)) + tail
    (first, second) = read(tmp_path, f'[{row},{{"n": 2}}]', limit=100)
    expected = "text too long" if size > 100 else "broken JSON" if tail == '", [}' else None
    assert first[1] == expected
    assert second == ({"n": 2}, None)


def test_rows_are_named_by_their_dense_ids(tmp_path):
    rows = list(read_array(written(tmp_path, "[{}, {}, 3]"), 1))
    assert [row.where for row in rows] == ["kb_entity.json: row 1", "kb_entity.json: row 2"]


def test_an_empty_list_and_a_comma_too_many(tmp_path, block):
    assert read(tmp_path, " [ ] ") == []
    assert read(tmp_path, "[{}, ]") == [({}, None)]


@pytest.mark.parametrize("text, got", [("", "nothing"), ('{"a": 1}', "an object"), ("3", "a number"), ('"x"', "text")])
def test_what_is_no_list_is_said(text, got, tmp_path):
    with pytest.raises(DataError, match=f"a list of rows was expected, got {got}\n"):
        read(tmp_path, text)


@pytest.mark.parametrize("cut", range(1, 23))
def test_a_list_that_breaks_off_gives_its_whole_rows_first(cut, tmp_path):
    text = '[{"n": 1}, {"n": 2}, 3]'[:cut]
    found = []
    with pytest.raises(BrokenStream, match="ends within"):
        found.extend(row.values for row in read_array(written(tmp_path, text)))
    ends = [match.end() for match in re.finditer(r"\}", text)]
    # A row counts once it shows that it is whole: by the comma that follows it.
    assert len(found) == sum(end < len(text) for end in ends)


def test_a_list_that_goes_on_after_its_end_is_said(tmp_path):
    with pytest.raises(BrokenStream, match="goes on after"):
        read(tmp_path, "[{}] [{}]")


def test_memory_is_bounded_by_a_row(tmp_path):
    row = json.dumps({"a": "x" * 1000})
    file = written(tmp_path, "[" + ",".join([row] * 10_000) + ',{"long": "' + "y" * 8_000_000 + '"}]')
    tracemalloc.start()
    try:
        faults = [row.fault for row in read_array(file, limit=100_000)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert faults == [None] * 10_000 + ["text too long"]
    assert peak < 4_000_000
