"""The two things pretraining can train: a small CLIP, or a vision tower beside a frozen text tower."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import (
    CLIPModel,
    CLIPVisionModel,
    PreTrainedModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)

from otmel.data.progress import tracked
from otmel.encoders.corpus import Corpus, Text
from otmel.encoders.loading import read_tower, resolve
from otmel.encoders.settings import PretrainSettings
from otmel.encoders.tiny import clip_config, image_processor, initialise, vision_config
from otmel.encoders.tokenizer import train_tokenizer
from otmel.encoders.towers import TwoTowerEncoder
from otmel.encoders.views import view_of_images, view_of_text
from otmel.inputs import InputProcessor
from otmel.inputs.pretrained import quiet
from otmel.inputs.processor import read_tokenizer
from otmel.types import Batch


@dataclass(frozen=True)
class Parts:
    """What a learner is made of."""

    model: PreTrainedModel
    processor: InputProcessor
    corpus: Corpus
    settings: PretrainSettings


class Learner(ABC):
    """An encoder in training: vectors of texts and of images in the space that both share.

    Attributes:
        encoder: what is trained; its summaries are the projected ones.
        processor: of its inputs.
        scale: logarithm of the inverse temperature between text and image.
    """

    def __init__(self, parts: Parts) -> None:
        self.encoder, self.processor = TwoTowerEncoder(parts.model, "pooled"), parts.processor
        self.corpus, self.settings = parts.corpus, parts.settings
        self.scale: nn.Parameter = parts.model.get_parameter("logit_scale")
        images = parts.processor.image_processor
        self._mean, self._std = (
            torch.tensor(getattr(images, name))[:, None, None] for name in ("image_mean", "image_std")
        )
        self._images = torch.from_numpy(parts.corpus.images)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser changes."""
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]

    @abstractmethod
    def texts(self, places: np.ndarray, random: np.random.Generator | None) -> Float[Tensor, "B c"]:
        """Vectors of the texts at ``places``: random views of them, or without ``random`` the whole texts."""

    def images(self, places: np.ndarray, random: np.random.Generator | None) -> Float[Tensor, "B c"]:
        """Vectors of the images at ``places``: random views of them, or without ``random`` the whole images."""
        chosen = self._images[torch.from_numpy(places)]
        if random is None:
            pixels = chosen.permute(0, 3, 1, 2).float() / 255
        else:
            pixels = view_of_images(chosen, self.settings.views, random)
        present = torch.ones(len(places), dtype=torch.bool)
        nothing = torch.zeros(len(places), 1, dtype=torch.long)
        return self.encoder.image(Batch(nothing, nothing.bool(), (pixels - self._mean) / self._std, present)).cls


class ClipLearner(Learner):
    """Trains both towers."""

    def texts(self, places: np.ndarray, random: np.random.Generator | None) -> Float[Tensor, "B c"]:
        """See ``Learner.texts``."""
        chosen = [self.corpus.texts[place] for place in places]
        if random is None:
            wordings = [(text.name, text.context) for text in chosen]
        else:
            wordings = [view_of_text(text, self.settings.views, random) for text in chosen]
        return self.encoder.text(self.processor.texts(wordings)).cls


class VisionLearner(Learner):
    """Trains the vision tower and both projections; the text tower's outputs are computed once."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.encoder.text_tower.requires_grad_(False)
        self._table = self._summaries(parts.corpus.texts)

    @torch.no_grad()
    def _summaries(self, texts: tuple[Text, ...]) -> Float[Tensor, "N d"]:
        """Unprojected summaries of all texts, those of like length together to save padding."""
        reader = TwoTowerEncoder(self.encoder.model, "output")
        order = np.argsort([len(text.context) for text in texts], kind="stable")
        parts = np.array_split(order, -(-len(order) // 64))
        table = torch.zeros(len(texts), reader.widths.text_cls)
        for part in tracked(parts, len(parts), "reading texts"):
            batch = self.processor.texts([(texts[place].name, texts[place].context) for place in part])
            table[torch.from_numpy(part)] = reader.text(batch).cls
        return table

    def texts(self, places: np.ndarray, random: np.random.Generator | None) -> Float[Tensor, "B c"]:
        """See ``Learner.texts``; frozen texts have one view."""
        projection: nn.Module = self.encoder.model.get_submodule("text_projection")
        return projection(self._table[torch.from_numpy(places)])


def make_learner(corpus: Corpus, settings: PretrainSettings) -> Learner:
    """The learner that ``settings.text`` asks for, with initial weights from ``settings.seed``."""
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(settings.seed)
        if not settings.text:
            return _clip(corpus, settings)
        return _beside(resolve(settings.text), corpus, settings)


def _clip(corpus: Corpus, settings: PretrainSettings) -> Learner:
    towers = settings.towers
    tokenizer = train_tokenizer(corpus.words(), settings.vocabulary, towers.text_positions)
    model = CLIPModel(clip_config(towers, tokenizer))
    initialise(model)
    images = image_processor(towers.image_size)
    processor = InputProcessor(tokenizer, images, settings.inputs, patch_size=towers.patch_size)
    return ClipLearner(Parts(model, processor, corpus, settings))


def _beside(name: str, corpus: Corpus, settings: PretrainSettings) -> Learner:
    towers = settings.towers
    text = read_tower(name, "text")
    text.config.text_pooling = "mean"
    vision = CLIPVisionModel(vision_config(towers))
    initialise(vision)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        vision.config, text.config, projection_dim=towers.width
    )
    model = VisionTextDualEncoderModel(config, vision_model=vision, text_model=text)
    model.eval()
    processor = InputProcessor(
        read_tokenizer(name), image_processor(towers.image_size), settings.inputs, patch_size=towers.patch_size
    )
    return VisionLearner(Parts(model, processor, corpus, settings))
