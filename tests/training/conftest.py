"""A small run on a token track: four epochs of four steps, with dropout, so that every source of chance is met."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import set_seed

from otmel.data.token_track import TokenTrackSettings, token_track
from otmel.models.base import Side
from otmel.models.bundle import Bundle
from otmel.models.names import NameVectorizer
from otmel.models.otmel import OTMEL
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.models.tables import Table
from otmel.models.token_track import feature_widths, features
from otmel.ot import LearnedPool, Shape
from otmel.training.material import Material
from otmel.training.run import fit
from otmel.training.settings import RunSettings, TrainingSettings

STEPS, PER_EPOCH = 16, 4
MODEL = ModelSettings(
    hidden=8, pool=LearnedPool(), shape=Shape(residual=True, layer_norm=True, dropout=0.2), input_norm=True, bias=True
)
TRACK = TokenTrackSettings(entities=24, train=34, dev=10, test=0, dimensions=16, mention_without_image=0.1, seed=2)


@dataclass(frozen=True)
class AtBatch(Table):
    """A table that does something when its n-th batch is asked for."""

    number: int = 0
    happens: Callable[[Side], Side] = lambda side: side
    asked: list[int] | None = None

    def side(self, rows: Tensor) -> Side:
        assert self.asked is not None
        self.asked.append(1)
        side = super().side(rows)
        return self.happens(side) if len(self.asked) == self.number else side


def settings_of(**training: Any) -> RunSettings:
    """Settings of the run; ``training`` changes how it is trained."""
    how: dict[str, Any] = {"epochs": 4, "batch_size": 8, "learning_rate": 5e-3, "evaluate_every": 1, "patience": 9}
    how |= {"hard_negatives": 0, "validation": "dev"}
    return RunSettings(seed=5, model=MODEL, training=TrainingSettings(**how | training))


def material_of() -> Material:
    """Features of the small track; the last two training mentions never fill a batch."""
    track = token_track(TRACK)
    train, dev = track.splits["train"], track.splits["dev"]
    return Material(
        entities=features(track.entities),
        train=features(train),
        validation=features(dev),
        train_gold=train.gold,
        validation_gold=dev.gold,
        train_names=[f"mention {row}" for row in range(len(train))],
        negatives=np.zeros((len(train), 0), dtype=np.int64),
    )


def at_batch(number: int, happens: Callable[[Side], Side]) -> Material:
    """The material, with something happening at a training batch."""
    material = material_of()
    return replace(material, train=AtBatch(material.train.content, None, number, happens, []))


def trained(
    out: Path,
    *,
    material: Material | None = None,
    resume: bool = False,
    say: Callable[[str], object] = lambda _: None,
    see: Callable[[OTMEL], object] = lambda _: None,
    **training: Any,
) -> Bundle:
    """Train in ``out``, from the same start each time; ``see`` is shown the model before."""
    torch.set_num_threads(1)
    settings = settings_of(**training)
    set_seed(settings.seed)
    model = new_model(MODEL, widths=feature_widths(token_track(TRACK).entities))
    see(model)
    bundle = Bundle(model, None, NameVectorizer.fit(["a"]), {"settings": settings.model_dump(mode="json")})
    return fit(bundle, material or material_of(), settings, out, resume=resume, say=say)


def signalled(step: int, number: int) -> Callable[[OTMEL], object]:
    """In the forward pass of a step this process gets a signal."""
    passes: list[int] = []

    def hook(*_: object) -> None:
        passes.append(1)
        if len(passes) == step:
            os.kill(os.getpid(), number)

    return lambda model: model.register_forward_hook(hook)


@pytest.fixture
def train_small() -> Callable[..., Bundle]:
    return trained


@pytest.fixture
def with_batch() -> Callable[..., Material]:
    return at_batch


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as it goes when nothing happens, with a checkpoint at every second step: read only."""
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    trained(out, checkpoint_every=2)
    return out
