"""What a second stage is trained on: the candidates and the term R of the loss."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.parallel import DistributedDataParallel

from otmel.data.token_track import TokenTrackSettings, token_track
from otmel.models.baselines.bert import BertSettings, TextBiEncoder
from otmel.models.config import config_of
from otmel.models.reranking import hardest, reranking_loss
from otmel.models.token_track import feature_widths, features
from otmel.objectives.total import TrainingBatch, total_loss


@given(st.integers(1, 6), st.integers(2, 9), st.integers(2, 12), st.integers(0, 999), st.booleans())
def test_the_true_one_and_then_the_best_others(mentions, entities, count, seed, repeated):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(mentions, entities, generator=generator)
    rows = torch.arange(entities)
    if repeated and entities > 2:
        rows[-1] = rows[0]
    gold_rows = rows[torch.randint(entities, (mentions,), generator=generator)]
    gold = gold_rows[:, None] == rows
    chosen = hardest(scores, gold, count)
    others = [[e for e in range(entities) if rows[e] != gold_rows[m]] for m in range(mentions)]
    width = min(count - 1, min(map(len, others)))
    assert chosen is not None
    assert chosen.shape == (mentions, 1 + width)
    for m in range(mentions):
        assert rows[chosen[m, 0]] == gold_rows[m]
        assert chosen[m, 1:].tolist() == sorted(others[m], key=lambda e, m=m: -scores[m, e].item())[:width]


def test_without_any_other_there_is_nothing_to_train_on():
    assert hardest(torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool), 8) is None
    assert hardest(torch.zeros(2, 3), torch.eye(2, 3, dtype=torch.bool), 1) is None
    assert hardest(torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.bool), 2) is None


@given(st.integers(1, 5), st.integers(2, 9), st.floats(-3, 3))
def test_equal_scores_cost_the_log_of_their_number(mentions, count, value):
    assert reranking_loss(torch.full((mentions, count), value)).item() == pytest.approx(math.log(count), abs=1e-5)


class TwoStages(TextBiEncoder):
    """A bi-encoder whose second stage says twice what its first one says; it counts the encoder's runs."""

    runs = 0

    @property
    def second_stage(self) -> int:
        return 3

    def views(self, side):
        self.runs += not hasattr(side.content, "text")
        return super().views(replace(side, content=getattr(side.content, "inside", side.content)))

    def rescore(self, mentions, entities, pairs):
        mention, entity = self.encode_mentions(mentions), self.encode_entities(entities)
        return 2 * (mention.dense["T"][pairs[0]] * entity.dense["T"][pairs[1]]).sum(-1)


class Raw:
    """Content that only an encoder can read."""

    def __init__(self, inside):
        self.inside = inside


@pytest.fixture(scope="module")
def track():
    return token_track(TokenTrackSettings(entities=12, train=10, dev=0, test=0, dimensions=8))


@pytest.fixture(scope="module")
def batch(track):
    gold, rows = torch.from_numpy(track.splits["train"].gold), torch.arange(12)
    return TrainingBatch(
        features(track.splits["train"]).side(torch.arange(10)), features(track.entities).side(rows), gold, rows
    )


@pytest.fixture
def model(track):
    torch.manual_seed(0)
    return TwoStages(config_of(BertSettings(hidden=8), None, feature_widths(track.entities)))


def test_r_is_the_cross_entropy_over_the_candidates(model, batch):
    losses = total_loss(model, batch)
    scores = model(batch.mentions, batch.entities)[0].total
    expected = 0.0
    for m, gold in enumerate(batch.gold.tolist()):
        order = [e for e in scores[m].argsort(descending=True).tolist() if e != gold][:2]
        expected = expected - torch.log_softmax(2 * scores[m, [gold, *order]], 0)[0] / 10
    torch.testing.assert_close(losses.terms["R"], expected)
    torch.testing.assert_close(losses.total, sum(losses.terms.values()))


def test_only_a_second_stage_in_training_has_r(model, batch, track):
    assert "R" not in model(batch.mentions, batch.entities)[1]
    plain = TextBiEncoder(config_of(BertSettings(hidden=8), None, feature_widths(track.entities)))
    assert "R" not in total_loss(plain, batch).terms


def test_the_encoder_reads_each_side_once(model, batch):
    sides = [replace(side, content=Raw(side.content)) for side in (batch.mentions, batch.entities)]
    raw = replace(batch, mentions=sides[0], entities=sides[1])
    assert torch.equal(total_loss(model, raw).total, total_loss(model, batch).total)
    assert model.runs == 2


def test_it_trains_behind_distributed_data_parallel(model, batch, tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        replica = DistributedDataParallel(model, find_unused_parameters=True)
        for _ in range(2):  # a weight used outside of forward would be refused
            losses = total_loss(replica, batch)
            losses.total.backward()
        assert losses.terms["R"] > 0
    finally:
        dist.destroy_process_group()
