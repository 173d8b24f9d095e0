"""Kept features are those that are encoded, and follow from everything that they depend on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from otmel.cli.main import main
from otmel.data.datasets import load_dataset
from otmel.encoders import load_encoder
from otmel.inputs import InputProcessor, InputSettings
from otmel.models.features import FeatureStore, graph_data
from otmel.models.registry import new_model
from otmel.models.tables import Live, entity_table, held, mention_table
from otmel.training.settings import preset


@pytest.fixture
def made(tiny_world, tiny_encoder):
    dataset = load_dataset(tiny_world)
    encoder, processor = load_encoder(tiny_encoder)
    return dataset, new_model(preset("default").model, encoder=encoder), processor


def flat(table):
    views = table.content
    return [
        views.text.tokens,
        views.text.mask,
        views.text.cls,
        views.image.tokens,
        views.image.mask,
        views.image.cls,
        views.ids,
    ]


def test_what_is_read_again_is_what_was_encoded(made, tmp_path, monkeypatch):
    dataset, model, processor = made
    store, table = FeatureStore(tmp_path / "kept", model, processor), entity_table(dataset.graph, processor, None)
    first = store.held(table, graph_data(dataset))
    monkeypatch.setattr(Live, "__getitem__", lambda *_: pytest.fail("encoded twice"))
    again = store.held(table, graph_data(dataset))
    for one, other in zip(flat(first), flat(again), strict=True):
        assert torch.equal(one, other)


def test_equals_what_is_held_without_a_store(made, tmp_path):
    dataset, model, processor = made
    table = entity_table(dataset.graph, processor, None)
    kept = FeatureStore(tmp_path, model, processor).held(table, "graph")
    for one, other in zip(flat(kept), flat(held(table, model)), strict=True):
        assert torch.equal(one, other)


def test_wording_weights_and_data_have_files_of_their_own(made, tmp_path, tiny_encoder):
    dataset, model, processor = made
    table = entity_table(dataset.graph, processor, None)
    FeatureStore(tmp_path, model, processor).held(table, "graph")
    FeatureStore(tmp_path, model, processor).held(table, "another graph")
    _, worded = load_encoder(tiny_encoder, settings=InputSettings(entity_length=12))
    FeatureStore(tmp_path, model, worded).held(table, "graph")
    with torch.no_grad():
        next(model.encoder.parameters()).add_(1)
    FeatureStore(tmp_path, model, processor).held(table, "graph")
    assert len(list(tmp_path.iterdir())) == 4


def test_a_broken_file_is_written_anew(made, tmp_path):
    dataset, model, processor = made
    table, store = entity_table(dataset.graph, processor, None), FeatureStore(tmp_path, model, processor)
    store.held(table, "graph")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    store.held(table, "graph")
    assert path.read_bytes() == whole


def test_training_and_evaluating_with_kept_features_gives_the_same_figures(tiny_world, tiny_encoder, tmp_path, capsys):
    figures = []
    for name, more in (("plain", ()), ("kept", ("--features", str(tmp_path / "features")))):
        run = str(tmp_path / name)
        short = ("--set", "training.epochs=1", "--set", "training.batch_size=8")
        assert main(["train", str(tiny_world), "--out", run, "--encoder", str(tiny_encoder), *short, *more]) == 0
        capsys.readouterr()
        assert main(["evaluate", run, "--split", "test", "--json", *more]) == 0
        figures.append(json.loads(capsys.readouterr().out)["model"]["measures"])
    assert figures[0] == figures[1]
    assert len(list((tmp_path / "features").iterdir())) == 4


def test_what_was_missing_is_said_again(made, tmp_path):
    dataset, model, processor = made
    without = [replace(mention, image=None) for mention in dataset.split("test")]
    told = []
    for reader in (processor, load_encoder_again(processor)):
        FeatureStore(tmp_path, model, reader).held(mention_table(without, reader, None), "mentions")
        told.append(dict(reader.findings.counts))
    assert told[0] == told[1] == {"image not stated": len(without)}


def load_encoder_again(processor):
    """The same processor, that has met nothing yet."""
    return InputProcessor(
        processor.tokenizer, processor.image_processor, processor.settings, patch_size=processor.patch_size
    )
