from __future__ import annotations

import pytest

from otmel.data.findings import Findings
from otmel.data.mimic import read_mimic, read_mimic_mentions
from otmel.data.mimic_layout import split_files
from otmel.data.records import NIL
from otmel.errors import DataError


def entity(number, qid, **values):
    return {"id": number, "qid": qid, "type": "entity", "entity_name": qid, "attr": "", "image_list": [], **values}


def test_the_tiny_set_is_read_in_full(tiny_dataset_folder):
    dataset = read_mimic(tiny_dataset_folder)
    assert dataset.name == "Tiny"
    assert dataset.root == tiny_dataset_folder
    assert len(dataset.graph) == 12
    assert {split: len(mentions) for split, mentions in dataset.splits.items()} == {"train": 6, "dev": 4, "test": 4}
    assert list(dataset.splits) == ["train", "dev", "test"]
    mention = dataset.split("train")[4]
    assert (mention.id, mention.name, mention.answer, mention.title) == ("train-4", "Hahn", "Q6", "Gerd Hahn")
    assert mention.context == "Hahn scored in the last minute."
    assert mention.image == tiny_dataset_folder / "mention_image" / "train-4.jpg"
    entity = dataset.graph.entity("Q5")
    assert (entity.name, entity.description) == ("Émile Fournier", "composer")
    assert entity.attributes == "Occupation: composer. Country: France"
    assert entity.images == (tiny_dataset_folder / "kb_image" / "Q5.jpg",)
    assert dataset.findings.counts == {"image not stated": 4, "image missing": 2}
    assert dataset.graph.findings.counts == {"image not stated": 1, "image missing": 1}


@pytest.mark.parametrize("nil", ["nil", "NIL", "Nil"])
def test_nil_in_any_case_is_nil_and_no_error(nil, tiny_folder, edit):
    edit(tiny_folder / "Tiny_test.json", lambda rows: rows[0].update(answer=nil))
    dataset = read_mimic(tiny_folder)
    assert dataset.split("test")[0].answer == NIL
    assert "answer not in the graph" not in dataset.findings.counts


@pytest.mark.parametrize("name", ["valid", "val", "VALID"])
def test_dev_may_be_called_valid_and_files_may_lack_a_prefix(name, tiny_folder):
    (tiny_folder / "Tiny_dev.json").rename(tiny_folder / f"{name}.json")
    for split in ("train", "test"):
        (tiny_folder / f"Tiny_{split}.json").rename(tiny_folder / f"{split}.json")
    dataset = read_mimic(tiny_folder)
    assert len(dataset.split("dev")) == 4
    assert dataset.name == "tiny"


def test_a_split_of_unseen_entities_is_found_and_other_files_are_not(tiny_folder):
    (tiny_folder / "Tiny_dev.json").rename(tiny_folder / "Tiny_unseen.json")
    (tiny_folder / "world.json").write_text("{}")
    (tiny_folder / "Tiny_train_old.json").write_text("broken")
    assert list(split_files(tiny_folder)) == ["train", "test", "unseen"]


def test_two_files_for_one_split_are_refused(tiny_folder):
    (tiny_folder / "Other_train.json").write_text("[]")
    with pytest.raises(DataError, match=r"Other_train\.json and Tiny_train\.json"):
        read_mimic(tiny_folder)


def test_files_of_two_data_sets_are_reported(tiny_folder):
    (tiny_folder / "Tiny_dev.json").rename(tiny_folder / "Other_dev.json")
    assert read_mimic(tiny_folder).findings.counts["split files of several data sets"] == 1


def test_names_are_unquoted_sentences_are_not(tiny_folder, edit):
    quoted = {"mentions": "O%27Neil", "entities": "Mona%20O%27Neil", "sentence": "O'Neil flew 100%25."}
    edit(tiny_folder / "Tiny_test.json", lambda rows: rows[0].update(quoted))
    edit(tiny_folder / "kb_entity.json", lambda rows: rows[8].update(entity_name="Mona%20O%27Neil"))
    dataset = read_mimic(tiny_folder)
    mention = dataset.split("test")[0]
    assert (mention.name, mention.title, mention.context) == ("O'Neil", "Mona O'Neil", "O'Neil flew 100%25.")
    assert dataset.graph.entity("Q9").name == "Mona O'Neil"
    assert "mention not in its sentence" not in dataset.findings.counts


@pytest.mark.parametrize(
    ("stated", "file", "kind"),
    [
        ("photo.old.png", "photo.jpg", None),
        ("a/b/photo.png", "photo.jpg", None),
        ("https://example.org/x/photo.1.png", "photo.jpg", None),
        ("photo", "photo.jpg", None),
        ("photo.old.png", "photo.old.png", "image found by its whole name"),
        ("photo.png", "photo.png", "image found by its whole name"),
        ("photo.png", None, "image missing"),
        ("../kb_image/Q1.jpg", None, "image outside its folder"),
        ("/etc/photo.jpg", None, "image outside its folder"),
        ("", None, "image not stated"),
        (None, None, "image not stated"),
    ],
)
def test_the_image_file_is_named_up_to_the_first_dot(stated, file, kind, tiny_folder, edit):
    before = read_mimic(tiny_folder).findings.counts
    edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[0].update(imgPath=stated))
    if file:
        (tiny_folder / "mention_image" / file).write_bytes(b"x")
    dataset = read_mimic(tiny_folder)
    expected = tiny_folder / "mention_image" / file if file else None
    assert dataset.split("dev")[0].image == expected
    assert dataset.findings.counts - before == ({kind: 1} if kind else {})


def test_an_image_folder_under_another_name_is_used_and_said(tiny_folder):
    (tiny_folder / "mention_image").rename(tiny_folder / "mention_images")
    dataset = read_mimic(tiny_folder)
    assert dataset.split("train")[0].image == tiny_folder / "mention_images" / "train-0.jpg"
    assert dataset.findings.counts["image folder under another name"] == 1


def test_a_missing_image_folder_is_said_and_every_image_counted(tiny_folder):
    (tiny_folder / "kb_image").rename(tiny_folder / "elsewhere")
    dataset = read_mimic(tiny_folder)
    assert dataset.graph.findings.counts == {"image folder missing": 1, "image missing": 11, "image not stated": 1}
    assert all(not entity.images for entity in dataset.graph)


@pytest.mark.parametrize(
    ("objects", "expected"), [([[0, 0, 4, 4], [5, 5, 9, 9]], 2), ([], 0), (3, 3), (None, None), ("absent", None)]
)
def test_objects_are_a_list_of_boxes_or_a_number(objects, expected, tiny_folder, edit):
    if objects != "absent":
        edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[0].update(objects=objects))
    assert read_mimic(tiny_folder).split("dev")[0].objects == expected


def test_optional_keys(tiny_folder, edit):
    edit(tiny_folder / "kb_entity.json", lambda rows: rows[0].update(aliases=["A. Bell"], attr=["a: 1", "b: 2"]))
    edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[0].update(cands=["Q3", "Q4", "Q999", "nil"], id=17))
    edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[1].update(id=None))
    dataset = read_mimic(tiny_folder)
    assert dataset.graph[0].aliases == ("A. Bell",)
    assert dataset.graph[0].attributes == "a: 1. b: 2"
    first, second, *_ = dataset.split("dev")
    assert (first.id, first.candidates) == ("17", ("Q3", "Q4", "Q999", "nil"))
    assert second.id is None
    assert dataset.findings.counts["candidate not in the graph"] == 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"answer": "Q404"}, "answer not in the graph"),
        ({"answer": ""}, "answer not stated"),
        ({"answer": None}, "answer not stated"),
        ({"mentions": "Nobody"}, "mention not in its sentence"),
        ({"mentions": ""}, "empty mention"),
        ({"sentence": ""}, "empty sentence"),
        ({"id": "dev-1"}, "duplicate mention id"),
        ({"sentence": "Dunn \0 there"}, "text repaired (NUL, lone surrogate or broken URL quoting)"),
    ],
)
def test_what_is_odd_about_a_mention_is_counted_and_the_mention_kept(change, kind, tiny_folder, edit):
    before = read_mimic(tiny_folder).findings.counts
    edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[0].update(change))
    dataset = read_mimic(tiny_folder)
    assert len(dataset.split("dev")) == 4
    assert dataset.findings.counts - before == {kind: 1}
    row = 1 if kind == "duplicate mention id" else 0
    assert f"Tiny_dev.json: row {row}" in dataset.findings.examples[kind][0]


def test_an_answer_outside_the_graph_is_kept(tiny_folder, edit):
    edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[0].update(answer="Q404"))
    assert read_mimic(tiny_folder).split("dev")[0].answer == "Q404"


def test_ten_thousand_words_are_read(tiny_folder, edit):
    long = "Dunn " * 10_000
    edit(tiny_folder / "Tiny_dev.json", lambda rows: rows[0].update(sentence=long))
    assert read_mimic(tiny_folder).split("dev")[0].context == long


@pytest.mark.parametrize(
    ("file", "row", "change", "words"),
    [
        ("kb_entity.json", 3, {"qid": ""}, "no 'qid'"),
        ("kb_entity.json", 3, {"qid": ["Q1"]}, "'qid' must be text"),
        ("kb_entity.json", 3, {"entity_name": 5}, "'entity_name' must be text"),
        ("kb_entity.json", 3, {"image_list": [5]}, "'image_list' must be a list of texts"),
        ("kb_entity.json", 3, {"id": "3"}, "'id' must be a whole number"),
        ("Tiny_dev.json", 2, {"answer": ["Q1"]}, "'answer' must be text"),
        ("Tiny_dev.json", 2, {"sentence": 5}, "'sentence' must be text"),
        ("Tiny_dev.json", 2, {"cands": "Q1 Q2", "objects": "two"}, "'objects' must be a whole number"),
        ("Tiny_dev.json", 2, {"imgPath": 5}, "'imgPath' must be text"),
    ],
)
def test_a_value_of_the_wrong_type_names_file_and_row(file, row, change, words, tiny_folder, edit):
    edit(tiny_folder / file, lambda rows: rows[row].update(change))
    with pytest.raises(DataError, match=words) as caught:
        read_mimic(tiny_folder)
    assert caught.value.where == f"{file}: row {row}"


def test_a_duplicate_qid_names_both_rows(tiny_folder, edit):
    edit(tiny_folder / "kb_entity.json", lambda rows: rows[7].update(qid="Q3"))
    with pytest.raises(DataError, match="'Q3' occurs twice, in rows 2 and 7") as caught:
        read_mimic(tiny_folder)
    assert "kb_entity.json" in str(caught.value)


def test_a_duplicate_dense_id_names_both_rows(tiny_folder, edit):
    edit(tiny_folder / "kb_entity.json", lambda rows: rows[7].update(id=2))
    with pytest.raises(DataError, match=r"dense id 2 occurs twice.*row 2") as caught:
        read_mimic(tiny_folder)
    assert caught.value.where == "kb_entity.json: row 7"


def test_gaps_and_disagreements_of_the_dense_ids_are_counted(tiny_folder, edit):
    def shift(rows):
        rows[0]["id"] = 1_000_000_000_000
        rows[1].pop("id")
        rows[2].update(entity_name="")

    edit(tiny_folder / "kb_entity.json", shift)
    edit(tiny_folder / "qid2id.json", lambda rows: rows.update(Q99=5, Q4=11))
    graph = read_mimic(tiny_folder).graph
    assert graph.row("Q1") == 0
    counts = graph.findings.counts
    assert counts["gap in dense ids"] == 2
    assert counts["dense id missing"] == 1
    assert counts["qid2id.json disagrees with kb_entity.json"] == 3  # Q1's new id, Q4's, and Q99 that is no entity
    assert counts["entity without name"] == 1


def test_qid2id_may_be_pretty_or_absent_but_not_a_list(tiny_folder, edit):
    import json

    rows = json.loads((tiny_folder / "qid2id.json").read_text())
    before = read_mimic(tiny_folder).findings.counts
    (tiny_folder / "qid2id.json").write_text(json.dumps(rows, indent=4))
    assert read_mimic(tiny_folder).findings.counts == before
    (tiny_folder / "qid2id.json").unlink()
    assert (read_mimic(tiny_folder).findings.counts - before) == {"qid2id.json missing": 1}
    (tiny_folder / "qid2id.json").write_text("[]")
    with pytest.raises(DataError, match="qid: dense id"):
        read_mimic(tiny_folder)


def test_what_is_missing_is_named_with_what_was_expected(tiny_folder, tmp_path):
    with pytest.raises(DataError, match=r"(?s)no such folder.*kb_entity\.json"):
        read_mimic(tmp_path / "absent")
    for split in ("train", "dev", "test"):
        (tiny_folder / f"Tiny_{split}.json").unlink()
    with pytest.raises(DataError, match=r"(?s)no file of mentions.*PREFIX_"):
        read_mimic(tiny_folder)
    (tiny_folder / "kb_entity.json").unlink()
    with pytest.raises(DataError, match=r"kb_entity\.json is missing"):
        read_mimic(tiny_folder)


def test_an_empty_graph_is_refused_and_an_empty_split_counted(tiny_folder):
    (tiny_folder / "Tiny_dev.json").write_text("[]")
    dataset = read_mimic(tiny_folder)
    assert dataset.findings.counts["empty split"] == 1
    with pytest.raises(DataError, match="holds no mention"):
        dataset.split("dev")
    (tiny_folder / "kb_entity.json").write_text("[]")
    with pytest.raises(DataError, match="the graph holds no entity") as caught:
        read_mimic(tiny_folder)
    assert "kb_entity.json" in str(caught.value.where)


def test_wrong_json_names_line_and_column(tiny_folder):
    (tiny_folder / "Tiny_dev.json").write_text('[\n{"id": }]')
    with pytest.raises(DataError, match=r"Tiny_dev\.json: line 2, column 8"):
        read_mimic(tiny_folder)


def test_one_file_of_mentions_reads_without_its_graph(tiny_dataset_folder, tmp_path):
    findings = Findings()
    mentions = read_mimic_mentions(tiny_dataset_folder / "Tiny_dev.json", findings)
    assert mentions == read_mimic(tiny_dataset_folder).split("dev")
    with pytest.raises(DataError, match="no such file"):
        read_mimic_mentions(tmp_path / "absent.json", findings)


@pytest.mark.data
def test_the_congress_set_is_read_in_full(data_root):
    dataset = read_mimic(data_root / "congress-mel")
    assert dataset.name == "Congress"
    assert len(dataset.graph) == 6382
    assert {split: len(mentions) for split, mentions in dataset.splits.items()} == {"train": 1596, "dev": 196}
    assert sum(len(entity.images) for entity in dataset.graph) == 6382
    mentions = [mention for split in dataset.splits.values() for mention in split]
    assert sum(mention.image is not None for mention in mentions) == 1168
    assert dataset.findings.counts == {"image not stated": 624, "mention not in its sentence": 3}
    assert all(mention.answer in dataset.graph for mention in mentions)
