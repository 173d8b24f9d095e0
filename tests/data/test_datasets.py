from __future__ import annotations

import json
import shutil

import pytest

from otmel.data.datasets import RICHPEDIAMEL, WIKIDIVERSE, WIKIMEL, Benchmark, load_dataset, recognise
from otmel.data.mimic import read_mimic
from otmel.data.records import NIL
from otmel.errors import DataError
from otmel.settings import validated


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    jsonl(folder / "entities.jsonl", [{"id": "e1", "name": "Anna"}, {"id": "e2", "name": "Bert"}])
    jsonl(folder / "train.jsonl", [{"mention": "Anna", "sentence": "Anna.", "answer": "e1"}])
    jsonl(folder / "valid.jsonl", [{"mention": "Bert", "sentence": "Bert.", "answer": "e9"}, {"mention": "Bert"}])
    (folder / "test.csv").write_text("mention,sentence,answer\nBert,Bert.,nil\n")
    return folder


def test_mimics_folder_is_recognised(tiny_dataset_folder):
    dataset = load_dataset(tiny_dataset_folder)
    assert dataset.name == "Tiny"
    assert dataset.findings.counts == read_mimic(tiny_dataset_folder).findings.counts


def test_own_data_is_loaded_with_its_findings(own):
    dataset = load_dataset(str(own))
    assert (dataset.name, dataset.root) == ("own", own)
    assert {split: len(mentions) for split, mentions in dataset.splits.items()} == {"train": 1, "dev": 2, "test": 1}
    assert dataset.split("test")[0].answer == NIL
    counts = dataset.findings.counts
    assert counts["answer not in the graph"] == counts["answer not stated"] == counts["empty sentence"] == 1
    assert counts["image not stated"] == 6


def test_strict_own_data_stops_at_the_first_bad_row(own):
    jsonl(own / "train.jsonl", [{"mention": "Anna"}, {"sentence": "no mention"}])
    assert load_dataset(own).findings.counts["row skipped: name missing"] == 1
    with pytest.raises(DataError, match="name missing") as caught:
        load_dataset(own, strict=True)
    assert "train.jsonl: line 2" in str(caught.value.where)


def test_an_empty_split_and_no_split_are_findings(own):
    (own / "train.jsonl").write_text("")
    dataset = load_dataset(own)
    assert dataset.findings.counts["empty split"] == 1
    with pytest.raises(DataError, match="holds no mention"):
        dataset.split("train")
    for name in ("train.jsonl", "valid.jsonl", "test.csv"):
        (own / name).unlink()
    dataset = load_dataset(own)
    assert dataset.splits == {}
    assert dataset.findings.counts["no split found"] == 1


def test_what_is_no_data_set_says_what_was_looked_for(tmp_path, tiny_folder):
    with pytest.raises(DataError, match=r"(?s)no such folder.*kb_entity\.json.*\.parquet.*MELBench"):
        load_dataset(tmp_path / "absent")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"(?s)holds: notes\.txt.*kb_entity\.json"):
        load_dataset(tmp_path / "other")
    with pytest.raises(DataError, match="a folder was expected"):
        load_dataset(tiny_folder / "kb_entity.json")
    (tiny_folder / "kb_entity.json").unlink()
    with pytest.raises(DataError, match=r"kb_entity\.json is missing"):
        load_dataset(tiny_folder)


TINY = Benchmark(
    name="Tiny",
    prefix="Tiny",
    train=6,
    dev=4,
    test=4,
    mention_images=10,
    same_name=4,
    entities=12,
    entities_with_images=10,
)


def test_counts_that_agree_make_no_difference_and_others_are_named(tiny_dataset_folder):
    dataset = load_dataset(tiny_dataset_folder)
    assert TINY.differences(dataset) == []
    assert TINY.model_copy(update={"entities": 13, "other_entities": (12, 14)}).differences(dataset) == []
    assert TINY.model_copy(update={"entities": 13, "dev": 5}).differences(dataset) == [
        "entities: 12 here, 13 there",
        "dev mentions: 4 here, 5 there",
    ]


@pytest.mark.parametrize("benchmark", [WIKIMEL, RICHPEDIAMEL, WIKIDIVERSE], ids=lambda value: value.name)
def test_a_benchmark_is_recognised_by_its_files_and_its_counts_checked(benchmark, tiny_folder):
    assert recognise(tiny_folder) is None
    for split in ("train", "dev", "test"):
        (tiny_folder / f"Tiny_{split}.json").rename(tiny_folder / f"{benchmark.prefix}_{split}.json")
    assert recognise(tiny_folder) is benchmark
    findings = load_dataset(tiny_folder).findings
    assert findings.counts["differs from Table 5"] == 6
    expected = f"{benchmark.name}: entities: 12 here, {benchmark.entities:,} there"
    assert findings.examples["differs from Table 5"][0] == expected


def test_table_5():
    assert WIKIMEL.train + WIKIMEL.dev + WIKIMEL.test == 25_846  # every mention of MELBench's Wikidata-MEL
    assert RICHPEDIAMEL.train + RICHPEDIAMEL.dev + RICHPEDIAMEL.test == 17_805  # every one of Richpedia-MEL
    assert [b.entities for b in (WIKIMEL, RICHPEDIAMEL, WIKIDIVERSE)] == [109_976, 160_933, 132_460]
    assert validated(Benchmark, json.loads(WIKIMEL.model_dump_json())) == WIKIMEL


def test_a_missing_folder_is_no_benchmark(tmp_path):
    assert recognise(tmp_path / "absent") is None


@pytest.mark.data
def test_melbench_needs_a_graph_and_takes_one(data_root):
    path = data_root / "melbench" / "Richpedia-MEL.zip"
    for place in (path, path.parent):
        with pytest.raises(DataError, match=r"(?s)no entities.*read_melbench"):
            load_dataset(place)
    dataset = load_dataset(path, graph=data_root / "congress-mel")
    assert (dataset.name, len(dataset.splits["all"]), len(dataset.graph)) == ("Richpedia-MEL", 17_805, 6382)
    assert 0 < dataset.findings.counts["answer not in the graph"] < 17_805


@pytest.mark.data
def test_the_emoji_folder_loads_as_a_graph_without_splits(data_root):
    dataset = load_dataset(data_root / "emoji-kg")
    assert (len(dataset.graph), dict(dataset.splits)) == (1644, {})


@pytest.mark.data
def test_faults_planted_in_a_copy_of_congress_are_found(data_root, tmp_path, edit):
    folder = tmp_path / "congress"
    folder.mkdir()
    source = data_root / "congress-mel"
    for path in source.glob("*.json"):
        shutil.copyfile(path, folder / path.name)
    for name in ("kb_image", "mention_image"):
        (folder / name).symlink_to((source / name).resolve())
    clean = load_dataset(folder).findings.counts
    assert clean == {"image not stated": 624, "mention not in its sentence": 3}

    def plant(rows):
        rows[1].update(answer="Q0")
        rows[3].update(mentions="Somebody Else")
        rows[4].update(sentence="")
        rows[5].update(imgPath="../../etc/passwd")
        rows[6].update(imgPath="absent.jpg")
        rows[7].update(answer="nil")

    before = sum(not row["imgPath"] for row in json.loads((folder / "Congress_dev.json").read_text())[5:7])
    edit(folder / "Congress_dev.json", plant)
    edit(folder / "kb_entity.json", lambda rows: rows[-1].update(id=9999))
    counts = load_dataset(folder).findings.counts
    assert counts - clean == {
        "answer not in the graph": 1,
        "mention not in its sentence": 1,
        "empty sentence": 1,
        "image outside its folder": 1,
        "image missing": 1,
        "gap in dense ids": 1,
        "qid2id.json disagrees with kb_entity.json": 1,
    }
    assert counts["image not stated"] == 624 - before
