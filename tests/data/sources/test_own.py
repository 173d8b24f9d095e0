from __future__ import annotations

import gzip
import json
from datetime import date

import pytest

from otmel.data.findings import Findings
from otmel.data.importers import open_graph
from otmel.data.records import Entity
from otmel.data.sources import EntityRow, SourceOptions, open_source


def rows_of(path, findings=None, **options):
    return list(open_source(path, SourceOptions(**options), Findings() if findings is None else findings).rows())


def write_jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_other_columns_are_kept_and_named_once(tmp_path, findings):
    row = {"id": 7, "name": "a", "aliases": "b|c", "year": 1900, "tags": [{"x": None}], "descripton": "d", "images": []}
    path = write_jsonl(tmp_path / "e.jsonl", row, row)
    first, second = rows_of(path, findings)
    assert first.entity == Entity("7", "a", ("b", "c"))
    assert first.extra == second.extra == {"year": 1900, "tags": [{"x": None}], "descripton": "d"}
    assert findings.counts == {"image not stated": 2, "column kept beside the entity": 3}
    assert any("did you mean 'description'?" in text for text in findings.examples["column kept beside the entity"])


def test_rows_are_numbered_without_header_and_blank_lines(tmp_path):
    (tmp_path / "e.csv").write_bytes(b'\xef\xbb\xbf\r\nid,name\r\n\r\n1,"a\r\nb"\r\n2\r\n3,c\r\n')
    rows = rows_of(tmp_path / "e.csv")
    assert [(row.number, row.where, row.reason) for row in rows] == [
        (1, "e.csv: line 4", None),
        (2, "e.csv: line 6", "wrong number of fields"),
        (3, "e.csv: line 7", None),
    ]
    assert rows[0].entity == Entity("1", "a\r\nb")


def test_a_rejected_row_says_why(tmp_path):
    path = write_jsonl(tmp_path / "e.jsonl", {"id": 1}, {"id": 1, "name": "a", "attributes": {"a": {"b": 1}}})
    assert rows_of(path) == [
        EntityRow(1, "e.jsonl: line 1", None, {}, "name missing"),
        EntityRow(2, "e.jsonl: line 2", None, {}, "attributes are nested"),
    ]
    assert not rows_of(path)[0].foreign


@pytest.mark.parametrize("depth, reason", [(98, None), (150, "nested too deeply"), (100_000, "broken JSON")])
def test_deep_rows(depth, reason, tmp_path):
    (tmp_path / "e.jsonl").write_text('{"id": 1, "name": "a", "deep": ' + "[" * depth + "]" * depth + "}\n")
    (row,) = rows_of(tmp_path / "e.jsonl")
    assert row.reason == reason


def test_images_are_relative_to_the_file_or_to_the_root(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(b"x")
    path = write_jsonl(tmp_path / "a" / "e.jsonl", {"id": 1, "name": "a", "image": "x.png"})
    for options, folder in [({}, "a"), ({"image_root": tmp_path / "b"}, "b")]:
        (row,) = rows_of(path, **options)
        assert row.entity is not None
        assert row.entity.images == (tmp_path / folder / "x.png",)


def test_tabs_in_a_table_that_is_compressed(tmp_path):
    (tmp_path / "e.tsv.gz").write_bytes(gzip.compress(b"id\tname\n1\ta,b\n"))
    (row,) = rows_of(tmp_path / "e.tsv.gz")
    assert row.entity == Entity("1", "a,b")


def test_parquet_keeps_images_maps_and_dates(tmp_path):
    import pyarrow as pa
    from pyarrow.parquet import write_table

    pairs = pa.array([[("Born", "1900"), ("Country", "Norway")], None], pa.map_(pa.string(), pa.string()))
    table = pa.table(
        {
            "id": [1, 2],
            "name": ["a", "b"],
            "attributes": pairs,
            "image": [b"\x89PNG", None],
            "day": [date(2020, 1, 2), None],
            "thumbnail": [b"\xff", None],
        }
    )
    write_table(table, tmp_path / "e.parquet")
    first, second = rows_of(tmp_path / "e.parquet")
    assert first.entity == Entity("1", "a", attributes="Born: 1900. Country: Norway", images=(b"\x89PNG",))
    assert first.extra == {"day": "2020-01-02", "thumbnail": "/w=="}
    assert second.entity == Entity("2", "b")
    assert second.extra == {"day": None, "thumbnail": None}


@pytest.mark.data
def test_the_emoji_graph_is_the_same_row_by_row(data_root):
    path, findings = data_root / "emoji-kg" / "entities.jsonl", Findings()
    rows = rows_of(path, findings)
    assert [row.entity for row in rows] == list(open_graph(path))
    assert [row.number for row in rows] == list(range(1, 1645))
    assert all(row.extra == {} for row in rows)
    assert not findings
