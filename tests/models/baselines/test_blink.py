"""BLINK: two towers that begin as one, a cross-encoder that reads both texts, and what trains it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from otmel.encoders import Widths
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage
from otmel.models.base import Side
from otmel.models.baselines.blink import BlinkSettings, CrossEncoder
from otmel.models.registry import new_model
from otmel.models.tables import Table
from otmel.objectives.total import TrainingBatch, total_loss
from otmel.types import Elements, Views

SETTINGS = BlinkSettings(hidden=8, heads=2, candidates=4)


@pytest.fixture
def model(build):
    """With a second stage that has an opinion."""
    model = build(SETTINGS)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        model.cross.weight.weight.normal_()
        model.entity.weight.normal_()
    return model


@pytest.fixture
def sides(make_side):
    return make_side(4, 1), make_side(6, 2)


def every_pair(mentions: int, entities: int):
    grid = torch.cartesian_prod(torch.arange(mentions), torch.arange(entities))
    return grid[:, 0], grid[:, 1]


@torch.no_grad()
def test_the_first_stage_is_one_inner_product(model, sides):
    (m, e), norm = (side.content.text.cls for side in sides), model.norm
    expected = model.mention(norm(m)) @ model.entity(norm(e)).T
    scores = model.score(model.encode_mentions(sides[0]), model.encode_entities(sides[1])).total
    torch.testing.assert_close(scores, expected)


def test_at_first_both_towers_are_one_and_the_second_stage_says_what_the_first_does(build, sides):
    model = build(SETTINGS)
    assert torch.equal(model.mention.weight, model.entity.weight)
    assert model.mention.weight is not model.entity.weight
    first = model.score(model.encode_mentions(sides[0]), model.encode_entities(sides[1])).total
    torch.testing.assert_close(model.rescore(*sides, every_pair(4, 6)).view(4, 6), first)


@torch.no_grad()
def test_the_cross_encoder_against_a_plain_one_pair_at_a_time(model, sides):
    cross = model.cross
    found = cross(sides[0].content.text, sides[1].content.text, every_pair(4, 6)).view(4, 6)
    for m in range(4):
        for e in range(6):
            texts = []
            for side, row, segment in ((sides[0], m, 0), (sides[1], e, 1)):
                text = side.content.text
                texts.append(cross.project(text.tokens[row][text.mask[row]]) + cross.segments[segment])
            x = torch.cat([cross.cls[None], *texts])[None]
            for layer in cross.layers:
                x = layer.norms[0](x + layer.attention.heads(x, x, x, need_weights=False)[0])
                x = layer.norms[1](x + layer.feed(x))
            torch.testing.assert_close(found[m, e], x[0, 0] @ cross.weight.weight[0])


@torch.no_grad()
def test_padding_and_images_have_no_say(model, sides):
    pairs = every_pair(4, 6)
    views = sides[1].content
    text = views.text
    wide = Elements(
        torch.nn.functional.pad(text.tokens, (0, 0, 0, 3)).masked_fill(
            ~torch.nn.functional.pad(text.mask, (0, 3))[..., None], 7.0
        ),
        torch.nn.functional.pad(text.mask, (0, 3)),
        text.cls,
    )
    blind = replace(views.image, mask=torch.zeros_like(views.image.mask))
    other = sides[0], Side(Views(wide, blind))
    torch.testing.assert_close(model.rescore(*other, pairs), model.rescore(*sides, pairs))


@torch.no_grad()
def test_the_second_stage_is_not_symmetric(model, sides):
    one = model.cross(sides[0].content.text, sides[1].content.text, every_pair(4, 6)).view(4, 6)
    turned = model.cross(sides[1].content.text, sides[0].content.text, every_pair(6, 4)).view(6, 4)
    assert not torch.allclose(one, turned.T)


@torch.no_grad()
def test_the_first_score_is_added_or_left_out(model, sides):
    pairs = every_pair(4, 6)
    first = model.score(model.encode_mentions(sides[0]), model.encode_entities(sides[1])).total.flatten()
    both = model.rescore(*sides, pairs)
    model.settings = model.settings.model_copy(update={"first_score": False})
    torch.testing.assert_close(model.rescore(*sides, pairs), both - first)


def test_r_trains_the_cross_encoder_and_not_the_towers(model, sides):
    candidates = torch.tensor([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])
    model.second_stage_loss(*sides, candidates).backward()
    assert model.mention.weight.grad is None
    assert model.entity.weight.grad is None
    assert all(weight.grad is not None for weight in model.cross.parameters())


def test_it_is_trained_on_the_first_candidates_alone(build, sides):
    model = build(SETTINGS.model_copy(update={"trained_on": 2}))
    candidates = torch.tensor([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])
    cut = model.second_stage_loss(*sides, candidates[:, :2])
    assert torch.equal(model.second_stage_loss(*sides, candidates), cut)


@torch.no_grad()
def test_the_index_ranks_the_candidates_anew_and_only_those(model, sides):
    mentions, entities = sides
    index = EntityIndex.of(model.encode_entities(entities).to(torch.float32), model.composition())
    stage = SecondStage(model, Table(mentions.content, None), Table(entities.content, None))
    query = Query(6, np.zeros(4, dtype=np.int64))
    search = partial(index.search, model.encode_mentions(mentions).to(torch.float32))
    for row, (before, after) in enumerate(zip(search(query), stage.answers(search, query), strict=True)):
        rescored = model.rescore(mentions[row : row + 1], entities, every_pair(1, 6))
        assert after.rows[:4].tolist() == sorted(before.rows[:4].tolist(), key=lambda e, s=rescored: -s[e].item())
        assert after.rows[4:].tolist() == before.rows[4:].tolist()


def learnable(items: int, seed: int) -> tuple[Side, Side]:
    """Mentions and entities whose only token tells them apart by its sign pattern; the summaries say nothing."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(items, 1, 8, generator=generator).sign()
    mask, none = torch.ones(items, 1, dtype=torch.bool), torch.zeros(items, 8)
    image = Elements(torch.zeros(items, 1, 8), torch.zeros(items, 1, dtype=torch.bool), none)
    return tuple(Side(Views(Elements(t, mask, none), image)) for t in (tokens * tokens[0], tokens))  # type: ignore


def test_the_cross_encoder_learns_what_the_first_stage_cannot_see():
    torch.manual_seed(0)
    model = new_model(
        BlinkSettings(hidden=16, heads=2, dropout=0, input_norm=False, candidates=8), widths=Widths(8, 8, 8, 8)
    )
    mentions, entities = learnable(8, 0)
    batch = TrainingBatch(mentions, entities, torch.arange(8), torch.arange(8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    before = total_loss(model, batch).terms["R"].item()
    for _ in range(120):
        optimizer.zero_grad()
        total_loss(model, batch).total.backward()
        optimizer.step()
    losses = total_loss(model, batch).terms
    assert before == pytest.approx(np.log(8), abs=1e-4)
    assert losses["O"].item() == pytest.approx(np.log(8), abs=1e-3)
    assert losses["R"].item() < 0.5 * before
    assert isinstance(model.cross, CrossEncoder)
