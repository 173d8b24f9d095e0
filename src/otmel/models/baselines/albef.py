"""ALBEF: align text and image before fusing them, the row "ALBEF" of Table 1 (App. B).

Li et al., Align before Fuse: Vision and Language Representation Learning with Momentum Distillation, NeurIPS 2021.

Fusion (§3.1). The text's tokens pass through layers of self-attention, cross-attention to the image's tokens and
feed-forward (``cross.CrossLayer``); ``f`` is the output in the first place, and ``score(m, e) = ⟨W f_m, W f_e⟩``.

Alignment (§3.2, Eq. 1–2). With unit vectors ``g_w(w_cls)`` and ``g_v(v_cls)`` of the texts and images of one side and
``g'`` those of the teacher, for image ``i`` and text ``j``

    p_i2t(i, j) = softmax_j(⟨g_v(v_i), g'_w(w_j)⟩ / τ),    p_t2i(i, j) = softmax_j(⟨g_w(w_i), g'_v(v_j)⟩ / τ),
    L_itc = ½ Σ_{i2t, t2i} mean_i −log p(i, i).

Momentum distillation (§3.3, Eq. 6). The teacher's parameters follow the model's, ``g' ← μ g' + (1 − μ) g`` once a step;
with ``q`` as ``p`` but the teacher's vectors on both sides, the loss of a side is

    (1 − α) L_itc + α/2 Σ_{i2t, t2i} mean_i KL(q(i, ·) ‖ p(i, ·)).

Other than in the paper: the teacher is a copy of the projections ``g`` alone, which read the model's own encoder; texts
and images of the batch stand for the queue of past ones; ``α`` is not raised slowly from zero; the two losses on the
fused output (masked words, image–text matching) are left out, linking itself trains it. Two layers of width ``hidden``
from random weights by default, not BERT's last six. The text begins with the tower's summary, for BERT its [CLS] once
more. ``τ`` is kept in [0.001, 0.5], as a choice of ours. Where an image is missing, cross-attention adds nothing.
The paper itself could not be checked: its sections and equations are given as we know them.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, normalize

from otmel.encoders import TwoTowerEncoder
from otmel.models.baselines.cross import CrossLayer, FusionSettings, with_summary
from otmel.models.baselines.parts import bert_and_vit
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import Projection
from otmel.models.systems import System
from otmel.types import Views


class AlbefSettings(FusionSettings):
    """Settings of ALBEF; ``layers`` is 6 in its paper.

    Attributes:
        distillation: ``α``, the weight of the teacher's soft targets.
        momentum: ``μ``, what a step leaves of the teacher.
        alignment: weight of the whole contrastive loss.
    """

    kind: Literal["albef"] = "albef"
    distillation: float = Field(default=0.4, ge=0, le=1)
    momentum: float = Field(default=0.995, ge=0, le=1)
    alignment: float = Field(default=1.0, ge=0)


class Albef(OneVector):
    """One vector of a text that has looked at its image, one inner product per pair."""

    settings_class = AlbefSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        width = self.settings.hidden
        self.text = Projection(self.widths.text, self.widths.text_cls, self.settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, self.settings)
        self.layers = nn.ModuleList(CrossLayer(self.settings) for _ in range(self.settings.layers))
        self.project = nn.Linear(width, width, self.settings.bias)
        of = {"T": self.widths.text_cls, "V": self.widths.image_cls}
        self.align = nn.ModuleDict({part: nn.Linear(channels, width) for part, channels in of.items()})
        self.teacher = copy.deepcopy(self.align).requires_grad_(False)
        self.temperature = nn.Parameter(torch.tensor(0.07))
        self.post_init()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As for every system; in training the teacher first makes its step."""
        if self.training:
            self.follow()
        return super().forward(*args, **kwargs)

    @torch.no_grad()
    def follow(self) -> None:
        """``g' ← μ g' + (1 − μ) g``."""
        for old, new in zip(self.teacher.parameters(), self.align.parameters(), strict=True):
            old.lerp_(new, 1 - self.settings.momentum)

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``W f`` of one side; both sides alike."""
        (text, mask), image = with_summary(self.text(views.text)), with_summary(self.image(views.image))
        for layer in self.layers:
            text = layer((text, mask), image)
        return self.project(text[:, 0])

    def auxiliary(self, views: Views) -> Float[Tensor, ""] | None:
        """Eq. 6 of the paper over the rows that have an image; ``None`` where there are fewer than two of them."""
        rows = views.image.present.nonzero().squeeze(1)
        if len(rows) < 2 or not self.settings.alignment:
            return None
        seen = {"T": views.text.cls[rows], "V": views.image.cls[rows]}
        own = {part: normalize(self.align[part](cls), dim=-1) for part, cls in seen.items()}
        with torch.no_grad():
            taught = {part: normalize(self.teacher[part](cls), dim=-1) for part, cls in seen.items()}
        scale = 1 / self.temperature.clamp(0.001, 0.5)
        ways = [self._one_way(own[a], taught[a], taught[b], scale) for a, b in (("V", "T"), ("T", "V"))]
        return self.settings.alignment * torch.stack(ways).mean()

    def _one_way(self, own: Tensor, own_taught: Tensor, other_taught: Tensor, scale: Tensor) -> Float[Tensor, ""]:
        share = self.settings.distillation
        scores = scale * own @ other_taught.T
        hard = cross_entropy(scores, torch.arange(len(scores), device=scores.device))
        targets = (scale.detach() * own_taught @ other_taught.T).log_softmax(1)
        soft = kl_div(scores.log_softmax(1), targets, reduction="batchmean", log_target=True)
        return (1 - share) * hard + share * soft


SYSTEM = System(
    name="albef",
    title="ALBEF",
    year=2021,
    citation="Li, Selvaraju, Gotmare, Joty, Xiong, Hoi. Align before Fuse: Vision and Language Representation Learning "
    "with Momentum Distillation. NeurIPS 2021.",
    settings=AlbefSettings,
    model=Albef,
    reads=("text", "image"),
    encoder="bert-base-uncased+facebook/deit-base-patch16-224",
    published=bert_and_vit,
    group="vision-language",
)
