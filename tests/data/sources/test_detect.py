from __future__ import annotations

import bz2
import gzip
import json

import pytest
from source_files import FILES, write_file

from otmel.data.findings import Findings
from otmel.data.sources import SourceOptions, open_source
from otmel.errors import DataError


def rows_of(path, **options):
    return list(open_source(path, SourceOptions(**options), Findings()).rows())


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_told_from_name_and_rows(name, tmp_path):
    path = write_file(tmp_path, name, ["good", "other", "nameless"])
    assert rows_of(path) == rows_of(path, format=FILES[name][1])


@pytest.mark.parametrize("name", ["jsonl", "jsonl.gz", "parquet", "mimic", "wikidata", "wikidata.bz2"])
def test_the_format_is_told_from_rows_alone(name, tmp_path):
    path = write_file(tmp_path, name, ["good", "other"])
    bare = path.rename(tmp_path / "file")
    assert [row.entity for row in rows_of(bare)] == [row.entity for row in rows_of(bare, format=FILES[name][1])]
    assert all(row.entity for row in rows_of(bare))


def test_lines_of_wikidata_are_told_from_own_lines(tmp_path):
    item = {"id": "Q1", "labels": {"en": {"value": "a"}}}
    (tmp_path / "a.jsonl").write_text(json.dumps(item))
    (tmp_path / "b.jsonl").write_text(json.dumps({**item, "name": "b"}))
    assert [row.entity.name for name in "ab" for row in rows_of(tmp_path / f"{name}.jsonl") if row.entity] == ["a", "b"]


def test_broken_rows_at_the_beginning_hide_nothing(tmp_path):
    path = write_file(tmp_path, "wikidata", ["good"] * 3)
    path.write_text("[\n{broken,\n" + path.read_text().partition("\n")[2])
    assert [row.entity is not None for row in rows_of(path)] == [False, True, True, True]


@pytest.mark.parametrize("name", ["entities.jsonl", "entities.csv", "entities.parquet", "entities.csv.bz2"])
def test_a_folder_holds_entities_of_its_own(name, tmp_path):
    kind = name.partition(".")[2]
    write_file(tmp_path, kind, ["good"] * 2).rename(tmp_path / name)
    source = open_source(tmp_path, SourceOptions(), Findings())
    assert source.path == tmp_path / name
    assert [row.entity is not None for row in source.rows()] == [True, True]


def test_a_folder_of_mimic_is_its_file(tiny_dataset_folder):
    assert rows_of(tiny_dataset_folder) == rows_of(tiny_dataset_folder / "kb_entity.json")


def test_a_folder_with_several_or_none_says_what_it_holds(tmp_path):
    with pytest.raises(DataError, match=r"(?s)kb_entity\.json here; it is empty.*name the file itself"):
        rows_of(tmp_path)
    for name in "abcdef":
        (tmp_path / f"{name}.txt").touch()
    with pytest.raises(DataError, match=r"it holds a\.txt, b\.txt, c\.txt, d\.txt, e\.txt …"):
        rows_of(tmp_path)
    for name in ("entities.csv", "entities.jsonl.gz"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"entities\.csv and entities\.jsonl\.gz both stand here"):
        rows_of(tmp_path)


@pytest.mark.parametrize(
    "name, data, words",
    [
        ("absent", None, "no such file"),
        ("a.json", b"", "cannot be told: it is empty"),
        ("a.json", b"[]", "no object is among its first rows"),
        ("a.json", b"<html>", "it begins with b'<html>'"),
        ("a.xlsx", b"PK\3\4", r"it begins with b'PK"),
        ("a.json", b'[{"id": 1, "name": "a"}]', r"(?s)keys id, name\n.*one to a line"),
        ("a.json", b'[{"x": 1}]', "its first rows have the keys x"),
        ("a.json.gz", b"[]", "not compressed as its name says"),
        ("a.json.gz", gzip.compress(b"[{}]", mtime=0)[:-9], "ends too early"),
        ("a.bz2", bz2.compress(b"\xff")[:12], "ends too early"),
        ("a.parquet", b"PAR1", "no Parquet file"),
        ("a.csv", b"id,name,id\n", "'id' stands twice"),
        ("a.csv", b"id,\xff\n", "header cannot be read: bad UTF-8"),
        ("a.csv", b"id," + b"x" * 2_000_000 + b"\n1,a\n", "header cannot be read: text too long"),
    ],
)
def test_what_cannot_be_read_says_what_was_found(name, data, words, tmp_path):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        rows_of(tmp_path / name)
    assert caught.value.where == str(tmp_path / name)


def test_a_missing_folder_of_images_is_an_error(tmp_path):
    path = write_file(tmp_path, "csv", [])
    assert rows_of(path) == []
    with pytest.raises(DataError, match="no such folder of images"):
        rows_of(path, image_root=tmp_path / "absent")
