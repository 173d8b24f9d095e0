from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.fields import Fields, RowError
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.image_root import ImageRoot
from otmel.data.importers import open_graph, read_mentions
from otmel.data.records import NIL, Entity, Mention
from otmel.errors import DataError

ROWS = [
    {"id": "e1", "name": "Anna", "aliases": ["A.", "Annie"], "description": "painter", "attributes": "Country: Norway"},
    {"id": "e2", "name": "Bert", "aliases": [], "description": "", "attributes": ""},
]
ENTITIES = [
    Entity("e1", "Anna", ("A.", "Annie"), "painter", "Country: Norway"),
    Entity("e2", "Bert"),
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def write(path, rows):
    if path.suffix == ".jsonl":
        return write_jsonl(path, rows)
    import polars

    if path.suffix == ".parquet":
        polars.DataFrame(rows).write_parquet(path)
    else:
        flat = [{key: "|".join(v) if isinstance(v, list) else v for key, v in row.items()} for row in rows]
        polars.DataFrame(flat).write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_the_same_entities_come_from_every_format(suffix, tmp_path):
    graph = open_graph(write(tmp_path / f"entities{suffix}", ROWS))
    assert list(graph) == ENTITIES
    assert graph.findings.counts == {"image not stated": 2}
    assert list(open_graph(tmp_path)) == ENTITIES
    assert list(KnowledgeGraph.open(tmp_path)) == ENTITIES


def test_images_are_relative_to_the_file(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    rows = [
        {"id": 1, "name": "a", "image": "images/a.png"},
        {"id": 2, "name": "b", "images": ["images/a.png", "../a.png", "absent.png", "https://example.org/a.png"]},
    ]
    graph = open_graph(write_jsonl(tmp_path / "entities.jsonl", rows))
    assert graph.entity("1").images == graph.entity("2").images == (tmp_path / "images" / "a.png",)
    assert graph.findings.counts == {
        "image outside its folder": 1,
        "image missing": 1,
        "image is an address, not fetched": 1,
    }


def test_image_bytes_in_parquet_stay_bytes(tmp_path):
    path = write(tmp_path / "entities.parquet", [{"id": "1", "name": "a", "image": b"\x89PNG"}])
    assert open_graph(path)[0].images == (b"\x89PNG",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"Country": "Norway", "Children": 2, "Died": None}, "Country: Norway. Children: 2"),
        ({"Awards": ["a", "b", None]}, "Awards: a, b"),
        (["Country: Norway", "tall"], "Country: Norway. tall"),
        ("Country: Norway", "Country: Norway"),
        (None, ""),
        ({}, ""),
    ],
)
def test_attributes_become_one_text(value, text, findings):
    assert Fields({"attributes": value}, "row 1", findings).attributes("attributes") == text


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"name": "x"}', "id missing"),
        (b'{"id": "", "name": "x"}', "id missing"),
        (b'{"id": "x"}', "name missing"),
        (b'{"id": "x", "name": " "}', "name missing"),
        (b'{"id": "e1", "name": "again"}', "duplicate id"),
        (b'{"id": true, "name": "x"}', "id is no text"),
        (b'{"id": "x", "name": 5}', "name is no text"),
        (b'{"id": "x", "name": "x", "aliases": 5}', "aliases is no list of texts"),
        (b'{"id": "x", "name": "x", "aliases": [5]}', "aliases is no list of texts"),
        (b'{"id": "x", "name": "x", "attributes": {"a": {"b": 1}}}', "attributes are nested"),
        (b'{"id": "x", "name": "x", "image": 5}', "image is no file name"),
        (b'{"id": "x", "name": "\xff"}', "bad UTF-8"),
        (b'{"id": "x", "name": "a\\u0000"}', "NUL character"),
        (b'{"id": "x", "name": "a\\udfff"}', "lone surrogate"),
        (b'{"id": "x", "name": "' + b"long " * 2_000_000 + b'"}', "text too long"),
        (b"{]", "broken JSON"),
        (b'"text"', "no object"),
    ],
)
def test_a_bad_row_is_counted_with_its_line_and_skipped_or_strict_stops(row, reason, tmp_path):
    path = write_jsonl(tmp_path / "entities.jsonl", ROWS)
    path.write_bytes(path.read_bytes() + row + b'\r\n{"id": "e3", "name": "Cid"}\r\n')
    graph = open_graph(path)
    assert [entity.id for entity in graph] == ["e1", "e2", "e3"]
    kind = f"row skipped: {reason}"
    skipped = {kind: count for kind, count in graph.findings.counts.items() if kind.startswith("row skipped")}
    assert skipped == {kind: 1}
    assert "entities.jsonl: line 3" in graph.findings.examples[kind][0]
    with pytest.raises(DataError, match=reason) as caught:
        open_graph(path, strict=True)
    assert "entities.jsonl: line 3" in str(caught.value.where)


@given(st.lists(st.sampled_from(["good", "bad", "blank"]), max_size=30))
def test_the_counts_reconcile_exactly(lines):
    texts = {"bad": '{"mention": 1}', "blank": ""}
    stream = io.StringIO("\n".join(texts.get(kind, f'{{"mention": "m{n}"}}') for n, kind in enumerate(lines)))
    if "good" not in lines and "bad" in lines:
        with pytest.raises(DataError, match="no usable mention"):
            read_mentions(stream)
        return
    mentions, findings = read_mentions(stream)
    assert len(mentions) == lines.count("good")
    assert findings.counts["row skipped: mention is no text"] == lines.count("bad")


def test_a_duplicate_names_both_lines(tmp_path):
    path = write_jsonl(tmp_path / "entities.jsonl", [ROWS[0], ROWS[0]])
    graph = open_graph(path)
    assert graph.findings.examples["row skipped: duplicate id"] == [
        "entities.jsonl: line 2: 'e1' as in entities.jsonl: line 1"
    ]


def test_a_mistyped_column_is_said_once_with_the_nearest(tmp_path):
    rows = [{**row, "descripton": "x", "zzz": 1} for row in ROWS]
    findings = open_graph(write_jsonl(tmp_path / "entities.jsonl", rows)).findings
    assert findings.counts["column not used"] == 2
    assert any("did you mean 'description'?" in example for example in findings.examples["column not used"])


def test_a_file_where_nothing_is_left_says_why(tmp_path):
    path = write_jsonl(tmp_path / "entities.jsonl", [{"qid": "Q1", "label": "x"}] * 3)
    with pytest.raises(DataError, match=r"(?s)no usable entity.*3 × row skipped: id missing.*columns are: id, name"):
        open_graph(path)
    path.write_text("")
    with pytest.raises(DataError, match="no usable entity"):
        open_graph(path)


def test_a_graph_opens_from_mimics_folder_and_file(tiny_dataset_folder):
    for path in (tiny_dataset_folder, str(tiny_dataset_folder / "kb_entity.json")):
        assert len(open_graph(path)) == 12


def test_what_is_no_graph_is_an_error_that_names_it(tmp_path):
    for name, words in [("absent", "format is unknown"), ("absent.csv", "no such file"), ("", r"kb_entity\.json")]:
        with pytest.raises(DataError, match=words):
            open_graph(tmp_path / name)
    write_jsonl(tmp_path / "entities.jsonl", ROWS)
    write(tmp_path / "entities.csv", ROWS)
    with pytest.raises(DataError, match=r"entities\.jsonl and entities\.csv both stand here"):
        open_graph(tmp_path)


def test_mentions_with_their_keys_and_aliases(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    rows = [
        {"mention": "Anna", "sentence": "Anna paints.", "image": "a.png", "answer": "e1", "id": 7, "title": "Anna"},
        {"name": "Bert", "context": "Nobody.", "answer": "Nil", "candidates": ["e1", "e2"]},
        {"mention": "Cid", "id": 7},
    ]
    path = write_jsonl(tmp_path / "dev.jsonl", rows)
    mentions, findings = read_mentions(path)
    assert mentions == [
        Mention("Anna", "Anna paints.", tmp_path / "a.png", "7", "e1", "Anna"),
        Mention("Bert", "Nobody.", answer=NIL, candidates=("e1", "e2")),
        Mention("Cid", id="7"),
    ]
    assert findings.counts == {
        "mention not in its sentence": 1,
        "empty sentence": 1,
        "image not stated": 2,
        "duplicate mention id": 1,
    }


def test_a_stream_is_read_relative_to_a_root(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    line = b'{"mention": "A", "sentence": "A", "image": "a.png"}\n'
    for stream in (io.BytesIO(line), io.TextIOWrapper(io.BytesIO(line)), io.StringIO(line.decode())):
        mentions, findings = read_mentions(stream, root=tmp_path)
        assert mentions == [Mention("A", "A", tmp_path / "a.png")]
        assert not findings
    assert read_mentions(io.BytesIO(b"\n"))[0] == []
    with pytest.raises(DataError, match="mention missing"):
        read_mentions(io.BytesIO(b'{"mention": ""}\n'), strict=True)


def test_mimics_files_of_mentions_are_read_too(tiny_dataset_folder):
    mentions, findings = read_mentions(tiny_dataset_folder / "Tiny_test.json")
    assert [mention.answer for mention in mentions] == ["Q9", "Q12", "Q1", NIL]
    assert findings.counts == {"image not stated": 1}


def test_a_row_error_carries_its_detail():
    with pytest.raises(RowError) as caught:
        Fields({"image": [3]}, "row 1", Findings()).images(ImageRoot(Path()))
    assert caught.value.reason == "image is no file name"


@pytest.mark.data
def test_the_emoji_graph_opens_with_every_image(data_root):
    graph = open_graph(data_root / "emoji-kg" / "entities.jsonl")
    assert len(graph) == 1644
    assert all(len(entity.images) == 1 for entity in graph)
    assert not graph.findings
    assert graph.entity("U+1F600").aliases[:2] == ("face", "smile")
