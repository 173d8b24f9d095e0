from __future__ import annotations

import json

import pytest

from otmel.data.findings import Findings
from otmel.data.mimic import read_mimic_graph
from otmel.data.sources import SourceOptions, open_source


def rows_of(path, findings=None, **options):
    return list(open_source(path, SourceOptions(**options), Findings() if findings is None else findings).rows())


def test_the_entities_are_those_of_the_reader_of_whole_files(tiny_dataset_folder, findings):
    graph = read_mimic_graph(tiny_dataset_folder)
    rows = rows_of(tiny_dataset_folder, findings)
    assert [row.entity for row in rows] == list(graph)
    assert findings.counts == graph.findings.counts
    assert [(row.number, row.where) for row in rows][:2] == [(1, "kb_entity.json: row 0"), (2, "kb_entity.json: row 1")]
    assert rows[0].extra == {"type": "entity"}


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"qid": ""}, "the entity has no 'qid'"),
        ({"qid": None}, "the entity has no 'qid'"),
        ({"entity_name": 5}, "'entity_name' must be text, got a number (5)"),
        ({"image_list": [[]]}, "'image_list' must be a list of texts"),
        ({"other": "a\0"}, "NUL character"),
        ({"other": {"a\ud800": 1}}, "lone surrogate"),
    ],
)
def test_a_bad_row_says_why_and_its_neighbours_are_kept(change, reason, tiny_folder, edit):
    edit(tiny_folder / "kb_entity.json", lambda rows: rows[3].update(change))
    rows = rows_of(tiny_folder)
    assert [row.number for row in rows if row.entity is None] == [4]
    assert (rows[3].reason or "").startswith(reason)


def test_other_keys_are_kept_unless_an_entity_has_a_column_of_that_name(tiny_folder, edit, findings):
    edit(tiny_folder / "kb_entity.json", lambda rows: rows[0].update(name="x", year=1900))
    first, *_ = rows_of(tiny_folder, findings)
    assert first.extra == {"type": "entity", "year": 1900}
    assert findings.counts["key that MIMIC's format does not have"] == 1


@pytest.mark.parametrize("inner", [".", "kb_image"])
def test_images_within_another_root(inner, tiny_dataset_folder, tmp_path):
    (tmp_path / "kb_entity.json").write_text(json.dumps([{"qid": "Q1", "entity_name": "a", "image_list": ["Q1.jpg"]}]))
    (row,) = rows_of(tmp_path, image_root=tiny_dataset_folder / inner)
    assert row.entity is not None
    assert row.entity.images == (tiny_dataset_folder / "kb_image" / "Q1.jpg",)


@pytest.mark.data
def test_congress_is_the_same_row_by_row(data_root, findings):
    folder = data_root / "congress-mel"
    graph = read_mimic_graph(folder)
    rows = rows_of(folder, findings)
    assert [row.entity for row in rows] == list(graph)
    assert findings.counts == graph.findings.counts
