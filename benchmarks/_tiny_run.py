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
from otmel.inputs import InputProcessor
from otmel.models.bundle import Bundle
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.training.settings import preset

TOWERS = TowerSettings(width=32, text_layers=1, vision_layers=1, heads=2, image_size=24, patch_size=8)


def tiny_run(folder: Path, words: Sequence[str], towers: TowerSettings = TOWERS) -> None:
    """Write a run of the default preset to ``folder``; ``words`` train its tokenizer, its weights are random."""
    settings = preset("default")
    tokenizer = train_tokenizer([*words, "Occupation: . Country: . Born: 0123456789. Number: "] * 4, vocabulary=400)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = CLIPModel(clip_config(towers, tokenizer))
        initialise(clip)
        model = new_model(settings.model, encoder=TwoTowerEncoder(clip.eval()))
    processor = InputProcessor(
        tokenizer, image_processor(towers.image_size), settings.inputs, patch_size=towers.patch_size
    )
    record = {"settings": settings.model_dump(mode="json"), "dataset": "generated"}
    Bundle(model.eval(), processor, NameVectorizer.fit(words), record).save(folder)
