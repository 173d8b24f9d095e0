"""VELML: words and objects under attention, the row "VELML" of Table 1 (App. B).

Zheng, Wen, Wang, Qi: Visual Entity Linking via Multi-modal Learning, Data Intelligence 4(1), 2022: features of objects
from VGG-16, of text from a GRU, aggregated by a "deep modal-attention neural network" that learns to rank. As in the
paper's Appendix B, BERT takes the place of the GRU. Objects are the 7×7 places of VGG-16's last grid, for nobody marks
objects here. With ``t`` the text's summary and ``V_j`` the places, projected to ``d`` channels,

    object attention    a_j = softmax_j(uᵀ tanh(W_o V_j + W_t t)),          v = Σ_j a_j V_j,
    modal attention     (α_t, α_v) = softmax(W_2 tanh(W_1 [t; v])),         f = α_t t + α_v v,
    score               ⟨f_m, f_e⟩.

Where an image is missing ``α_v = 0``, so ``f = t``. Of the cited paper only the abstract was at hand: both kinds of
attention are those its words (and the "enhanced attention" of Appendix B) name, in the additive form usual at the time;
its features of the knowledge graph are left out, for mentions have none; the loss is that of all systems, Eq. 26–27.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import BertConfig, PretrainedConfig, VisionTextDualEncoderConfig, VisionTextDualEncoderModel

from otmel.encoders import TwoTowerEncoder
from otmel.encoders.vgg import VggConfig, VggModel
from otmel.inputs import InputProcessor
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import entrance
from otmel.models.settings import SystemSettings
from otmel.models.systems import System
from otmel.ot.numerics import far
from otmel.types import Views


class VelmlSettings(SystemSettings):
    """Settings of VELML; none beyond those that every system has."""

    kind: Literal["velml"] = "velml"


class ObjectAttention(nn.Module):
    """What the text looks for in an image."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.object, self.text = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.worth = nn.Linear(hidden, 1, bias=False)

    def forward(
        self, text: Float[Tensor, "B d"], places: Float[Tensor, "B L d"], mask: Bool[Tensor, "B L"]
    ) -> Float[Tensor, "B d"]:
        """``v``; zero where there is no image."""
        worth = self.worth((self.object(places) + self.text(text).unsqueeze(1)).tanh()).squeeze(-1)
        share = worth.masked_fill(~mask, far(worth.dtype)).softmax(1) * mask
        return (share.unsqueeze(1) @ places).squeeze(1)


class ModalAttention(nn.Module):
    """How much text and image count."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(
        self, text: Float[Tensor, "B d"], image: Float[Tensor, "B d"], present: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B d"]:
        """``f``; the text alone where ``present`` is ``False``."""
        there = torch.stack([torch.ones_like(present), present], 1)
        weights = self.weigh(torch.cat([text, image], 1)).masked_fill(~there, float("-inf")).softmax(1)
        return weights[:, :1] * text + weights[:, 1:] * image


class Velml(OneVector):
    """One vector of text and objects, one inner product per pair."""

    settings_class = VelmlSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        self.text = entrance(self.widths.text_cls, self.settings)
        self.image = entrance(self.widths.image, self.settings)
        self.objects, self.modal = ObjectAttention(self.settings.hidden), ModalAttention(self.settings.hidden)
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``f`` of one side; both sides alike."""
        text, places, present = self.text(views.text.cls), self.image(views.image.tokens), views.image.present
        return self.modal(text, self.objects(text, places, views.image.mask), present)


def published() -> PretrainedConfig:
    """The architectures of ``bert-base-uncased`` and of VGG-16."""
    return VisionTextDualEncoderConfig.from_vision_text_configs(VggConfig(), BertConfig())


def small(towers: TwoTowerEncoder, processor: InputProcessor) -> VisionTextDualEncoderModel:
    """The text tower as it is, beside a VGG of few channels in random weights for the same images."""
    size = processor.image_shape[0]
    blocks = max(1, (processor.patch_size or 8).bit_length() - 1)
    config = VggConfig(
        blocks=[[16 * 2**block] for block in range(blocks)],
        hidden_size=towers.widths.text,
        grid=max(1, size >> blocks),
        classes=2,
        image_size=size,
    )
    return VisionTextDualEncoderModel(text_model=towers.text_tower, vision_model=VggModel(config))


SYSTEM = System(
    name="velml",
    title="VELML",
    year=2022,
    citation="Zheng, Wen, Wang, Qi. Visual Entity Linking via Multi-modal Learning. Data Intelligence 4(1), 2022.",
    settings=VelmlSettings,
    model=Velml,
    reads=("text", "image"),
    encoder="bert-base-uncased+vgg16",
    published=published,
    small=small,
)
