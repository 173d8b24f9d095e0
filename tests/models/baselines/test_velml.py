"""VELML: the laws of one vector per side, both kinds of attention as plain loops, and its small encoder."""

from __future__ import annotations

import math

import torch

from otmel.encoders import load_encoder
from otmel.encoders.vgg import VggModel
from otmel.models.base import Side
from otmel.models.baselines.velml import SYSTEM, VelmlSettings

SETTINGS = VelmlSettings(hidden=8)


def test_padding_neighbours_and_absent_images(build, obeys_the_laws):
    obeys_the_laws(build(SETTINGS))


@torch.no_grad()
def test_both_kinds_of_attention_are_the_equations(build, make_views):
    model, views = build(SETTINGS), make_views(4, 1, absent=(2,))
    vectors = model.encode_mentions(Side(views)).dense["F"]
    objects, (first, _, second) = model.objects, model.modal.weigh
    for row in range(4):
        t = model.text(views.text.cls[row])
        if not views.image.present[row]:
            torch.testing.assert_close(vectors[row], t)
            continue
        places = [model.image(place) for place in views.image.tokens[row][views.image.mask[row]]]
        worth = [
            objects.worth.weight[0] @ torch.tanh(objects.object(place) + objects.text.weight @ t) for place in places
        ]
        shares = [math.exp(float(each)) for each in worth]
        v = sum(share / sum(shares) * place for share, place in zip(shares, places, strict=True))
        text, image = second(torch.tanh(first(torch.cat([t, v])))).exp()
        torch.testing.assert_close(vectors[row], (text * t + image * v) / (text + image))


@torch.no_grad()
def test_a_vector_lies_between_text_and_objects(build, make_views):
    """Both attentions are means: of equal vectors each is that vector."""
    model, views = build(SETTINGS), make_views(3, 1)
    same = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = model.objects(same, same.unsqueeze(1).expand(-1, 4, -1), views.image.mask)
    torch.testing.assert_close(seen, same)
    torch.testing.assert_close(model.modal(same, same, views.image.present), same)


def test_gradients_reach_every_layer_even_beside_absent_images(build, make_views):
    model = build(SETTINGS).train()
    state = model.encode(Side(make_views(4, 1, absent=(2,))), receives=True).state
    state.dense["F"].square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


def test_the_small_encoder_keeps_the_text_tower_beside_a_vgg(tiny_encoder, tmp_path):
    encoder, processor = load_encoder(SYSTEM.small_encoder(tiny_encoder, tmp_path / "velml"))
    towers, _ = load_encoder(tiny_encoder)
    own = encoder.text_tower.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in towers.text_tower.state_dict().items())
    assert isinstance(encoder.vision_tower, VggModel)
    rows, columns = processor.patch_grid
    images = torch.zeros(1, 3, *processor.image_shape)
    assert encoder.vision_tower(pixel_values=images).last_hidden_state.shape[1] == rows * columns == 9
