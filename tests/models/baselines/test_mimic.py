"""MIMIC's units against plain loops, its late terms against their formulas, its search against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from otmel.encoders import Widths
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.kernels.definition import late_scores
from otmel.models.base import Side, State
from otmel.models.baselines.mimic import Gate, Mimic, MimicSettings
from otmel.models.registry import new_model
from otmel.types import Elements, Views

WIDTHS = Widths(text=10, image=12, text_cls=9, image_cls=11)


@pytest.fixture
def model() -> Mimic:
    """Random weights, LayerNorms included."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = new_model(MimicSettings(hidden=8), widths=WIDTHS)
        for weight in made.parameters():
            if weight.dim() == 1:
                torch.nn.init.normal_(weight, 1.0, 0.3)
    assert isinstance(made, Mimic)
    return made.double().eval()


@pytest.fixture
def states(model, make_side) -> tuple[State, State]:
    """Five mentions and seven entities, some without image."""
    with torch.no_grad():
        return model.encode_mentions(make_side(5, 1, absent=(2,))), model.encode_entities(
            make_side(7, 2, absent=(0, 4))
        )


def norm_of(layer: torch.nn.LayerNorm, vector: torch.Tensor) -> torch.Tensor:
    centred = vector - vector.mean()
    return centred / (centred.square().mean() + layer.eps).sqrt() * layer.weight + layer.bias


def gate_of(gate: Gate, vector: torch.Tensor) -> torch.Tensor:
    norm, linear = gate.enter
    entered = linear.weight @ norm_of(norm, vector) + linear.bias
    return torch.tanh(gate.gate.weight @ entered + gate.gate.bias) * entered


@torch.no_grad()
def test_the_text_unit_is_the_papers(model, states, make_views):
    mentions, entities = states
    views_m, views_e = make_views(5, 1, absent=(2,)), make_views(7, 2, absent=(0, 4))
    scores = model.score(mentions, entities).parts["T"]
    unit, layers = model.local, model.local.correlation
    for m in range(5):
        for e in range(7):
            sent = model.text.tokens(views_m.text.tokens[m, views_m.text.mask[m]])
            got = model.text.tokens(views_e.text.tokens[e, views_e.text.mask[e]])
            t_m, t_e = model.text.cls(views_m.text.cls[m]), model.text.cls(views_e.text.cls[e])
            attended = (layers.query(got) @ layers.key(sent).T / math.sqrt(8)).softmax(-1) @ layers.value(sent)
            late = norm_of(unit.pool.norm, attended.mean(0)) @ unit.target(t_e)
            assert float(scores[m, e]) == pytest.approx(float(t_m @ t_e + late) / 2, abs=1e-9)


@torch.no_grad()
def test_the_vision_unit_is_as_said(model, states, make_views):
    mentions, entities = states
    views_m, views_e = make_views(5, 1, absent=(2,)), make_views(7, 2, absent=(0, 4))
    scores, unit = model.score(mentions, entities), model.dual
    for m in range(5):
        for e in range(7):
            if m == 2 or e in (0, 4):
                assert float(scores.share["V"][m, e]) == 0
                assert float(scores.share["T"][m, e]) == 1 / 2
                continue
            p_m = model.image.tokens(views_m.image.tokens[m, views_m.image.mask[m]]).mean(0)
            p_e = model.image.tokens(views_e.image.tokens[e, views_e.image.mask[e]]).mean(0)
            v_m, v_e = model.image.cls(views_m.image.cls[m]), model.image.cls(views_e.image.cls[e])
            to_mention = norm_of(unit.to_mention, gate_of(unit.entity_local, p_e) + v_e) @ v_m
            met = gate_of(unit.mention_local, p_m) + v_m + gate_of(unit.entity_global, v_e)
            expected = (to_mention + norm_of(unit.to_entity, met) @ v_e) / 2
            assert float(scores.parts["V"][m, e]) == pytest.approx(float(expected), abs=1e-9)
            assert float(scores.share["V"][m, e]) == 1 / 3


@torch.no_grad()
def test_the_cross_modal_unit_is_the_papers(model, states, make_views):
    views, fusion = make_views(5, 1, absent=(2,)), model.fusion
    for row in range(5):
        query = fusion.text(model.text.cls(views.text.cls[row]))
        mask = views.image.mask[row]
        context = torch.zeros(8, dtype=torch.float64)
        if mask.any():
            patches = fusion.image(model.image.tokens(views.image.tokens[row, mask]))
            context = (patches @ query).softmax(0) @ patches
        expected = norm_of(fusion.norm, torch.tanh(fusion.gate(query)) * query + context)
        torch.testing.assert_close(states[0].dense["C"][row], expected, atol=1e-9, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("part", ["T", "V"])
def test_a_late_term_is_its_formula(model, states, part):
    model = model.float()
    mentions, entities = (state.to(torch.float32) for state in states)
    late, auxiliary = model.late_term(part)(mentions.late[part], entities.late[part])
    send, receive = mentions.late[part], entities.late[part]
    formula = model.late_term(part).formula()
    value = late_scores(formula, (send.tokens, send.values, send.mask), (receive.tokens, receive.mask, receive.target))
    assert auxiliary is None
    there = send.mask.any(-1)[:, None] & receive.mask.any(-1)
    torch.testing.assert_close(late, value, atol=1e-6, rtol=1e-6)
    assert (late[there] != 0).all()
    assert (late[~there] == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("method", ["auto", "bounds", "scan"])
def test_search_equals_brute_force(model, states, method):
    model = model.float()
    mentions, entities = (state.to(torch.float32) for state in states)
    index = EntityIndex.of(entities, model.composition())
    pairs = torch.arange(5).repeat_interleave(7), torch.arange(7).repeat(5)
    exact = index.contributions(mentions, pairs).sum(0).view(5, 7)
    torch.testing.assert_close(exact.float(), model.score(mentions, entities).total, atol=2e-5, rtol=1e-4)
    for row, answer in enumerate(index.search(mentions, Query(3, method=method))):
        order = sorted(range(7), key=lambda e: (-float(exact[row, e]), e))[:3]
        assert answer.rows.tolist() == order
        np.testing.assert_allclose(answer.scores, exact[row, order].numpy(), rtol=1e-14)


def wider(elements: Elements) -> Elements:
    """The same elements with two more columns of padding that holds noise."""
    noise = torch.full_like(elements.tokens[:, :2], 9.0)
    return Elements(
        torch.cat([elements.tokens, noise], 1), torch.nn.functional.pad(elements.mask, (0, 2)), elements.cls
    )


@torch.no_grad()
def test_padding_has_no_influence(model, states, make_views):
    views = make_views(5, 1, absent=(2,))
    padded = model.encode_mentions(Side(Views(wider(views.text), wider(views.image))))
    mentions, entities = states
    torch.testing.assert_close(model.score(padded, entities).total, model.score(mentions, entities).total)


def test_every_weight_but_the_pools_direction_learns(model, make_side):
    scores, _ = model(make_side(5, 1, absent=(2,)), make_side(7, 2, absent=(0, 4)))
    scores.total.square().sum().backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert still == ["local.pool.score.weight"]
    assert not model.local.pool.score.weight.any()
    # A softmax over keys is blind to what all of them share.
    nought = [name for name, weight in model.named_parameters() if weight.grad is not None and not weight.grad.any()]
    assert set(nought) <= {"local.correlation.key.bias"}


@torch.no_grad()
def test_without_any_image_all_is_finite(model, make_side):
    mentions = model.encode_mentions(make_side(3, 1, absent=(0, 1, 2)))
    entities = model.encode_entities(make_side(4, 2, absent=(0, 1, 2, 3)))
    scores = model.score(mentions, entities)
    assert scores.total.isfinite().all()
    torch.testing.assert_close(scores.total, (scores.parts["T"] + scores.parts["C"]) / 2)
