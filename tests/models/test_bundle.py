"""A run on disk: it comes back to the same bits, and nothing broken or foreign is taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from otmel.data.mimic import read_mimic
from otmel.encoders import load_encoder
from otmel.errors import CheckpointError
from otmel.models.bundle import NAMES_FILE, RUN_FILE, WEIGHTS_FILE, Bundle, read_record, weights_hash
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.models.tables import entity_table, mention_table
from otmel.training.settings import DEFAULT


@pytest.fixture(scope="module")
def data(tiny_dataset_folder):
    return read_mimic(tiny_dataset_folder)


@pytest.fixture(scope="module")
def bundle(tiny_encoder, data) -> Bundle:
    encoder, processor = load_encoder(tiny_encoder)
    torch.manual_seed(1)
    model = new_model(DEFAULT.model.model_copy(update={"hidden": 8}), encoder=encoder).eval()
    vectorizer = NameVectorizer.fit([entity.name for entity in data.graph])
    return Bundle(model, processor, vectorizer, {"settings": DEFAULT.model_dump(mode="json")})


@pytest.fixture
def run(bundle, tmp_path) -> Path:
    bundle.save(tmp_path / "run")
    return tmp_path / "run"


@torch.no_grad()
def scores(bundle: Bundle, data) -> torch.Tensor:
    assert bundle.processor is not None
    mentions = mention_table(data.split("test"), bundle.processor, bundle.vectorizer)
    entities = entity_table(data.graph, bundle.processor, bundle.vectorizer)
    model = bundle.model
    sides = (table.side(torch.arange(len(table))).to(model.device) for table in (mentions, entities))
    return model.score(model.encode_mentions(next(sides)), model.encode_entities(next(sides))).total.cpu()


def test_it_comes_back_to_the_same_bits(bundle, run, data):
    loaded = Bundle.load(run)
    assert torch.equal(scores(loaded, data), scores(bundle, data))
    assert loaded.record == bundle.record
    assert loaded.processor.settings == bundle.processor.settings
    assert not loaded.model.training
    assert not list(run.glob(".*"))  # no temporary file stays


def test_saving_again_replaces_everything(bundle, run, data):
    before = weights_hash(run)
    changed = Bundle(bundle.model, bundle.processor, bundle.vectorizer, {**bundle.record, "best": {"mrr": 0.5}})
    changed.save(run)
    assert weights_hash(run) == before
    assert read_record(run)["best"] == {"mrr": 0.5}


def test_a_model_of_features_needs_no_processor(tmp_path, track, make_settings):
    from otmel.models.token_track import feature_widths

    model = new_model(make_settings("PAPER"), widths=feature_widths(track.entities))
    Bundle(model, None, NameVectorizer.fit(["a"]), {"settings": {}}).save(tmp_path)
    loaded = Bundle.load(tmp_path)
    assert loaded.processor is None
    assert loaded.model.settings == model.settings


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_hidden(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["hidden"] = 12
    (run / "config.json").write_text(json.dumps(config))


def other_parts(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["fusion"] = None
    (run / "config.json").write_text(json.dumps(config))


def unknown_key(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["hiden"] = 8
    (run / "config.json").write_text(json.dumps(config))


DAMAGE = {
    "no folder": (shutil.rmtree, "no such run folder"),
    "no run.json": (lambda run: (run / RUN_FILE).unlink(), "it has no run.json"),
    "run.json cut short": (lambda run: truncated(run / RUN_FILE), "cannot be read"),
    "run.json of something else": (lambda run: (run / RUN_FILE).write_text("[1]"), "not the record of a run"),
    "no weights": (lambda run: (run / WEIGHTS_FILE).unlink(), "no weights yet"),
    "weights cut short": (lambda run: truncated(run / WEIGHTS_FILE), "weights cannot be read"),
    "weights of text": (lambda run: (run / WEIGHTS_FILE).write_text("hello"), "weights cannot be read"),
    "no config": (lambda run: (run / "config.json").unlink(), "has no config.json"),
    "config cut short": (lambda run: truncated(run / "config.json"), "weights cannot be read"),
    "config of another width": (other_hidden, "differ in"),
    "config of other parts": (other_parts, "differ in"),
    "config with an unknown key": (unknown_key, "cannot be read"),
    "names cut short": (lambda run: truncated(run / NAMES_FILE), "name match cannot be read"),
    "no names": (lambda run: (run / NAMES_FILE).unlink(), "name match cannot be read"),
    "no tokenizer": (lambda run: (run / "tokenizer.json").unlink(), ""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_refused_with_its_place(run, damage):
    harm, problem = DAMAGE[damage]
    harm(run)
    with pytest.raises(CheckpointError, match=problem or None) as fault:
        Bundle.load(run)
    assert str(run) in str(fault.value)


def test_weights_of_another_run_are_refused(run, tiny_encoder, tmp_path):
    encoder, processor = load_encoder(tiny_encoder)
    model = new_model(DEFAULT.model.model_copy(update={"hidden": 6}), encoder=encoder)
    Bundle(model, processor, NameVectorizer.fit(["a"]), {"settings": {}}).save(tmp_path / "other")
    (tmp_path / "other" / WEIGHTS_FILE).replace(run / WEIGHTS_FILE)
    with pytest.raises(CheckpointError, match=r"differ in \d+ tensors") as fault:
        Bundle.load(run)
    assert "same run" in str(fault.value)


def test_the_hash_is_that_of_weights_and_configuration(run):
    first = weights_hash(run)
    assert len(first) == 16
    content = bytearray((run / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (run / WEIGHTS_FILE).write_bytes(content)
    second = weights_hash(run)
    other_parts(run)
    assert len({first, second, weights_hash(run)}) == 3
