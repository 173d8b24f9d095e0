"""Every row of Table 2 under every preset trains and evaluates on a generated world."""

from __future__ import annotations

import math

import pytest

from otmel.data.datasets import load_dataset
from otmel.evaluation.run import evaluate
from otmel.models.variants import VARIANTS
from otmel.settings import overridden
from otmel.training.run import train
from otmel.training.settings import PRESETS, preset

SHORT = ("training.epochs=1", "training.batch_size=8", "training.validation=dev")


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("row", VARIANTS)
def test_trains_and_evaluates(name, row, tiny_world, tiny_encoder, tmp_path):
    dataset = load_dataset(tiny_world)
    settings = overridden(preset(name, row).model_copy(update={"encoder": str(tiny_encoder)}), SHORT)
    bundle = train(dataset, settings, tmp_path / "run", say=lambda line: None)
    assert bundle.record["best"]["steps"] == len(dataset.split("train")) // 8
    result = evaluate(tmp_path / "run", dataset, "test").model.result
    assert (result.system.preset, result.system.variant) == (name, row)
    assert result.counts.ranked > 0
    assert 0 < float(result.headline["MRR"] or math.nan) <= 1
