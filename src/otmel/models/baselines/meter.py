"""METER: co-attention between text and image, the row "METER" of Table 1 (App. B).

Dou et al., An Empirical Study of Training End-to-End Vision-and-Language Transformers, CVPR 2022, §3.1, "Multimodal
Fusion": in the co-attention model text and image are fed to transformer blocks of their own, which meet in
cross-attention. With ``x⁰ = [W t; W T]`` the text's summary and tokens and ``y⁰`` the image's, layer ``l`` is

    xˡ⁺¹ = FF(CrossAttention(SelfAttention(xˡ), yˡ)),    yˡ⁺¹ = FF(CrossAttention(SelfAttention(yˡ), xˡ)),

each step with residual and LayerNorm, with parameters of its own for each modality (``cross.CrossLayer``). The first
places of both are pooled, ``p = tanh(W_p x_0)``, joined, and ``score(m, e) = ⟨W [p_x; p_y]_m, W [p_x; p_y]_e⟩``.

Other than in the paper: two layers of width ``hidden`` by default, not six of 768, and they start from random weights,
for METER's own come from pretraining on image captions; without that pretraining's tasks (masked words and image–text
matching). Each sequence begins with the tower's summary, which for RoBERTa and CLIP's vision tower is their first token
once more. Where an image is missing the text's cross-attention adds nothing, and ``p_y`` is zero.
The paper itself could not be checked: its sections and equations are given as we know them.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPVisionConfig, PretrainedConfig, VisionTextDualEncoderConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.baselines.cross import CrossLayer, FusionSettings, with_summary
from otmel.models.baselines.roberta import published as roberta
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import Projection
from otmel.models.systems import System
from otmel.types import Views


class MeterSettings(FusionSettings):
    """Settings of METER; ``layers`` is 6 in its paper."""

    kind: Literal["meter"] = "meter"


class Meter(OneVector):
    """One vector of text and image together, one inner product per pair."""

    settings_class = MeterSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        width = self.settings.hidden
        self.text = Projection(self.widths.text, self.widths.text_cls, self.settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, self.settings)
        self.text_layers = nn.ModuleList(CrossLayer(self.settings) for _ in range(self.settings.layers))
        self.image_layers = nn.ModuleList(CrossLayer(self.settings) for _ in range(self.settings.layers))
        self.text_pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.image_pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.project = nn.Linear(2 * width, width, self.settings.bias)
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``W [p_x; p_y]`` of one side; both sides alike."""
        present = views.image.present
        (text, text_mask), (image, image_mask) = (
            with_summary(self.text(views.text)),
            with_summary(self.image(views.image)),
        )
        for read, see in zip(self.text_layers, self.image_layers, strict=True):
            before = text, text_mask
            text = read(before, (image, image_mask))
            image = see((image, image_mask), before)
        seen = self.image_pooler(image[:, 0]).masked_fill(~present.unsqueeze(1), 0)
        return self.project(torch.cat([self.text_pooler(text[:, 0]), seen], 1))


def published() -> PretrainedConfig:
    """The architectures of ``roberta-base`` and of the vision tower of ``openai/clip-vit-base-patch16``."""
    vision = CLIPVisionConfig(patch_size=16)
    return VisionTextDualEncoderConfig.from_vision_text_configs(vision, roberta())


SYSTEM = System(
    name="meter",
    title="METER",
    year=2022,
    citation="Dou, Xu, Gan, Wang, Wang, Wang, Zhu, Zhang, Yuan, Peng, Liu, Zeng. An Empirical Study of Training "
    "End-to-End Vision-and-Language Transformers. CVPR 2022.",
    settings=MeterSettings,
    model=Meter,
    reads=("text", "image"),
    encoder="roberta-base+openai/clip-vit-base-patch16",
    published=published,
    group="vision-language",
)
