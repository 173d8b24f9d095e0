"""Every system of the registry: complete, trainable, saved and loaded to the same bits, ranked through the index."""

from __future__ import annotations

import json
import math
import sys

import pytest
import torch

from otmel.data.datasets import load_dataset
from otmel.encoders import wrapped
from otmel.evaluation.run import evaluate
from otmel.inputs.pretrained import quiet
from otmel.models.bundle import Bundle
from otmel.models.registry import SYSTEMS
from otmel.models.systems import System
from otmel.models.tables import entity_table, mention_table
from otmel.settings import overridden
from otmel.training.run import train
from otmel.training.settings import preset

SHORT = ("training.epochs=1", "training.batch_size=12", "training.validation=dev", "model.hidden=16")


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_says_where_it_comes_from(system: System):
    module = sys.modules[system.model.__module__]
    assert str(system.year) in system.citation
    assert module.__doc__
    assert system.model.__doc__
    assert system.settings().kind == system.name  # pyright: ignore[reportAttributeAccessIssue,reportCallIssue]
    assert system.reads in (("text",), ("text", "image"))


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_counts_its_parameters(system: System):
    own, encoder = system.parameters()
    assert own > 0
    assert encoder > 1e6


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_trains_saves_loads_and_ranks(system: System, tiny_world, tiny_encoder, tmp_path):
    dataset = load_dataset(tiny_world)
    encoder = system.small_encoder(tiny_encoder, tmp_path / "encoder")
    base = preset("default", system_name=system.name).model_copy(update={"encoder": str(encoder)})
    bundle = train(dataset, overridden(base, SHORT), tmp_path / "run", say=lambda line: None)
    assert bundle.record["best"]["steps"] == 2
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(math.isfinite(row["loss"]) for row in log if "loss" in row)
    loaded = Bundle.load(tmp_path / "run")
    assert torch.equal(_scores(bundle, dataset), _scores(loaded, dataset))
    result = evaluate(tmp_path / "run", dataset, "test").model.result
    assert result.system.variant == "ot"
    assert result.search is not None
    assert 0 < float(result.headline["MRR"] or math.nan) <= 1


@torch.no_grad()
def _scores(bundle: Bundle, dataset) -> torch.Tensor:
    """Of every test mention with every entity, and of the second stage where there is one."""
    assert bundle.processor is not None
    model, rows = bundle.model.eval(), torch.arange(len(dataset.graph))
    mentions = (
        mention_table(dataset.split("test"), bundle.processor, bundle.vectorizer).side(torch.arange(8)).to(model.device)
    )
    entities = entity_table(dataset.graph, bundle.processor, bundle.vectorizer).side(rows).to(model.device)
    scores = model.score(model.encode_mentions(mentions), model.encode_entities(entities)).total.flatten()
    if not model.second_stage:
        return scores
    pairs = torch.zeros_like(rows).to(model.device), rows.to(model.device)
    return torch.cat([scores, model.rescore(mentions, entities, pairs).to(scores.dtype)])


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_a_checkpoint_of_the_published_architecture_loads_whole(system: System, tmp_path):
    """Random weights under the published configuration, saved and read again: no key is missing, none is left over."""
    from transformers import AutoModel

    with quiet(), torch.device("meta"):
        expected = wrapped(AutoModel.from_config(system.published())).model.state_dict()
    with quiet():
        model = AutoModel.from_config(system.published())
        model.save_pretrained(tmp_path)
        loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert set(loaded.state_dict()) == set(expected)
