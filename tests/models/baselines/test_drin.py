"""DRIN's graph against a plain loop over vertices and edges; what a pair's score depends on; its training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from otmel.models.base import Side
from otmel.models.baselines.drin import Drin, DrinSettings
from otmel.objectives.total import TrainingBatch, total_loss
from otmel.types import Views


@pytest.fixture
def model(build) -> Drin:
    made = build(DrinSettings(hidden=8, candidates=3))
    with torch.no_grad():
        for layer in made.layers:  # so that the relations differ
            layer.scale += torch.arange(4.0).view(2, 2)
    return made


def test_the_first_stage_obeys_the_laws(model, obeys_the_laws):
    obeys_the_laws(model)


def score_of(model: Drin, mentions: Views, entities: Views, m: int, e: int) -> float:
    """A pair's score, one vertex and one edge at a time."""

    def vertices(views: Views, row: int) -> list[tuple[int, torch.Tensor]]:
        patches = model.image.tokens(views.image.tokens[row, views.image.mask[row]])
        return [(0, model.text(views.text.cls[row])), *((1, patch) for patch in patches)]

    sides = [vertices(mentions, m), vertices(entities, e)]
    edges = torch.zeros(len(sides[0]), len(sides[1]), dtype=torch.float64)
    for layer in model.layers:
        for i, (kind, x) in enumerate(sides[0]):
            for j, (other, y) in enumerate(sides[1]):
                edges[i, j] += layer.scale[kind, other] * torch.cosine_similarity(x, y, dim=0)
        moved: list[list[tuple[int, torch.Tensor]]] = [[], []]
        for i, (kind, x) in enumerate(sides[0]):
            total = torch.zeros(8, dtype=torch.float64)
            for weight, (other, y) in zip(edges[i].softmax(0), sides[1], strict=True):
                total += weight * layer.message[kind][other](y)
            moved[0].append((kind, layer.norm(x + total.relu())))
        for j, (kind, y) in enumerate(sides[1]):
            total = torch.zeros(8, dtype=torch.float64)
            for weight, (other, x) in zip(edges[:, j].softmax(0), sides[0], strict=True):
                total += weight * layer.message[other][kind](x)
            moved[1].append((kind, layer.norm(y + total.relu())))
        sides = moved
    return float(torch.cosine_similarity(sides[0][0][1], sides[1][0][1], dim=0) / 0.07)


@torch.no_grad()
def test_a_score_is_that_of_its_graph(model, make_views):
    mentions, entities = make_views(4, 1, absent=(2,)), make_views(5, 2, absent=(0, 3))
    m, e = torch.arange(4).repeat_interleave(5), torch.arange(5).repeat(4)
    scores = model.rescore(Side(mentions), Side(entities), (m, e))
    for pair, score in enumerate(scores.tolist()):
        assert score == pytest.approx(score_of(model, mentions, entities, int(m[pair]), int(e[pair])), rel=1e-6)


@torch.no_grad()
def test_a_score_depends_on_the_pair_alone(model, make_views):
    mentions, entities = make_views(4, 1, absent=(2,)), make_views(5, 2, absent=(0, 3))
    m, e = torch.tensor([0, 2, 3, 2]), torch.tensor([4, 0, 1, 2])
    together = model.rescore(Side(mentions), Side(entities), (m, e))
    first = torch.zeros(1, dtype=torch.long)
    for pair in range(4):
        one = Side(mentions[m[pair : pair + 1]]), Side(entities[e[pair : pair + 1]])
        torch.testing.assert_close(model.rescore(*one, (first, first))[0], together[pair])


@torch.no_grad()
def test_what_is_masked_has_no_say(model, make_views):
    mentions, entities = make_views(4, 1, absent=(2,)), make_views(4, 2, absent=(0, 2))
    pairs = torch.arange(4), torch.arange(4)
    noise = [
        replace(
            views, image=replace(views.image, tokens=views.image.tokens.masked_fill(~views.image.mask[..., None], 7))
        )
        for views in (mentions, entities)
    ]
    scores = model.rescore(Side(mentions), Side(entities), pairs)
    assert scores.isfinite().all()
    torch.testing.assert_close(model.rescore(Side(noise[0]), Side(noise[1]), pairs), scores)


def test_both_stages_are_trained(model, make_side):
    model.train()
    rows = torch.arange(7)
    batch = TrainingBatch(make_side(5, 1, absent=(2,)), make_side(7, 2, absent=(0, 4)), rows[:5], rows)
    losses = total_loss(model, batch)
    assert set(losses.terms) == {"O", "F", "R"}
    losses.total.backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    # Behind the last layer the image's vertices are not asked, so what images tell each other there is of no use.
    assert still == ["layers.1.message.1.1.weight"]
