"""A run with a tiny encoder of random weights: what indexing costs beside the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import CLIPModel

from otmel.encoders import TwoTowerEncoder
from otmel.encoders.settings import TowerSettings
from otmel.encoders.tiny import clip_config, image_processor, initialise
from otmel.encoders.tokenizer import train_tokenizer
from otmel.inputs import InputProcessor, InputSettings
from otmel.models.bundle import Bundle
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.training.settings import preset

TOWERS = TowerSettings(width=32, text_layers=1, vision_layers=1, heads=2, image_size=24, patch_size=8)


def tiny_run(folder: Path, words: Sequence[str], towers: TowerSettings = TOWERS) -> None:
    """Write a run of the default preset to ``folder``; ``words`` train its tokenizer, its weights are random."""
    settings = preset("default")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, processor = random_clip(words, towers, settings.inputs)
        model = new_model(settings.model, encoder=encoder)
    record = {"settings": settings.model_dump(mode="json"), "dataset": "generated"}
    Bundle(model.eval(), processor, NameVectorizer.fit(words), record).save(folder)


def random_clip(
    words: Sequence[str], towers: TowerSettings, inputs: InputSettings | None = None
) -> tuple[TwoTowerEncoder, InputProcessor]:
    """A CLIP of random weights with its processor; ``words`` train its tokenizer."""
    tokenizer = train_tokenizer([*words, "Occupation: . Country: . Born: 0123456789. Number: "] * 4, vocabulary=400)
    clip = CLIPModel(clip_config(towers, tokenizer))
    initialise(clip)
    processor = InputProcessor(tokenizer, image_processor(towers.image_size), inputs, patch_size=towers.patch_size)
    return TwoTowerEncoder(clip.eval()), processor
