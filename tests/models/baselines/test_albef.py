"""ALBEF: the laws of one vector per side, its loss as a plain loop, and a teacher that follows once a step."""

from __future__ import annotations

import copy
import math
import shutil

import pytest
import torch

from otmel.data.datasets import load_dataset
from otmel.models.base import Side
from otmel.models.baselines.albef import Albef, AlbefSettings
from otmel.models.bundle import WEIGHTS_FILE
from otmel.settings import overridden
from otmel.training.optimizer import optimizer
from otmel.training.run import train
from otmel.training.settings import preset

SETTINGS = AlbefSettings(hidden=8, heads=2, layers=1, dropout=0.0)


@pytest.fixture
def model(build) -> Albef:
    """With a teacher that differs from the model."""
    made = build(SETTINGS)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for weight in made.teacher.parameters():
            weight.add_(torch.randn_like(weight) / 4)
    return made


def test_padding_neighbours_and_absent_images(model, obeys_the_laws):
    obeys_the_laws(model)


@torch.no_grad()
def test_the_fused_vector_is_the_papers(model, make_views):
    views = make_views(3, 1)
    vectors = model.encode_mentions(Side(views)).dense["F"]
    for row in range(3):
        one = views[row : row + 1]
        text, image = model.text(one.text), model.image(one.image)
        x = torch.cat([text.cls, text.tokens[0][one.text.mask[0]]])[None]
        y = torch.cat([image.cls, image.tokens[0][one.image.mask[0]]])[None]
        x = model.layers[0]((x, torch.ones(x.shape[:2]).bool()), (y, torch.ones(y.shape[:2]).bool()))
        torch.testing.assert_close(vectors[row], model.project(x[0, 0]))


def unit(layer: torch.nn.Linear, vector: torch.Tensor) -> torch.Tensor:
    made = layer(vector)
    return made / made.norm()


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
@torch.no_grad()
def test_the_loss_is_eq_6(model, make_views, alpha):
    model.settings = model.settings.model_copy(update={"distillation": alpha})
    views = make_views(5, 1, absent=(3,))
    rows = [0, 1, 2, 4]
    tau, total = float(model.temperature), 0.0
    for a, b in (("V", "T"), ("T", "V")):
        first, second = ((views.image, views.text), (views.text, views.image))[a == "T"]
        for i in rows:
            own, taught = unit(model.align[a], first.cls[i]), unit(model.teacher[a], first.cls[i])
            others = [unit(model.teacher[b], second.cls[j]) for j in rows]
            p = [math.exp(float(own @ other) / tau) for other in others]
            q = [math.exp(float(taught @ other) / tau) for other in others]
            p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
            itc = -math.log(p[rows.index(i)])
            kl = sum(y * math.log(y / x) for x, y in zip(p, q, strict=True))
            total += ((1 - alpha) / 2 * itc + alpha / 2 * kl) / len(rows)
    assert float(model.auxiliary(views)) == pytest.approx(total, rel=1e-9)


def test_without_two_images_there_is_nothing_to_contrast(model, make_views):
    assert model.auxiliary(make_views(3, 1, absent=(0, 2))) is None
    model.train()
    assert model.encode(Side(make_views(3, 1, absent=(0, 1, 2))), receives=True).auxiliary is None
    assert model.encode(Side(make_views(3, 1)), receives=True).auxiliary is not None
    assert model.eval().encode(Side(make_views(3, 1)), receives=True).auxiliary is None


def test_the_teacher_follows_once_a_step_in_training_alone(model, make_side):
    start, mu = copy.deepcopy(model.teacher), SETTINGS.momentum
    sides = make_side(3, 1), make_side(4, 2)
    model.eval()(*sides)
    model.train().encode_mentions(sides[0])
    for old, new in zip(start.parameters(), model.teacher.parameters(), strict=True):
        assert torch.equal(old, new)
    for _ in range(3):
        model(*sides)
    for old, new, own in zip(start.parameters(), model.teacher.parameters(), model.align.parameters(), strict=True):
        torch.testing.assert_close(new, mu**3 * old + (1 - mu**3) * own)


def test_the_teacher_is_saved_and_not_trained(model, make_side):
    model.train()
    scores, losses = model(make_side(3, 1), make_side(4, 2))
    loss = scores.total.sum() + (sum(losses.values()) if isinstance(losses, dict) else losses)
    loss.backward()
    trained = {
        id(weight) for group in optimizer(model, preset("default").training).param_groups for weight in group["params"]
    }
    for name, weight in model.named_parameters():
        taught = name.startswith("teacher.")
        assert (weight.grad is None) == taught, name
        assert (id(weight) in trained) != taught, name
    assert {name for name in model.state_dict() if name.startswith("teacher.")} == {
        f"teacher.{part}.{kind}" for part in "TV" for kind in ("weight", "bias")
    }


def test_a_fresh_teacher_is_the_model(build):
    fresh = build(SETTINGS)
    for one, other in zip(fresh.teacher.parameters(), fresh.align.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


@pytest.mark.slow
def test_resumed_training_ends_in_the_same_bits(tiny_world, tiny_encoder, tmp_path):
    base = preset("default", system_name="albef").model_copy(update={"encoder": str(tiny_encoder)})
    short = ("training.epochs=2", "training.batch_size=12", "training.validation=dev", "model.hidden=16")
    settings, world = overridden(base, [*short, "training.evaluate_every=1"]), load_dataset(tiny_world)
    train(world, settings, tmp_path / "whole", say=lambda line: None)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "checkpoint-4")
    (tmp_path / "cut" / WEIGHTS_FILE).unlink()
    said: list[str] = []
    train(world, settings, tmp_path / "cut", resume=True, say=said.append)
    assert "resuming after step 2" in said
    assert (tmp_path / "cut" / WEIGHTS_FILE).read_bytes() == (tmp_path / "whole" / WEIGHTS_FILE).read_bytes()
