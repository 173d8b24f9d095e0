from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.images import open_image
from otmel.data.mimic import read_mimic, write_mimic
from otmel.data.mimic_layout import SPLITS
from otmel.data.records import NIL, Entity, Mention
from otmel.errors import DataError, StorageError

# Anything that can stand in a JSON file and in a tokenizer: no NUL, no lone surrogate.
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
words = texts.filter(bool)
image_bytes = st.binary(min_size=1, max_size=8)


@st.composite
def datasets(draw):
    ids = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    entities = [
        Entity(
            id=identifier,
            name=draw(texts),
            aliases=tuple(draw(st.lists(words, max_size=3))),
            description=draw(texts),
            attributes=draw(texts),
            images=tuple(draw(st.lists(image_bytes, max_size=2))),
        )
        for identifier in ids
    ]
    answers = st.none() | st.just(NIL) | st.sampled_from(ids)
    mention = st.builds(
        Mention,
        name=texts,
        context=texts,
        image=st.none() | image_bytes,
        id=st.none() | words,
        answer=answers.map(lambda answer: NIL if answer is not None and answer.upper() == NIL else answer),
        title=st.none() | words,
        candidates=st.lists(words, max_size=3).map(tuple),
        objects=st.none() | st.integers(0, 9),
    )
    names = draw(st.sets(st.sampled_from(SPLITS), min_size=1))
    splits = {
        name: tuple(draw(st.lists(mention, max_size=3))) for name in ("train", "dev", "test", "unseen") if name in names
    }
    return Dataset(draw(st.sampled_from(["Set", "wiki_diverse", "a.b"])), KnowledgeGraph(entities), splits)


def with_bytes(record):
    """The record with its image files replaced by what they hold."""
    if isinstance(record, Entity):
        return replace(record, images=tuple(image_content(image) for image in record.images))
    return replace(record, image=None if record.image is None else image_content(record.image))


def image_content(image):
    return image.read_bytes() if isinstance(image, Path) else image


@given(datasets())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_reads_back_equal(dataset):
    with tempfile.TemporaryDirectory() as folder:
        back = read_mimic(write_mimic(dataset, Path(folder) / "out"))
        assert back.name == dataset.name
        assert [with_bytes(entity) for entity in back.graph] == list(dataset.graph)
        assert list(back.splits) == list(dataset.splits)
        for name, mentions in dataset.splits.items():
            assert tuple(with_bytes(mention) for mention in back.splits[name]) == mentions


def test_a_set_that_was_read_writes_back_with_the_same_names_and_digests(tiny_dataset_folder, tmp_path):
    dataset = read_mimic(tiny_dataset_folder)
    back = read_mimic(write_mimic(dataset, tmp_path / "copy"))
    assert back.graph.snapshot == dataset.graph.snapshot
    assert {split: back.digest(split) for split in back.splits} == {
        split: dataset.digest(split) for split in dataset.splits
    }
    # A name that stood for no file is not written, so it is now not stated.
    assert back.findings.counts == {"image not stated": 6}
    rows = json.loads((tmp_path / "copy" / "Tiny_test.json").read_text("utf-8"))
    assert rows[3]["answer"] == "nil"
    assert "\n" not in (tmp_path / "copy" / "qid2id.json").read_text().strip()
    assert not list((tmp_path / "copy").rglob(".*"))


def test_images_of_one_name_from_two_folders_stay_two(tmp_path):
    paths = []
    for folder in ("a", "b"):
        path = tmp_path / folder / "face.new.png"
        path.parent.mkdir()
        path.write_bytes(folder.encode())
        paths.append(path)
    graph = KnowledgeGraph([Entity("Q1", "A", images=(paths[0],)), Entity("Q2", "B", images=(paths[1],))])
    mentions = (Mention("A", image=paths[0]), Mention("B", image=str(paths[1])), Mention("C", image=paths[0]))
    back = read_mimic(write_mimic(Dataset("set", graph, {"train": mentions}), tmp_path / "out"))
    assert [entity.images[0].name for entity in back.graph] == ["face.new.png", "face.new-2.png"]
    found = [mention.image for mention in back.split("train")]
    assert [path.name for path in found] == ["face.jpg", "face-2.jpg", "face.jpg"]
    assert [path.read_bytes() for path in found] == [b"a", b"b", b"a"]
    assert not {"image missing", "image found by its whole name"} & set(back.findings.counts)


def test_opened_images_are_written_without_loss(tmp_path):
    picture = Image.effect_noise((9, 7), 40).convert("RGB")
    graph = KnowledgeGraph([Entity("Q/1: ../x", "A", images=(picture,))])
    back = read_mimic(write_mimic(Dataset("set", graph, {"dev": (Mention("A", image=picture),)}), tmp_path))
    for image in (back.graph[0].images[0], back.split("dev")[0].image):
        assert open_image(image).tobytes() == picture.tobytes()


@pytest.fixture
def small():
    return Dataset("Set/of names", KnowledgeGraph([Entity("Q1", "A")]), {"train": (Mention("A", "A", answer="Q1"),)})


def test_writing_twice_replaces_and_another_set_is_not_mixed_in(small, tmp_path):
    for _ in range(2):
        write_mimic(small, tmp_path)
    assert read_mimic(tmp_path).name == "Set-of-names"
    with pytest.raises(DataError, match=r"another data set \(Set-of-names_train\.json\)"):
        write_mimic(replace(small, name="Other"), tmp_path)


def test_a_split_that_no_reader_knows_is_refused_before_anything_is_written(small, tmp_path):
    with pytest.raises(DataError, match="no split 'all'"):
        write_mimic(replace(small, splits={"all": ()}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_gone_is_named_and_nothing_passes_for_a_data_set(small, tmp_path):
    splits = {"train": (Mention("A", image=tmp_path / "gone.jpg"),)}
    with pytest.raises(DataError, match=r"gone\.jpg"):
        write_mimic(replace(small, splits=splits), tmp_path / "out")
    assert not (tmp_path / "out" / "kb_entity.json").exists()


def test_a_refusal_of_the_disk_is_a_storage_error(small, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mention_image").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="mention_image"):
        write_mimic(replace(small, splits={"train": (Mention("A", image=b"x"),)}), tmp_path / "out")
