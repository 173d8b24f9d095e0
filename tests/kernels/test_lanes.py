"""The kernel ``lanes``: its parts against ``otmel.ot``, and its slow ways."""

from __future__ import annotations

import pytest
import torch

from otmel.kernels import alike, lane_plan, lane_tile, lanes
from otmel.ot import Sides


@pytest.mark.parametrize(
    "name", ["PAPER", "RELEASED", "tolerance", "unbalanced", "softmax over cosines", "logarithms", "attention"]
)
def test_weights_are_the_assignments(name, make_case):
    case = make_case(name, 6, 9, mentions=2, entities=30)
    tile = lane_tile.block_tile(case.formula, case.packed.blocks, 0)
    sent = lane_tile.Sent.of(case.formula, case.mentions, 0)
    weights = lane_plan.weights(case.formula, sent, tile)
    tokens = case.packed.blocks.unpacked(torch.arange(29))
    keys = case.mentions.keys[:1, : int(case.mentions.lengths[0])].double()
    sides = Sides(tokens[0].double(), keys, tokens[1], torch.ones(keys.shape[:2], dtype=torch.bool), "crossed")
    expected = case.formula.assignment.weights(sides)[0][0]
    found = weights.permute(2, 1, 0)[:29, : expected.shape[1]]
    there = tokens[1].unsqueeze(-1)
    assert torch.allclose((found.double() * there), expected, atol=2e-6, rtol=1e-4)


def test_a_tile_has_the_same_tokens_from_blocks_and_from_slots(make_case):
    case = make_case("default", 5, 7, entities=50)
    blocks = case.packed.blocks
    tile = lane_tile.block_tile(case.formula, blocks, 0)
    slots = torch.arange(blocks.lengths.numel())
    other = lane_tile.slot_tile(case.formula, blocks, slots)
    count = len(slots)
    for name in ("tokens", "share", "target"):
        assert torch.equal(getattr(tile, name)[..., :count], getattr(other, name)[..., :count])
    assert not tile.present[count:].any()
    length = tile.compared.view(tile.tokens.shape).norm(dim=0)
    assert torch.allclose(length[tile.live], torch.ones(()), atol=1e-6)


def test_an_empty_mention_sends_nothing(make_case):
    case = make_case("PAPER", 5, 4)
    assert lane_tile.Sent.of(case.formula, case.mentions, 1) is None


@pytest.mark.parametrize("name", ["PAPER", "RELEASED", "default", "attention, max"])
def test_the_slow_ways_agree_with_the_fast(name, make_case, every_pair, monkeypatch):
    case = make_case(name, 7, 6, entities=40)
    blocks, mentions = case.packed.blocks, case.mentions
    scoring = lanes.KERNEL.bind(case.formula, 1, "float32")
    fast = scoring.tile(mentions, blocks)
    monkeypatch.setattr(alike, "_product_alike", lambda *shape: False)
    monkeypatch.setattr(alike, "_sums_alike", lambda: False)
    slow = scoring.tile(mentions, blocks)
    assert torch.allclose(slow, fast, atol=1e-5)
    mention, slot = every_pair(mentions, blocks)
    assert torch.equal(scoring.pairs(mentions, blocks, mention, slot), slow[mention, slot])


def test_it_refuses_what_it_does_not_compute(make_case):
    assert (
        lanes.KERNEL.refusal(make_case("PAPER", 4, 2).formula, "bfloat16") == "it computes in float32, not in bfloat16"
    )
