"""Eq. 29."""

from __future__ import annotations

import pytest
import torch

from otmel.data.token_track import TokenTrackSettings, token_track
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.models.token_track import feature_widths, features
from otmel.models.variants import variant
from otmel.objectives.contrastive import contrastive_losses
from otmel.objectives.gather import gathered_rows, gathered_state, mean_over_processes, processes
from otmel.objectives.total import TrainingBatch, total_loss
from otmel.ot.means import Means


@pytest.fixture(scope="module")
def track():
    return token_track(TokenTrackSettings(entities=12, train=10, dev=0, test=0, dimensions=8))


@pytest.fixture(scope="module")
def batch(track):
    gold, rows = torch.from_numpy(track.splits["train"].gold), torch.arange(12)
    mentions = features(track.splits["train"]).side(torch.arange(10))
    return TrainingBatch(mentions, features(track.entities).side(rows), gold, rows)


@pytest.mark.parametrize("name", ["ot", "kd", "f2", "m2"])
def test_it_is_the_sum_of_its_terms(track, batch, name):
    torch.manual_seed(0)
    model = new_model(variant(name, ModelSettings(hidden=8)), widths=feature_widths(track.entities))
    losses = total_loss(model, batch)
    torch.testing.assert_close(losses.total, sum(losses.terms.values()))
    scores, others = model(batch.mentions, batch.entities)
    expected = contrastive_losses(scores, batch.gold, batch.entity_rows) | others
    assert set(losses.terms) == set(expected)
    assert ("KD" in expected) == (name == "kd")
    for term, value in expected.items():
        torch.testing.assert_close(losses.terms[term], value.value() if isinstance(value, Means) else value)


def test_a_batch_moves_as_a_whole(batch):
    moved = batch.to(torch.float64)
    assert moved.mentions.content.text.tokens.dtype == moved.entities.content.image.cls.dtype == torch.float64
    assert moved.gold.dtype == moved.entity_rows.dtype == torch.int64
    assert moved.mentions.content.text.mask.dtype == torch.bool


def test_with_one_process_nothing_is_gathered(batch, track):
    model = new_model(ModelSettings(hidden=8), widths=feature_widths(track.entities))
    state = model.encode_entities(batch.entities)
    assert processes() == 1
    assert gathered_state(state) is state
    assert gathered_rows(batch.entity_rows) is batch.entity_rows
    assert mean_over_processes(torch.tensor([3, 0])).tolist() == [3, 1]
