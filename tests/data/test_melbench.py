from __future__ import annotations

import json
import struct
import zipfile

import pytest

from otmel.data.melbench import MAX_MEMBER, PUBLISHED, is_melbench, read_melbench
from otmel.data.records import NIL, Mention
from otmel.errors import DataError

RECORDS = {
    "Q23": {
        "id": "Q23",
        "sentence": "Washington resigned.",
        "mentions": "Washington",
        "entities": "George",
        "answer": "Q23",
    },
    "46351": {
        "id": "46351",
        "sentence": "Powers with Noel Harrison",
        "mentions": ["Noel Harrison", "Powers"],
        "entities": ["Noel Harrison", ""],
        "answer": ["Q532915", "nil"],
    },
}
MENTIONS = [
    Mention("Washington", "Washington resigned.", id="Q23", answer="Q23", title="George"),
    Mention("Noel Harrison", "Powers with Noel Harrison", id="46351-0", answer="Q532915", title="Noel Harrison"),
    Mention("Powers", "Powers with Noel Harrison", id="46351-1", answer=NIL),
]


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in members.items():
            file.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return path


def test_one_and_several_mentions_in_a_record(tmp_path, findings):
    path = archive(
        tmp_path / "Own-MEL.zip", {"Own-MEL.json": RECORDS, "__MACOSX/._Own-MEL.json": b"\0", "README": b"x"}
    )
    assert read_melbench(path, findings) == MENTIONS
    assert findings.counts == {"image not stated": 3}


def test_an_unpacked_file_and_a_folder_read_the_same(tmp_path, findings):
    (tmp_path / "Wikidata-MEL.json").write_text(json.dumps(RECORDS))
    archive(tmp_path / "Richpedia-MEL.zip", {"Richpedia-MEL.json": {"Q23": RECORDS["Q23"]}})
    assert is_melbench(tmp_path)
    assert read_melbench(tmp_path, findings) == [*MENTIONS, MENTIONS[0]]
    assert read_melbench(tmp_path / "Wikidata-MEL.json") == MENTIONS
    assert findings.counts["differs from MELBench"] == 2
    assert "3 mentions, published: 25,846" in findings.examples["differs from MELBench"][0]


def test_hostile_member_names_write_nothing(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = archive(tmp_path / "a" / "b" / "slip.zip", {"../../evil.json": RECORDS, "/evil2.json": {}})
    before = sorted(tmp_path.rglob("*"))
    assert read_melbench(path) == MENTIONS
    assert sorted(tmp_path.rglob("*")) == before


def test_a_member_too_large_is_refused_before_it_is_unpacked(tmp_path):
    path = archive(tmp_path / "bomb.zip", {"bomb.json": RECORDS})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", MAX_MEMBER + 1)
    path.write_bytes(data)
    with pytest.raises(DataError, match="unpacks to 512,000,001 bytes"):
        read_melbench(path)


def test_broken_archives_are_named(tmp_path):
    whole = archive(tmp_path / "x.zip", {"x.json": RECORDS}).read_bytes()
    flipped = bytearray(whole)
    flipped[45] ^= 0xFF
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.rindex(b"PK\x01\x02") + 8] |= 1
    for data in (b"", b"PK no", whole[:-30], bytes(flipped), bytes(encrypted)):
        (tmp_path / "x.zip").write_bytes(data)
        with pytest.raises(DataError, match="archive cannot be read") as caught:
            read_melbench(tmp_path / "x.zip")
        assert caught.value.where == str(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1], "an object of records was expected, got a list"),
        ({"a": 3}, "a record must be an object"),
        ({"a": {**RECORDS["Q23"], "answer": ["Q1", "Q2"]}}, "differ in length"),
        ({"a": {**RECORDS["Q23"], "mentions": 3}}, "'mentions' must be text"),
        ({"a": {**RECORDS["Q23"], "sentence": []}}, "'sentence' must be text"),
        (b'{"a": ', r"x\.json: line 1, column 7"),
    ],
)
def test_records_of_the_wrong_type_are_named(value, words, tmp_path):
    with pytest.raises(DataError, match=words):
        read_melbench(archive(tmp_path / "x.zip", {"x.json": value}))


def test_what_is_no_archive_is_named(tmp_path):
    assert not is_melbench(tmp_path)
    with pytest.raises(DataError, match=r"(?s)no archive of MELBench.*Wikidata-MEL\.zip"):
        read_melbench(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_melbench(tmp_path / "absent.zip")
    with pytest.raises(DataError, match="holds no JSON"):
        read_melbench(archive(tmp_path / "x.zip", {"readme.txt": b"x"}))


@pytest.mark.data
@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_published_archives_are_read_in_full(name, data_root, findings):
    mentions = read_melbench(data_root / "melbench" / f"{name}.zip", findings)
    assert len(mentions) == {"Wikidata-MEL": 25_846, "Richpedia-MEL": 17_805}[name]
    assert all(mention.answer and mention.answer.startswith("Q") for mention in mentions)
    assert len({mention.id for mention in mentions}) == len(mentions)
    assert set(findings.counts) == {"image not stated", "mention not in its sentence"}
