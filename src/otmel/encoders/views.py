"""Random views of texts and images for contrastive pretraining."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from otmel.encoders.corpus import Text
from otmel.encoders.settings import ViewSettings


def view_of_text(text: Text, views: ViewSettings, random: np.random.Generator) -> tuple[str, str]:
    """Name and context of ``text`` with attributes, words or the name left out at random, never all of them."""
    if not text.entity:
        return text.name, _thinned(text.context, views.drop_word, random)
    parts = [part for part in text.context.split(". ") if part]
    kept = [part for part in parts if random.random() >= views.drop_attribute]
    random.shuffle(kept)
    name = text.name
    if text.aliases and random.random() < 0.5:
        name = text.aliases[random.integers(len(text.aliases))]
    if kept and random.random() < views.drop_name:
        name = ""
    return name, ". ".join(kept)


def _thinned(text: str, share: float, random: np.random.Generator) -> str:
    words = text.split()
    kept = [word for word, chance in zip(words, random.random(len(words)), strict=True) if chance >= share]
    return " ".join(kept)


def view_of_images(
    images: UInt8[Tensor, "B S S 3"], views: ViewSettings, random: np.random.Generator
) -> Float[Tensor, "B 3 S S"]:
    """Each image cropped, turned, mirrored and relit at random; values in [0, 1]."""
    count = len(images)
    pixels = images.permute(0, 3, 1, 2).float() / 255
    grid = affine_grid(_placements(count, views, random), list(pixels.shape), align_corners=False)
    pixels = grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    light = torch.from_numpy(1 + views.light * random.uniform(-1, 1, (2, count, 1, 1, 1))).float()
    grey = pixels.mean((1, 2, 3), keepdim=True)
    return (((pixels - grey) * light[0] + grey) * light[1]).clamp(0, 1)


def _placements(count: int, views: ViewSettings, random: np.random.Generator) -> Float[Tensor, "B 2 3"]:
    """Affine maps from the view's coordinates to the image's, both in [-1, 1]."""
    scale = 1 - views.zoom * random.random(count)
    shift = (1 - scale) * random.uniform(-1, 1, (2, count))
    angle = views.turn * random.uniform(-1, 1, count)
    mirror = np.where(random.random(count) < views.flip, -1.0, 1.0)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    rows = [[mirror * cosine, -sine, shift[0]], [mirror * sine, cosine, shift[1]]]
    return torch.from_numpy(np.stack([np.stack(row, -1) for row in rows], 1)).float()


def learning_rate(step: int, steps: int, warmup: int, highest: float) -> float:
    """Linear rise over ``warmup`` steps, then a cosine down to 2 % of ``highest``."""
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return highest * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
