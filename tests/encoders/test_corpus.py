"""Which texts and images pretraining reads, and which it takes to belong together."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Entity, Mention
from otmel.encoders.corpus import NONE, read_corpus
from otmel.encoders.settings import PretrainSettings, TowerSettings
from otmel.errors import DataError

SETTINGS = PretrainSettings(towers=TowerSettings(image_size=16, patch_size=8))
RED, BLUE, GREEN = (Image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "green"))
GRAPH = KnowledgeGraph(
    [
        Entity("Q1", "Bell", ("Annie",), "painter", "Team: Lions. Face: round", (RED,)),
        Entity("Q2", "Bell", attributes="Team: Suns"),
        Entity("Q3", "Dunn", attributes="Team: Foxes", images=(Path("nowhere.jpg"), BLUE)),
    ]
)
TRAIN = (
    Mention("Bell", "Bell of the Lions", image=GREEN, answer="Q1"),
    Mention("Dunn", "Dunn of the Foxes", answer="Q3"),
    Mention("Ulm", "Nobody knows Ulm", image=BLUE, answer=NIL),
)


def dataset(**splits) -> Dataset:
    return Dataset("small", GRAPH, splits)


def test_entities_are_two_views_of_themselves():
    corpus = read_corpus(dataset(), SETTINGS, None)
    assert [text.context for text in corpus.texts] == ["Team: Lions. Face: round", "Team: Suns", "Team: Foxes"]
    assert corpus.samples.tolist() == [[0, 0, 0, 0, 0], [1, 1, 1, NONE, NONE], [2, 2, 2, NONE, NONE]]
    assert corpus.entities.tolist() == [[0, 0]]
    assert corpus.images.shape == (1, 16, 16, 3)
    assert (corpus.images[0] == (255, 0, 0)).all()
    assert corpus.findings.counts["image not stated"] == 1
    assert corpus.findings.counts.total() == 2


def test_training_mentions_share_the_number_of_their_entity():
    corpus = read_corpus(dataset(train=TRAIN, dev=TRAIN[:1]), SETTINGS, None)
    assert corpus.samples[3:].tolist() == [[0, 3, 0, 1, 0], [2, 4, 2, NONE, NONE], [8, 5, NONE, 2, 2]]
    assert len(corpus.texts) == 6  # the development mentions are not read
    without = read_corpus(dataset(train=TRAIN), SETTINGS.model_copy(update={"use_mentions": False}), None)
    assert len(without.samples) == 3


def test_the_chosen_texts_of_an_entity_are_read():
    inputs = SETTINGS.inputs.model_copy(update={"entity_text": ("description", "attributes")})
    corpus = read_corpus(dataset(), SETTINGS.model_copy(update={"inputs": inputs}), None)
    assert corpus.texts[0].context == "painter. Team: Lions. Face: round"
    assert {"Bell", "Annie"} <= set(corpus.words())


def write_captions(folder: Path, rows) -> Path:
    RED.save(folder / "red.png")
    path = folder / "captions.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize("key", ["text", "caption"])
def test_captions_are_things_of_their_own_and_some_are_held_out(tmp_path, key):
    path = write_captions(tmp_path, [{key: f"caption {n}", "image": "red.png"} for n in range(41)])
    corpus = read_corpus(dataset(), SETTINGS, path)
    captions = corpus.samples[3:]
    assert len(captions) == 39
    assert len(np.unique(corpus.samples[:, 0])) == len(corpus.samples)
    assert (captions[:, 2] == NONE).all()
    assert [corpus.texts[text].context for text in corpus.held_out[:, 0]] == ["caption 19", "caption 39"]
    assert not set(corpus.held_out[:, 0]) & set(captions[:, 1])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "this is no caption"),
        ({"text": "no image"}, "this is no caption"),
        ({"image": "red.png"}, "this is no caption"),
        ([1], "this is no caption"),
        ({"text": "x", "image": "../red.png"}, "lies outside"),
        ({"text": "x", "image": "/etc/passwd"}, "lies outside"),
    ],
)
def test_a_bad_caption_is_named_with_its_line(tmp_path, row, problem):
    path = write_captions(tmp_path, [{"text": "good", "image": "red.png"}, row])
    with pytest.raises(DataError, match=problem) as caught:
        read_corpus(dataset(), SETTINGS, path)
    assert f"{path}:2" in str(caught.value)


def test_a_missing_caption_file_is_named(tmp_path):
    with pytest.raises(DataError, match="the captions cannot be read"):
        read_corpus(dataset(), SETTINGS, tmp_path / "absent.jsonl")


def test_one_entity_alone_teaches_nothing():
    lonely = Dataset("one", KnowledgeGraph([Entity("Q1", "Bell")]), {})
    with pytest.raises(DataError, match="fewer than two texts"):
        read_corpus(lonely, SETTINGS, None)


def test_the_digest_changes_with_texts_images_and_samples():
    digests = {
        read_corpus(data, settings, None).digest()
        for data in (dataset(), dataset(train=TRAIN), dataset(train=TRAIN[:1]))
        for settings in (SETTINGS, SETTINGS.model_copy(update={"towers": TowerSettings(image_size=8)}))
    }
    assert len(digests) == 6
    assert read_corpus(dataset(), SETTINGS, None).digest() in digests
