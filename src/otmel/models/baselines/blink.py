"""BLINK: a bi-encoder finds candidates, a cross-encoder that reads both texts at once ranks them anew (Table 1).

First stage, ``s(m, e) = ⟨y_m, y_e⟩`` with ``y_m = W_m t_m``, ``y_e = W_e t_e`` and ``t`` the output embedding of [CLS]:
the bi-encoder of Wu, Petroni, Josifoski, Riedel, Zettlemoyer, Scalable Zero-shot Entity Linking with Dense Entity
Retrieval, EMNLP 2020, their section on it. Second stage, over the first one's best ``candidates`` entities:

    s_cross(m, e) = ⟨w, y_{m,e}⟩,   y_{m,e} = the [CLS] of  Transformer([CLS] ⊕ (U x_m + a) ⊕ (U x_e + b))

with ``x`` the encoder's tokens of either text and ``a``, ``b`` segment embeddings; it is trained by cross-entropy over
the true entity and the hardest others (their section on the cross-encoder).

What differs: the paper has two BERTs for the first stage and a third for the second, which reads the joint text from
its words on. Here one encoder is shared, so that it may be frozen and read once: the two towers are two linear layers
that begin as the same one, as both BERTs begin as the same one, and the cross-encoder is ``layers`` fresh transformer
layers over the encoder's outputs of both texts, which have seen one another in no layer below; with an encoder that is
trained, too, BERT would read the joint text again. Such layers have none of BERT's pretraining, and with ``s_cross``
alone they do not learn in a few thousand examples what the first stage knows. So by default they correct it: the second
stage's score is ``s + s_cross`` with ``w = 0`` at first; ``first_score = False`` is the paper's ``s_cross``. Both
stages are trained together, the second on candidates of its batch (the paper: of the whole graph), and without a
gradient through ``s``. BLINK re-ranks up to 100 candidates, here it is 16.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn
from transformers import BertConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Side
from otmel.models.baselines.cross import Attention, FusionSettings
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.systems import System
from otmel.types import Elements, Views

Pairs = tuple[Int[Tensor, " P"], Int[Tensor, " P"]]


class BlinkSettings(FusionSettings):
    """Settings of both stages; the transformer layers are the cross-encoder's.

    Attributes:
        candidates: entities that the second stage ranks anew. Its work grows with their number, in search and in
            training: each is a text of mention and entity together to be read.
        trained_on: of these, the ones it is trained on; the true entity is one of them.
        first_score: adds the first stage's score to the second's.
    """

    kind: Literal["blink"] = "blink"
    candidates: int = Field(default=16, ge=1)
    trained_on: int = Field(default=8, ge=2)
    first_score: bool = True


class JointLayer(nn.Module):
    """A layer of BERT: ``x ← LN(x + MHA(x, x))``, ``x ← LN(x + W₂ gelu(W₁ x))``."""

    def __init__(self, settings: FusionSettings) -> None:
        super().__init__()
        width, wide = settings.hidden, settings.widening * settings.hidden
        self.attention = Attention(settings)
        self.feed = nn.Sequential(nn.Linear(width, wide), nn.GELU(), nn.Linear(wide, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.drop = nn.Dropout(settings.dropout)

    def forward(
        self, tokens: Float[Tensor, "P L d"], mask: Bool[Tensor, "P L"], kept: int | None = None
    ) -> Float[Tensor, "P K d"]:
        """The first ``kept`` tokens, or all, having looked at all."""
        own = tokens[:, :kept]
        own = self.norms[0](own + self.drop(self.attention(own, (tokens, mask))))
        return self.norms[1](own + self.drop(self.feed(own)))


class CrossEncoder(nn.Module):
    """The second stage: one number for a pair of texts that are read together."""

    def __init__(self, channels: int, settings: BlinkSettings) -> None:
        super().__init__()
        norm = nn.LayerNorm(channels) if settings.input_norm else nn.Identity()
        self.project = nn.Sequential(norm, nn.Linear(channels, settings.hidden, settings.bias))
        self.segments = nn.Parameter(torch.randn(2, settings.hidden) * 0.02)
        self.cls = nn.Parameter(torch.randn(settings.hidden) * 0.02)
        self.layers = nn.ModuleList(JointLayer(settings) for _ in range(settings.layers))
        self.weight = nn.Linear(settings.hidden, 1, bias=False)
        nn.init.zeros_(self.weight.weight)

    def forward(self, mentions: Elements, entities: Elements, pairs: Pairs) -> Float[Tensor, " P"]:
        """``s_cross`` of single pairs, given as rows of both sides. The last layer computes [CLS] alone."""
        sides = zip((mentions, entities), self.segments, pairs, strict=True)
        texts = [(self.project(side.tokens) + segment)[rows] for side, segment, rows in sides]
        cls = self.cls.expand(len(pairs[0]), 1, -1)
        tokens = torch.cat([cls, *texts], 1)
        seen = torch.ones(cls.shape[:2], dtype=torch.bool, device=cls.device)
        mask = torch.cat([seen, mentions.mask[pairs[0]], entities.mask[pairs[1]]], 1)
        for layer in self.layers[:-1]:
            tokens = layer(tokens, mask)
        return self.weight(self.layers[-1](tokens, mask, 1)).flatten()


class Blink(OneVector):
    """One inner product per pair, and a closer look at the best of them."""

    settings_class = BlinkSettings
    part = "T"
    settings: BlinkSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        channels, settings = self.widths.text_cls, self.settings
        self.norm = nn.LayerNorm(channels) if settings.input_norm else nn.Identity()
        self.mention = nn.Linear(channels, settings.hidden, settings.bias)
        self.entity = nn.Linear(channels, settings.hidden, settings.bias)
        self.entity.load_state_dict(self.mention.state_dict())
        self.cross = CrossEncoder(self.widths.text, settings)
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``y`` of one side."""
        return (self.entity if receives else self.mention)(self.norm(views.text.cls))

    @property
    def second_stage(self) -> int:
        """The number of candidates."""
        return self.settings.candidates

    def rescore(self, mentions: Side, entities: Side, pairs: Pairs) -> Float[Tensor, " P"]:
        """``s_cross`` of single pairs; with ``first_score`` plus the first stage's, which it does not train."""
        views = self.views(mentions), self.views(entities)
        scores = self.cross(views[0].text, views[1].text, pairs)
        return scores + self._first(mentions, entities, pairs) if self.settings.first_score else scores

    @torch.no_grad()
    def _first(self, mentions: Side, entities: Side, pairs: Pairs) -> Float[Tensor, " P"]:
        return self.score(self.encode_mentions(mentions), self.encode_entities(entities)).total[pairs]

    def second_stage_loss(self, mentions: Side, entities: Side, candidates: Int[Tensor, "M k"]) -> Tensor | None:
        """As for every system, on ``trained_on`` candidates."""
        return super().second_stage_loss(mentions, entities, candidates[:, : self.settings.trained_on])


SYSTEM = System(
    name="blink",
    title="BLINK",
    year=2020,
    citation="Wu, Petroni, Josifoski, Riedel, Zettlemoyer. Scalable Zero-shot Entity Linking with Dense Entity "
    "Retrieval. EMNLP 2020.",
    settings=BlinkSettings,
    model=Blink,
    reads=("text",),
    encoder="bert-base-uncased",
    published=BertConfig,
    group="text",
)
