"""One step of contrastive pretraining: its samples, its losses, its update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from otmel.encoders.contrast import contrast
from otmel.encoders.corpus import NONE, Corpus
from otmel.encoders.learners import Learner
from otmel.encoders.settings import PretrainSettings
from otmel.encoders.views import learning_rate
from otmel.errors import TrainingError

VIEW_SCALE = 10.0  # inverse temperature between two texts, or two images, of the same thing
SCALE_MOST = 4.0  # of the learned one between text and image, as a logarithm: 55
COLUMNS = TEXT, OTHER_TEXT, IMAGE, OTHER_IMAGE = 1, 2, 3, 4  # of a corpus's samples
PAIRS = {
    "text_image": ((TEXT, IMAGE), (OTHER_TEXT, OTHER_IMAGE), (TEXT, OTHER_IMAGE), (OTHER_TEXT, IMAGE)),
    "text_views": ((TEXT, OTHER_TEXT),),
    "image_views": ((IMAGE, OTHER_IMAGE),),
}
Encode: TypeAlias = Callable[[np.ndarray, np.random.Generator], Tensor]


def train_step(
    learner: Learner, corpus: Corpus, settings: PretrainSettings, optimizer: torch.optim.Optimizer, step: int
) -> dict[str, float]:
    """One optimiser step; its losses and learning rate.

    Raises:
        TrainingError: the loss is not finite, or nothing is to be learned.
    """
    random = np.random.default_rng([settings.seed, 1, step])  # of its own: a resumed run draws the same
    rows = rows_of(step, len(corpus.samples), settings)
    parts = contrasts(learner, corpus.samples[rows], settings, random)
    loss = torch.stack([getattr(settings, name) * part for name, part in parts.items()]).sum()
    if not torch.isfinite(loss):
        places = corpus.samples[rows][:5, 1]
        texts = ", ".join(repr(corpus.texts[place].name) for place in places)
        raise TrainingError(
            f"the loss of step {step} is {loss.item()}; its batch begins with the texts of {texts}",
            cure="lower learning_rate",
        )
    rate = learning_rate(step, settings.steps, settings.warmup, settings.learning_rate)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(learner.parameters, 1.0)
    optimizer.step()
    with torch.no_grad():
        learner.scale.clamp_(max=SCALE_MOST)
    return {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}, "learning_rate": rate}


def rows_of(step: int, samples: int, settings: PretrainSettings) -> np.ndarray:
    """The samples of a step: each epoch is a permutation of its own, and its last, incomplete batch is left out."""
    size = min(settings.batch, samples)
    epoch, place = divmod(step, samples // size)
    order = np.random.default_rng([settings.seed, 0, epoch]).permutation(samples)
    return order[place * size : (place + 1) * size]


def contrasts(
    learner: Learner, samples: np.ndarray, settings: PretrainSettings, random: np.random.Generator
) -> dict[str, Tensor]:
    """The contrasts that have a weight and at least two rows; all texts, and all images, in one pass.

    Between text and image, a sample's first pair has half of the weight and the crossed pairs the other half: these say
    most of the entities, but alone they would have the towers learn the training entities by heart.
    """
    things = torch.from_numpy(samples[:, 0])
    samples = samples.copy()
    samples[:, 3] = np.where(samples[:, 3] == NONE, samples[:, 4], samples[:, 3])
    if not settings.text_views:
        samples[:, 2] = NONE
    if not settings.image_views:
        samples[:, 4] = NONE
    has = torch.from_numpy(samples != NONE)
    texts = _both(learner.texts, samples[:, 1], samples[:, 2], random)
    images = _both(learner.images, samples[:, 3], samples[:, 4], random)
    views = dict(zip(COLUMNS, (*texts, *images), strict=True))
    losses = {}
    for name, pairs in PAIRS.items():
        scale = learner.scale.exp() if name == "text_image" else VIEW_SCALE
        found = []
        for a, b in pairs if getattr(settings, name) else ():
            rows = has[:, a] & has[:, b]
            if rows.sum() > 1:
                found.append(contrast(views[a][rows], views[b][rows], things[rows], scale))
        if found:
            first, *others = found
            losses[name] = (first + torch.stack(others).mean()) / 2 if others else first
    if not losses:
        raise TrainingError("no weight of a contrast is above 0 for which the data have pairs")
    return losses


def _both(encode: Encode, first: np.ndarray, second: np.ndarray, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Vectors of both columns of places, from one pass; zeros where a place is ``NONE``."""
    places = np.concatenate([first, second])
    present = torch.from_numpy(places != NONE)
    if not present.any():
        return torch.zeros(len(first), 1), torch.zeros(len(first), 1)
    vectors = encode(places[present.numpy()], random)
    spread = vectors.new_zeros(len(places), vectors.shape[1]).index_put((present,), vectors)
    return spread[: len(first)], spread[len(first) :]
