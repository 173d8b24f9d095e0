"""ViLT's linker: one linear layer over the joint encoder's pooled vector; its small encoder reads offline data."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from otmel.data.datasets import load_dataset
from otmel.data.records import Mention
from otmel.encoders import load_encoder
from otmel.models.base import Side
from otmel.models.baselines.vilt import SYSTEM, ViltSettings
from otmel.models.registry import new_model
from otmel.models.tables import held, mention_table
from otmel.types import Views

RED, BLUE = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
MENTIONS = [Mention("pilot", "in red", image=RED), Mention("pilot", "in red", image=BLUE), Mention("pilot", "in red")]


@pytest.fixture(scope="module")
def encoder(tiny_encoder, tmp_path_factory):
    """The small ViLT and its processor."""
    folder = SYSTEM.small_encoder(tiny_encoder, tmp_path_factory.mktemp("vilt") / "encoder")
    return load_encoder(folder, cls=ViltSettings().cls)


@torch.no_grad()
def test_the_score_is_an_inner_product_of_pooled_vectors(build, make_views):
    model = build(ViltSettings(hidden=8))
    mentions, entities = make_views(5, 1, absent=(2,)), make_views(4, 2)
    scores = model.score(model.encode_mentions(Side(mentions)), model.encode_entities(Side(entities))).total
    norm, linear = model.project

    def vector(p: torch.Tensor) -> torch.Tensor:
        centred = p - p.mean()
        scaled = centred / (centred.square().mean() + norm.eps).sqrt() * norm.weight + norm.bias
        return linear.weight @ scaled + linear.bias

    for row in range(5):
        for column in range(4):
            expected = vector(mentions.text.cls[row]) @ vector(entities.text.cls[column])
            torch.testing.assert_close(scores[row, column], expected)


@torch.no_grad()
def test_only_the_pooled_vector_counts(build, make_views):
    model, views = build(ViltSettings(hidden=8)), make_views(5, 1)
    other = make_views(5, 2)
    mixed = Views(replace(other.text, cls=views.text.cls), other.image)
    one, two = (model.encode_mentions(Side(each)).dense["F"] for each in (views, mixed))
    assert torch.equal(one, two)


@torch.no_grad()
def test_image_and_text_are_read_together(encoder):
    towers, processor = encoder
    model = new_model(ViltSettings(hidden=8), encoder=towers).eval()
    state = model.encode_mentions(Side(processor.mentions(MENTIONS)))
    red, blue, none = state.dense["F"]
    assert state.has_image.tolist() == [True, True, False]
    assert not torch.allclose(red, blue, atol=1e-3)
    assert not torch.allclose(red, none, atol=1e-3)
    alone = model.encode_mentions(Side(processor.mentions(MENTIONS[2:]))).dense["F"][0]
    torch.testing.assert_close(none, alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_features_held_in_memory_give_the_same_vectors(encoder, tiny_world):
    towers, processor = encoder
    model = new_model(ViltSettings(hidden=8), encoder=towers.requires_grad_(False)).eval()
    table = mention_table(load_dataset(tiny_world).split("test"), processor, None)
    rows = torch.arange(len(table))
    live, kept = (model.encode_mentions(each.side(rows)).dense["F"] for each in (table, held(table, model, batch=3)))
    torch.testing.assert_close(live, kept, atol=1e-5, rtol=0)


def test_the_small_encoder_is_the_same_each_time(tiny_encoder, tmp_path):
    folders = [SYSTEM.small_encoder(tiny_encoder, tmp_path / name) for name in "ab"]
    one, two = (load_encoder(folder)[0].model.state_dict() for folder in folders)
    assert all(torch.equal(value, two[key]) for key, value in one.items())
