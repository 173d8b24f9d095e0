"""The oracle itself: closed forms, and the model that it restates."""

from __future__ import annotations

import pytest
import torch

from otmel.kernels import Formula, definition
from otmel.models.base import LateState
from otmel.models.matching import Matching
from otmel.models.settings import ModelSettings
from otmel.ot import Attention, MaxPool, MeanPool, SoftPool, Transport


def score(formula, keys, values, tokens, target):
    full = torch.ones(1, keys.shape[1], dtype=torch.bool)
    there = torch.ones(1, tokens.shape[1], dtype=torch.bool)
    late = definition.late_scores(formula, (keys, values, full), (tokens, there, target))
    return late.item()


@pytest.mark.parametrize("pool", [SoftPool(), MaxPool(), MeanPool()])
@pytest.mark.parametrize("assignment", [Attention(), Transport()])
def test_one_sender_gives_all_it_has_to_everybody(assignment, pool):
    draw = torch.Generator().manual_seed(3)
    keys, tokens = torch.randn(1, 1, 4, generator=draw), torch.randn(1, 5, 4, generator=draw)
    value, target = torch.randn(1, 1, 4, generator=draw), torch.randn(1, 4, generator=draw)
    expected = (value[0, 0] * target[0]).sum().item()
    assert score(Formula(assignment, pool), keys, value, tokens, target) == pytest.approx(expected, abs=1e-5)


def test_the_mean_of_a_balanced_plan_is_the_mean_of_the_values_once_it_has_converged():
    draw = torch.Generator().manual_seed(4)
    keys, values = torch.randn(1, 6, 4, generator=draw).double(), torch.randn(1, 6, 4, generator=draw).double()
    tokens, target = torch.randn(1, 5, 4, generator=draw).double(), torch.randn(1, 4, generator=draw).double()
    solver = Transport().solver.model_copy(update={"iterations": 2000, "epsilon": 0.2})
    formula = Formula(Transport(solver=solver), MeanPool())
    assert score(formula, keys, values, tokens, target) == pytest.approx(
        (values.mean(1) * target).sum().item(), abs=1e-9
    )


@pytest.mark.parametrize("name", ["PAPER", "RELEASED", "default"])
def test_it_is_what_the_model_computes(name):
    from otmel.kernels import Affine
    from otmel.training.settings import preset

    settings: ModelSettings = preset(name).model.model_copy(update={"hidden": 8})
    torch.manual_seed(0)
    matching = Matching(settings).eval()
    draw = torch.Generator().manual_seed(5)
    masks = torch.rand(3, 7, generator=draw) < 0.7, torch.rand(9, 6, generator=draw) < 0.7
    sent = matching.mention(torch.randn(3, 7, 8, generator=draw), masks[0])
    received = matching.entity(torch.randn(9, 6, 8, generator=draw), masks[1], torch.randn(9, 8, generator=draw))
    shape, pool = settings.shape, matching.pool
    norm, inner = matching.correlation.norm, getattr(pool, "norm", None)
    direction = getattr(pool, "direction", None)
    formula = Formula(
        settings.matching,
        settings.pool,
        shape.residual,
        Affine(norm.weight, norm.bias, norm.eps) if shape.layer_norm else None,
        direction,
        None if inner is None else Affine(inner.weight, inner.bias, inner.eps),
    )
    with torch.no_grad():
        expected = matching(sent, received)[0]
        late = definition.late_scores(
            formula, (sent.tokens, sent.values, masks[0]), (received.tokens, masks[1], received.target)
        )
    assert isinstance(sent, LateState)
    assert torch.allclose(late, expected, atol=1e-5)


def test_pairs_are_the_tiles_own(make_case, every_pair):
    case = make_case("PAPER", 5, 4, entities=20)
    blocks, mentions = case.packed.blocks, case.mentions
    scoring = definition.KERNEL.bind(case.formula, 1, "float32")
    late = scoring.tile(mentions, blocks)
    mention, slot = every_pair(mentions, blocks)
    assert torch.allclose(scoring.pairs(mentions, blocks, mention, slot), late[mention, slot], atol=1e-6)
    assert scoring.pairs(mentions, blocks, mention[:0], slot[:0]).shape == (0,)


def test_it_refuses_any_arithmetic_but_its_own():
    assert definition.KERNEL.refusal(Formula(Attention(), SoftPool()), "bfloat16") is not None
