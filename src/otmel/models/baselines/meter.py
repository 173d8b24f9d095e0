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
from torch import nn
from transformers import CLIPVisionConfig, PretrainedConfig, VisionTextDualEncoderConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Encoded, Side, State
from otmel.models.baselines.cross import CrossLayer, FusionSettings, with_summary
from otmel.models.baselines.roberta import published as roberta
from otmel.models.composition import Part
from otmel.models.config import LinkerConfig
from otmel.models.model import LinkerModel
from otmel.models.projection import Projection
from otmel.models.systems import System


class MeterSettings(FusionSettings):
    """Settings of METER; ``layers`` is 6 in its paper."""

    kind: Literal["meter"] = "meter"


class Meter(LinkerModel):
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

    @property
    def parts(self) -> tuple[Part, ...]:
        """One inner product."""
        return (Part("F", dense=1.0),)

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """``W [p_x; p_y]`` of one side; both sides alike."""
        views = self.views(side)
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
        fused = self.project(torch.cat([self.text_pooler(text[:, 0]), seen], 1))
        names = side.names if self.name_weight is not None else None
        return Encoded(State({"F": fused}, {}, present, names))


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
