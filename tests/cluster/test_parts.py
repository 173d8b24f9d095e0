"""Parts are fixed ranges of rows: together they are the file, and each is read as the whole file reads it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import lancedb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.cluster.parts import digest_of, files_of, parts_of, path_of
from otmel.data.tables import read_table
from otmel.errors import DataError

LINES = st.sampled_from(['{"mention": "Anna"}', "", "  ", "{broken", '{"mention": "Émile"}', "\ufeff{}", "[1]"])


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINES, max_size=25), step=st.integers(1, 7), end=st.sampled_from(["", "\n", "\n\n"]))
def test_parts_of_lines_are_the_file(lines: list[str], step: int, end: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mentions.jsonl"
        path.write_text("\n".join(lines) + end, encoding="utf-8")
        check(path, step)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.jsonl.gz", "rows.lance"])
def test_parts_of_other_tables_are_the_table(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"mention": [f"name {row}" for row in range(23)], "id": list(map(str, range(23)))})
    path = tmp_path / name
    if name.endswith(".csv"):
        frame.write_csv(path)
    elif name.endswith(".parquet"):
        frame.write_parquet(path, row_group_size=5)
    elif name.endswith(".lance"):
        lancedb.connect(str(tmp_path)).create_table("rows", frame.to_arrow())
    else:
        import gzip

        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in frame.to_dicts()).encode()))
    assert len(check(path, 4)) == 6


def check(path: Path, step: int) -> list[object]:
    whole, parts = list(read_table(path)), parts_of("it", path, step)
    assert [row for part in parts for row in part.rows(path)] == whole
    assert all(len(part) == step for part in parts[:-1])
    assert all(0 < len(part) <= step and part.digest == digest_of(path) for part in parts)
    return list(parts)


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mentions.jsonl"
    path.write_text('{"mention": "a"}\n' * 9, encoding="utf-8")
    *_, last = parts_of("it", path, 4)
    path.write_text('{"mention": "a"}\n' * 3, encoding="utf-8")
    with pytest.raises(DataError, match="rows 9 to 9 were to be read"):
        list(last.rows(path))


def test_the_tables_of_a_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/c.csv", ".hidden.jsonl", "notes.txt", "part.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    lancedb.connect(str(tmp_path)).create_table("t", [{"mention": "a"}])
    assert list(files_of(tmp_path)) == ["a/c.csv", "b.jsonl", "part.jsonl.gz", "t.lance"]
    assert list(files_of(tmp_path / "b.jsonl")) == ["b.jsonl"]
    for place in (tmp_path, tmp_path / "b.jsonl", tmp_path / "t.lance"):
        assert {name: path_of(place, name) for name in files_of(place)} == files_of(place)
    with pytest.raises(DataError, match="no such file"):
        files_of(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no mentions in the folder"):
        files_of(tmp_path / "empty")
