"""GHMFC's levels, gate and contrast against plain loops; padding and missing images."""

from __future__ import annotations

import math

import pytest
import torch

from otmel.encoders import Widths
from otmel.models.base import Side
from otmel.models.baselines.ghmfc import Ghmfc, GhmfcSettings
from otmel.models.registry import new_model
from otmel.types import Elements, Views

WIDTHS = Widths(text=10, image=12, text_cls=9, image_cls=11)


@pytest.fixture
def model() -> Ghmfc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = new_model(GhmfcSettings(hidden=8, heads=2), widths=WIDTHS)
    assert isinstance(made, Ghmfc)
    return made.double().eval()


@torch.no_grad()
def test_a_phrase_is_the_strongest_of_three_windows(model, make_views):
    views = make_views(5, 1)
    words = model.text(views.text)
    phrases = model.phrases(words)
    for row in range(5):
        count = int(views.text.mask[row].sum())
        for place in range(count):
            read = []
            for conv in model.phrases.windows:
                size = conv.kernel_size[0]
                total = conv.bias.clone()
                for step in range(size):
                    if place + step < count:
                        total += conv.weight[:, :, step] @ words.tokens[row, place + step]
                read.append(total.tanh())
            expected = torch.stack(read).max(0).values
            torch.testing.assert_close(phrases.tokens[row, place], expected, atol=1e-12, rtol=0)


@torch.no_grad()
def test_a_guide_adds_what_it_found(model, make_views):
    views = make_views(4, 1)
    text, image = model.text(views.text), model.image(views.image)
    layer = model.words_meet.by_text[0]
    heads = layer.look.heads
    got = layer(text, image)
    (wq, wk, wv), (bq, bk, bv) = heads.in_proj_weight.split(8), heads.in_proj_bias.split(8)
    for row in range(4):
        words, patches = text.tokens[row, text.mask[row]], image.tokens[row, image.mask[row]]
        found = []
        for part in (slice(0, 4), slice(4, 8)):
            q, k, v = (words @ wq.T + bq)[:, part], (patches @ wk.T + bk)[:, part], (patches @ wv.T + bv)[:, part]
            found.append((q @ k.T / math.sqrt(4)).softmax(-1) @ v)
        x = layer.norms[0](words + heads.out_proj(torch.cat(found, -1)))
        torch.testing.assert_close(got.tokens[row, text.mask[row]], layer.norms[1](x + layer.feed(x)))


@torch.no_grad()
def test_the_gate_weighs_both_directions(model):
    fusion, generator = model.fusion, torch.Generator().manual_seed(3)
    a1, b1, a2, b2 = torch.randn(4, 3, 8, generator=generator, dtype=torch.float64)
    fused = fusion([(a1, b1), (a2, b2)], torch.tensor([True, True, False]))
    a, b = fusion.levels[0](torch.cat([a1, a2], -1)), fusion.levels[1](torch.cat([b1, b2], -1))
    gate = 1 / (1 + torch.exp(-fusion.gate(torch.cat([a, b], -1))))
    text, image = torch.tanh(fusion.enter[0](a)), torch.tanh(fusion.enter[1](b))
    torch.testing.assert_close(fused[:2], (gate * text + (1 - gate) * image)[:2])
    torch.testing.assert_close(fused[2], text[2])


@torch.no_grad()
def test_a_score_is_a_scaled_cosine(model, make_side):
    mentions, entities = model.encode_mentions(make_side(5, 1, absent=(2,))), model.encode_entities(make_side(7, 2))
    scores = model.score(mentions, entities).total
    unit = torch.nn.functional.normalize(mentions.dense["F"], dim=-1) @ entities.dense["F"].T
    torch.testing.assert_close(entities.dense["F"].norm(dim=-1), torch.ones(7, dtype=torch.float64))
    torch.testing.assert_close(scores, unit / 0.07, rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_both_sides_are_encoded_alike(model, make_side):
    sent, got = model.encode_mentions(make_side(5, 1)), model.encode_entities(make_side(5, 1))
    torch.testing.assert_close(sent.dense["F"] * 0.07, got.dense["F"], rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_a_missing_image_is_no_influence_and_no_nan(model, make_views):
    views = make_views(3, 1, absent=(0, 1, 2))
    noisy = Elements(views.image.tokens + 5, views.image.mask, views.image.cls - 3)
    first, second = (model.encode_entities(Side(Views(views.text, image))) for image in (views.image, noisy))
    assert first.dense["F"].isfinite().all()
    torch.testing.assert_close(first.dense["F"], second.dense["F"])


def wider(elements: Elements) -> Elements:
    """The same elements with two more columns of padding that holds noise."""
    noise = torch.full_like(elements.tokens[:, :2], 9.0)
    mask = torch.nn.functional.pad(elements.mask, (0, 2))
    return Elements(torch.cat([elements.tokens, noise], 1), mask, elements.cls)


@torch.no_grad()
def test_padding_has_no_influence(model, make_views):
    views = make_views(5, 1, absent=(2,))
    padded = Side(Views(wider(views.text), wider(views.image)))
    torch.testing.assert_close(model.encode_mentions(padded).dense["F"], model.encode_mentions(Side(views)).dense["F"])


@torch.no_grad()
def test_the_contrast_is_between_text_and_image_of_the_rows_that_have_both(model, make_views):
    model.train()
    views = make_views(5, 1, absent=(2,))
    loss = model.encode(Side(views), receives=True).auxiliary
    text, image = model.text(views.text).cls, model.image(views.image).cls
    total, rows = 0.0, [0, 1, 3, 4]
    for a, b in ((text, image), (image, text)):
        for row in rows:
            cosines = torch.stack([torch.cosine_similarity(a[row], b[other], dim=0) for other in rows]) / 0.07
            total += float(cosines.logsumexp(0) - cosines[rows.index(row)]) / len(rows) / 2
    assert float(loss.value()) == pytest.approx(0.1 * total, rel=1e-6)


def test_the_contrast_needs_two_images_and_a_weight(model, make_side):
    assert model.encode(make_side(3, 1), receives=True).auxiliary is None  # not in training
    model.train()
    assert model.encode(make_side(3, 1, absent=(0, 1)), receives=True).auxiliary is None
    model.settings = model.settings.model_copy(update={"contrast": 0.0})
    assert model.encode(make_side(3, 1), receives=True).auxiliary is None


def test_every_weight_learns(model, make_side):
    model.train()
    scores, _ = model(make_side(5, 1, absent=(2,)), make_side(7, 2, absent=(0, 4)))
    scores.total.square().sum().backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert all(name.split(".")[1] == "cls" for name in still)  # the summaries are in the contrast alone
