"""The named points: all can be trained, and each is the point that its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otmel.models import family
from otmel.models.registry import new_model
from otmel.models.token_track import feature_widths, features
from otmel.objectives.total import total_loss
from otmel.ot import Attention, Transport
from otmel.training.batches import Collator
from otmel.training.settings import RELEASED

BASE = RELEASED.model.model_copy(update={"hidden": 8})
PLACES = {"messages": family.messages(BASE), "added": family.added(BASE), "alone": family.alone(BASE)}
POINTS = {f"{place}: {name}": model for place, made in PLACES.items() for name, model in made.items()}


@pytest.mark.parametrize("name", POINTS)
def test_every_point_learns_all_it_has_in_one_step(name, track):
    torch.manual_seed(0)
    model = new_model(POINTS[name], widths=feature_widths(track.entities)).train()
    gold = track.splits["train"].gold
    collate = Collator(
        features(track.splits["train"]), features(track.entities), gold, np.zeros((len(gold), 0), dtype=np.int64)
    )
    total_loss(model, collate(list(range(8)))["batch"]).total.backward()
    learned = {key: weight.grad for key, weight in model.named_parameters() if "adjustment" in key or "log_" in key}
    assert all(grad is not None and grad.isfinite().all() for grad in learned.values())
    assert bool(learned) == (not name.startswith("messages") or "learned" in name or "null" in name)


def test_the_base_is_the_released_model_untouched():
    assert family.messages(RELEASED.model)["balanced"] == RELEASED.model
    assert all(model.matching == RELEASED.model.matching for model in family.added(RELEASED.model).values())
    assert all(model.fusion is None and model.matching is None for model in PLACES["alone"].values())


def test_names_say_which_side_is_free():
    named = {name: model.matching for name, model in PLACES["messages"].items()}
    assert isinstance(named["attention"], Attention)
    relaxed = {name: one.solver.relax for name, one in named.items() if isinstance(one, Transport)}
    assert relaxed["balanced"] == (1, 1)
    assert relaxed["softmax"] == relaxed["null key"] == (1, 0)
    assert relaxed["half-relaxed columns"] == (1, 0.5)
    text = {name: one.text for name, one in family.interactions().items()}
    assert text["null key"].threshold == 0.2
    assert text["unbalanced"].solver.relax == (0.1, 0.9)
    assert family.interactions()["unbalanced"].vision.solver.relax == (0.9, 0.1)
