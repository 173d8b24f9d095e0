"""CLIP: text against text and image against image in CLIP's own space, the row "CLIP" of Table 1 (App. B).

``score(m, e) = e^s [cos(W_t t_m, W_t t_e) + cos(W_v v_m, W_v v_e)]`` with the pooled embeddings of both towers of
Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, and ``s`` their
learned temperature. Where an image is missing the text alone counts, twice. The linear layers are ours.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import CLIPConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Encoded, Side
from otmel.models.composition import Part
from otmel.models.config import LinkerConfig
from otmel.models.model import LinkerModel
from otmel.models.projection import entrance
from otmel.models.settings import SystemSettings
from otmel.models.systems import System

LARGEST_SCALE = math.log(100)
"""Beyond it CLIP's training is clipped."""


class ClipSettings(SystemSettings):
    """Settings of CLIP: its projected embeddings, which need no further LayerNorm."""

    kind: Literal["clip"] = "clip"
    cls: Literal["output", "pooled"] = "pooled"
    input_norm: bool = False


class Clip(LinkerModel):
    """Two cosines per pair."""

    settings_class = ClipSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        of = {"T": self.widths.text_cls, "V": self.widths.image_cls}
        self.project = nn.ModuleDict({part: entrance(width, self.settings) for part, width in of.items()})
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.post_init()

    @property
    def parts(self) -> tuple[Part, ...]:
        """Two inner products, each doubled: their mean over both is then the sum."""
        return Part("T", dense=2.0), Part("V", dense=2.0, needs_image=True)

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """Unit vectors of one side; the temperature goes with the mention."""
        views = self.views(side)
        scale = 1.0 if receives else self.scale.clamp(max=LARGEST_SCALE).exp()
        present = views.image.present
        dense: dict[str, Tensor] = {"T": scale * normalize(self.project["T"](views.text.cls), dim=-1)}
        image = normalize(self.project["V"](views.image.cls), dim=-1)
        dense["V"] = scale * image.masked_fill(~present.unsqueeze(-1), 0)
        return Encoded(self.state(side, views, dense))


SYSTEM = System(
    name="clip",
    title="CLIP",
    year=2021,
    citation="Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger, Sutskever. "
    "Learning Transferable Visual Models From Natural Language Supervision. ICML 2021.",
    settings=ClipSettings,
    model=Clip,
    reads=("text", "image"),
    encoder="openai/clip-vit-base-patch32",
    published=CLIPConfig,
    group="vision-language",
)
