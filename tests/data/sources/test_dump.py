from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.byte_files import BrokenStream, ByteFile
from otmel.data.sources import dump
from otmel.data.sources.dump import read_dump


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dumps")


def read(folder, text, start=0):
    path = folder / "dump.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(row.where, row.values, row.fault) for row in read_dump(ByteFile(path), start)]


LAYOUTS = {
    "lines": lambda rows: "[\n" + ",\n".join(rows) + "\n]\n",
    "crlf": lambda rows: "\ufeff[\r\n" + ",\r\n".join(rows) + "\r\n]",
    "blank lines": lambda rows: "\n[\n\n" + "\n,\n".join(rows) + "\n\n]\n",
    "no list": lambda rows: "\n".join(rows),
    "one line": lambda rows: f"[{', '.join(rows)}]",
    "indented": lambda rows: json.dumps([json.loads(row) for row in rows], indent=1),
}


@settings(deadline=None)
@given(layout=st.sampled_from(sorted(LAYOUTS)), count=st.integers(0, 6), start=st.integers(0, 7))
def test_the_same_rows_come_from_every_layout(layout, count, start, folder):
    values = [{"id": f"Q{number}", "labels": {"a": "[]\n"}} for number in range(count)]
    found = read(folder, LAYOUTS[layout]([json.dumps(value) for value in values]), start)
    assert [row[1:] for row in found] == [(value, None) for value in values][start:]


@pytest.mark.parametrize(
    "line, place, fault",
    [
        (b'{"id": "Q2"', ", column 12", "broken JSON"),
        (b'{"id": "\xff"},', ", column 9", "bad UTF-8"),
        (b'{"id": "Q2"}]', ", column 13", "broken JSON"),
        (b"[" * 50_000, "", "broken JSON"),
        (b"[3],", "", "no object"),
        (b"null", "", "no object"),
    ],
)
def test_a_bad_line_costs_itself_alone(line, place, fault, tmp_path):
    found = read(tmp_path, b'[\n{"id": "Q1"},\n' + line + b'\n{"id": "Q3"}\n]\n')
    assert found == [
        ("dump.json: line 2", {"id": "Q1"}, None),
        (f"dump.json: line 3{place}", {}, fault),
        ("dump.json: line 4", {"id": "Q3"}, None),
    ]


def test_a_line_with_its_end_may_be_as_long_as_stated(tmp_path, monkeypatch):
    monkeypatch.setattr(dump, "MAX_JSON_ROW", 100)
    rows = ['{"a": "' + "x" * (size - 9) + '"}' for size in (98, 99, 100, 2_000_000)]
    found = read(tmp_path, "[\n" + "\n".join(rows) + "\n]\n")
    assert [fault for _, _, fault in found] == [None, None, "text too long", "text too long"]


@pytest.mark.parametrize("text", ["[\n", '[\n{"id": "Q1"},\n', '[\n{"id": "Q1"}\n]\n[\n{"id": "Q2"}\n'])
def test_a_list_that_does_not_end_is_said_after_its_rows(text, tmp_path):
    with pytest.raises(BrokenStream, match="without the bracket"):
        read(tmp_path, text)
