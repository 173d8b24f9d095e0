"""GHMFC: words and phrases meet the image in co-attention, a gate fuses both; the row "GHMFC" of Table 1 (App. B).

Wang, Wu, Chen: Multimodal Entity Linking with Gated Hierarchical Fusion and Contrastive Training, SIGIR 2022. ``T, V``
are the tokens of text and image, projected to ``d`` channels; ``MHA(Q, K)`` is multi-head attention of ``Q`` to ``K``.

Phrases, the second level, as in Lu et al., Hierarchical Question-Image Co-Attention for Visual Question Answering,
NIPS 2016, Eq. 1–2, which the paper follows: convolutions over 1, 2 and 3 words, the largest at each place and channel,

    P_i = max_s tanh(W_s [T_i … T_{i+s-1}]).

Co-attention at each level ``X`` of ``T`` and ``P``: the image under the guidance of the text, and the reverse,

    A_X = FF(LN(X + MHA(X, V))),   B_X = FF(LN(V + MHA(V, X))),   FF(x) = LN(x + W₂ gelu(W₁ x)),

both averaged over their places, the levels joined: ``a = W [ā_T; ā_P]``, ``b = W [b̄_T; b̄_P]``. Gated fusion:

    f = g ⊙ tanh(W a) + (1 - g) ⊙ tanh(W b),   g = σ(W [a; b]);   score(m, e) = e^s cos(f_m, f_e).

The first contrast of the training is between mentions and entities (our Eq. 26–27). The second is here between the
summaries of text and image of one side, over the rows of a batch that have an image, both ways, times ``contrast``.

The paper's text was not at hand but for its abstract: how many layers and heads there are, residuals and LayerNorm, the
form of the gate, the second loss and its weight, and the learned temperature ``e^s`` are choices of ours. The paper
encodes entities from their text alone; here they have images, and both sides are encoded alike. Its image features are
a ResNet's; here they are the encoder's patches. Where the image is missing, ``g = 1`` and ``MHA(X, V) = 0``.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, pad

from otmel.encoders import TwoTowerEncoder
from otmel.models.baselines.clip import LARGEST_SCALE
from otmel.models.baselines.cross import Attention, FusionSettings
from otmel.models.baselines.parts import averaged, bert_and_vit
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import Projection
from otmel.models.systems import System
from otmel.types import Elements, Views

WINDOWS = (1, 2, 3)
"""Words of a phrase."""


class GhmfcSettings(FusionSettings):
    """Settings of GHMFC.

    Attributes:
        layers: of co-attention, at each level.
        contrast: weight of the contrast between text and image.
    """

    kind: Literal["ghmfc"] = "ghmfc"
    layers: int = Field(default=1, ge=1)
    contrast: float = Field(default=0.1, ge=0)


class Phrases(nn.Module):
    """Every place's strongest phrase that begins there."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.windows = nn.ModuleList(nn.Conv1d(hidden, hidden, window) for window in WINDOWS)

    def forward(self, words: Elements) -> Elements:
        """``P``, under the mask of the words; behind the last word there are zeros."""
        channels = words.tokens.masked_fill(~words.mask.unsqueeze(-1), 0).transpose(1, 2)
        read = [conv(pad(channels, (0, size - 1))) for size, conv in zip(WINDOWS, self.windows, strict=True)]
        phrases = torch.stack(read).tanh().amax(0).transpose(1, 2)
        return Elements(phrases, words.mask, words.cls)


class Guided(nn.Module):
    """One modality's tokens guide the attention to the other's: ``FF(LN(X + MHA(X, Y)))``."""

    def __init__(self, settings: FusionSettings) -> None:
        super().__init__()
        width, wide = settings.hidden, settings.widening * settings.hidden
        self.look = Attention(settings)
        self.feed = nn.Sequential(nn.Linear(width, wide), nn.GELU(), nn.Linear(wide, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, own: Elements, other: Elements) -> Elements:
        """The guide's tokens with what they found."""
        tokens = self.norms[0](own.tokens + self.drop(self.look(own.tokens, (other.tokens, other.mask))))
        tokens = self.norms[1](tokens + self.drop(self.feed(tokens)))
        return Elements(tokens, own.mask, own.cls)


class CoAttention(nn.Module):
    """Both directions at one level."""

    def __init__(self, settings: FusionSettings) -> None:
        super().__init__()
        self.by_text = nn.ModuleList(Guided(settings) for _ in range(settings.layers))
        self.by_image = nn.ModuleList(Guided(settings) for _ in range(settings.layers))

    def forward(self, text: Elements, image: Elements) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]:
        """``ā`` and ``b̄``; the latter is zero without an image."""
        for by_text, by_image in zip(self.by_text, self.by_image, strict=True):
            text, image = by_text(text, image), by_image(image, text)
        return averaged(text), averaged(image)


class GatedFusion(nn.Module):
    """``g ⊙ tanh(W a) + (1 - g) ⊙ tanh(W b)``."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(2))
        self.enter = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(2))
        self.gate = nn.Linear(2 * hidden, hidden)

    def forward(self, levels: list[tuple[Tensor, Tensor]], present: Tensor) -> Float[Tensor, "B d"]:
        """``f`` from ``(ā, b̄)`` of both levels; without an image ``g`` is 1."""
        a, b = (join(torch.cat(of, -1)) for join, of in zip(self.levels, zip(*levels, strict=True), strict=True))
        gate = torch.where(present.unsqueeze(-1), self.gate(torch.cat([a, b], -1)).sigmoid(), 1.0)
        return gate * self.enter[0](a).tanh() + (1 - gate) * self.enter[1](b).tanh()


class Ghmfc(OneVector):
    """One vector of text and image together, one cosine per pair."""

    settings_class = GhmfcSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        hidden = self.settings.hidden
        self.text = Projection(self.widths.text, self.widths.text_cls, self.settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, self.settings)
        self.phrases, self.fusion = Phrases(hidden), GatedFusion(hidden)
        self.words_meet, self.phrases_meet = CoAttention(self.settings), CoAttention(self.settings)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """The unit vector ``f`` of one side; the temperature goes with the mention."""
        text, image = self.text(views.text), self.image(views.image)
        levels = [self.words_meet(text, image), self.phrases_meet(self.phrases(text), image)]
        fused = normalize(self.fusion(levels, image.present), dim=-1)
        return fused if receives else self._temperature * fused

    def auxiliary(self, views: Views) -> Float[Tensor, ""] | None:
        """The second contrast: between the summaries of text and image."""
        rows = views.image.present.nonzero().squeeze(1)
        if len(rows) < 2 or not self.settings.contrast:
            return None
        sides = (self.text, views.text), (self.image, views.image)
        words, patches = (normalize(project(elements[rows]).cls, dim=-1) for project, elements in sides)
        scores, own = self._temperature * words @ patches.T, torch.arange(len(rows), device=rows.device)
        return self.settings.contrast * (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2

    @property
    def _temperature(self) -> Float[Tensor, ""]:
        return self.scale.clamp(max=LARGEST_SCALE).exp()


SYSTEM = System(
    name="ghmfc",
    title="GHMFC",
    year=2022,
    citation="Wang, Wu, Chen. Multimodal Entity Linking with Gated Hierarchical Fusion and Contrastive Training. "
    "SIGIR 2022.",
    settings=GhmfcSettings,
    model=Ghmfc,
    reads=("text", "image"),
    encoder="bert-base-uncased+google/vit-base-patch16-224",
    published=bert_and_vit,
)
