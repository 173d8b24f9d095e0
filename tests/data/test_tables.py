from __future__ import annotations

import bz2
import gzip
import io
import json
import tracemalloc
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.byte_files import ByteFile
from otmel.data.parquet_rows import read_parquet
from otmel.data.tables import MAX_ROW, read_lines, read_table
from otmel.errors import DataError

GOOD = b'{"id": "a"}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def faults(data, name="rows.jsonl"):
    return [(row.where, row.fault) for row in read_lines(io.BytesIO(data), name) if row.fault]


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans(), max_size=3)),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_every_object_comes_back_in_order_whatever_ends_the_lines(values, end):
    text = end.join(json.dumps(value) for value in values)
    for stream in (io.BytesIO(text.encode()), io.StringIO(text, newline="")):
        rows = list(read_lines(stream, "x"))
        assert [row.values for row in rows] == values
        assert not any(row.fault for row in rows)


@pytest.mark.parametrize(
    ("line", "place", "fault"),
    [
        (b'{"id": "\xff"}', "line 2, column 9", "bad UTF-8"),
        (b'{"id": }', "line 2, column 8", "broken JSON"),
        (b"[" * 100_000, "line 2", "broken JSON"),
        (b'{"\\u0061": ' + b"[" * 500 + b"]" * 500 + b"}", "line 2", "nested too deeply"),
        (b'{"a\\u0000": 1}', "line 2", "NUL character"),
        (b"[1]", "line 2", "no object"),
        (b'{"id": "a\\u0000b"}', "line 2", "NUL character"),
        (b'{"id": "a\\ud800"}', "line 2", "lone surrogate"),
        (b'{"aliases": [{"x": "a\\ud800"}]}', "line 2", "lone surrogate"),
        (b'{"id": "' + b"a" * 10_000_000 + b'"}', "line 2", "text too long"),
    ],
)
def test_a_bad_line_is_named_and_its_neighbours_are_read(line, place, fault):
    data = GOOD + line + b"\n" + GOOD
    assert faults(data) == [(f"rows.jsonl: {place}", fault)]
    assert [row.where for row in read_lines(io.BytesIO(data), "rows.jsonl") if not row.fault] == [
        "rows.jsonl: line 1",
        "rows.jsonl: line 3",
    ]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_line_may_be_as_long_as_stated(extra):
    line = b'{"a": ""}\n'
    line = line[:-3] + b"x" * (MAX_ROW - len(line) + extra) + line[-3:]
    assert len(line) == MAX_ROW + extra
    assert [fault for _, fault in faults(line + GOOD)] == (["text too long"] if extra > 0 else [])


def test_a_line_without_end_takes_little_memory():
    class Endless(io.RawIOBase):
        left = 200_000_000

        def readable(self):
            return True

        def readinto(self, buffer):
            size = min(len(buffer), self.left)
            buffer[:size] = b"a" * size
            self.left -= size
            return size

    tracemalloc.start()
    try:
        rows = list(read_lines(io.BufferedReader(Endless()), "endless"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [row.fault for row in rows] == ["text too long"]
    assert peak < 12 * MAX_ROW


def test_a_byte_order_mark_is_passed_over():
    assert [row.values for row in read_lines(io.BytesIO(b"\xef\xbb\xbf" + GOOD), "x")] == [{"id": "a"}]


def test_csv_rows_with_their_lines_and_faults(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid, name\r\n"
        b'1,"two\r\nlines"\r\n'
        b"2,bad \xff\r\n"
        b"\r\n"
        b"3,too,many\r\n"
        b"4\r\n"
        b"5,nul \0\r\n"
        b"6," + b"a" * 200_000 + b"\r\n"
        b"7,last\r\n"
    )
    rows = list(read_table(path))
    assert [(row.where, row.fault) for row in rows if row.fault] == [
        ("rows.csv: line 4", "bad UTF-8"),
        ("rows.csv: line 6", "wrong number of fields"),
        ("rows.csv: line 7", "wrong number of fields"),
        ("rows.csv: line 8", "NUL character"),
        ("rows.csv: line 9", "text too long"),
    ]
    good = [row for row in rows if not row.fault]
    assert [row.values for row in good] == [{"id": "1", "name": "two\r\nlines"}, {"id": "7", "name": "last"}]
    assert [row.where for row in good] == ["rows.csv: line 2", "rows.csv: line 10"]


def test_tabs_separate_tsv(tmp_path):
    path = tmp_path / "rows.TSV"
    path.write_text("id\tname\n1\ta,b\n")
    assert [row.values for row in read_table(path)] == [{"id": "1", "name": "a,b"}]


def test_compressed_tables_are_unpacked_on_the_way(tmp_path):
    for name, pack in [("rows.csv.gz", gzip.compress), ("rows.CSV.BZ2", bz2.compress)]:
        (tmp_path / name).write_bytes(pack(b"id,name\n1,a\n"))
        assert [(row.where, row.values) for row in read_table(tmp_path / name)] == [
            (f"{name}: line 2", {"id": "1", "name": "a"})
        ]


def test_a_compressed_table_that_breaks_off_gives_its_rows_first(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    text = b"".join(b'{"n": %d}\n' % number for number in range(100_000))
    path.write_bytes(gzip.compress(text)[:-5])
    rows = []
    with pytest.raises(DataError, match="ends too early, after row 100,000"):
        rows.extend(row.values["n"] for row in read_table(path))
    assert rows == list(range(100_000))


def test_any_end_of_line_is_one_for_csv(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"id,name\r1,a\r\n2,b\n3,c\r")
    assert [row.values["id"] for row in read_table(tmp_path / "rows.csv")] == ["1", "2", "3"]


@pytest.mark.parametrize("middle", [b"x" * 60_000_000, b'"' + b"x,\n" * 20_000_000])
def test_a_line_or_a_quotation_without_end_takes_little_memory(middle, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,name\n1,a\n2," + middle)
    tracemalloc.start()
    try:
        first, second = islice(read_table(path), 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (first.fault, second.fault) == (None, "text too long")
    assert peak < 12 * MAX_ROW


@pytest.mark.parametrize("header, words", [(b"id,id", "'id' stands twice"), (b"id,a\0", "header cannot be read: NUL")])
def test_a_header_that_cannot_be_used_is_an_error(header, words, tmp_path):
    (tmp_path / "rows.csv").write_bytes(header + b"\n1,2\n")
    with pytest.raises(DataError, match=words):
        list(read_table(tmp_path / "rows.csv"))


@settings(deadline=None)
@given(start=st.integers(0, 25), size=st.integers(1, 12))
def test_parquet_rows_after_any_start_whatever_its_row_groups(start, size, folder):
    from pyarrow import table
    from pyarrow.parquet import write_table

    write_table(table({"n": list(range(23))}), folder / "rows.parquet", row_group_size=size)
    file = ByteFile(folder / "rows.parquet")
    rows = [(row.where, row.values["n"]) for row in read_parquet(file, start)]
    assert rows == [(f"rows.parquet: row {number + 1}", number) for number in range(start, 23)]
    assert file.position == file.total_bytes


def test_values_that_python_does_not_have_cost_their_row(tmp_path):
    import pyarrow as pa
    from pyarrow.parquet import write_table

    texts = pa.Array.from_buffers(pa.string(), 3, [None, *pa.array([b"a", b"\xff", b"c"]).buffers()[1:]])
    days = pa.array([0, 0, 2**60], pa.int64()).cast(pa.timestamp("ms"))
    write_table(pa.table({"id": texts, "day": days}), tmp_path / "rows.parquet")
    assert [row.fault for row in read_table(tmp_path / "rows.parquet")] == [
        None,
        "bad UTF-8",
        "a value cannot be represented",
    ]


def test_a_parquet_file_damaged_within_is_one_error(tmp_path):
    from pyarrow import table
    from pyarrow.parquet import write_table

    path = tmp_path / "rows.parquet"
    columns = table({"n": [f"{number:06}" for number in range(20_000)]})
    write_table(columns, path, row_group_size=10_000, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    rows = []
    with pytest.raises(DataError, match=r"is damaged .*, after row") as caught:
        rows.extend(row.values["n"] for row in read_table(path))
    assert rows == [f"{number:06}" for number in range(len(rows))]
    assert f"after row {len(rows):,}" in caught.value.problem


def test_parquet_rows(tmp_path):
    import polars

    path = tmp_path / "rows.parquet"
    values = {"id": ["1", "2"], "aliases": [["a", "b"], []], "attributes": [{"k": "v"}, {"k": None}], "n": ["x", "\0"]}
    polars.DataFrame(values).write_parquet(path)
    first, second = read_table(path)
    assert first.values == {"id": "1", "aliases": ["a", "b"], "attributes": {"k": "v"}, "n": "x"}
    assert (second.where, second.fault) == ("rows.parquet: row 2", "NUL character")


def test_what_is_no_table_is_an_error_that_names_it(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "folder.jsonl").mkdir()
    for name, words in [
        ("broken.parquet", "no Parquet file"),
        ("rows.parquet.gz", r"(?s)format is unknown.*\.jsonl\.gz"),
        ("rows.xlsx", r"(?s)format is unknown.*\.jsonl"),
        ("absent.jsonl", "no such file"),
        ("folder.jsonl", "no such file"),
    ]:
        with pytest.raises(DataError, match=words) as caught:
            list(read_table(tmp_path / name))
        assert caught.value.where == str(tmp_path / name)
