"""MIMIC, the strongest baseline of Table 1: three interaction units over global and local features.

Luo, Xu, Wu, Zhu, Xu, Chen: Multi-Grained Multimodal Interaction Network for Entity Linking, KDD 2023, its section on
the interaction units. ``t, v`` are the global ([CLS]) and ``T, V`` the local features of text and image, projected to
``d`` channels; ``LN`` is LayerNorm, ``W`` any linear layer, ``p`` the mean of ``V``, ``S = (S_T + S_V + S_C) / 3``.

TGLU, text, is the paper's; the late term is a ``Formula`` whose learned pool has the direction 0, a mean:

    S_T = ½ [ t_m · t_e + LN(mean_i H_i) · W t_e ],   H = softmax(T_e W_q (T_m W_k)ᵀ / √d) T_m W_v

CMFU, text and image of one side, is the paper's, with the same weights for both sides; ``S_C = c_m · c_e``:

    c = LN( tanh(W h) ⊙ h + Σ_i α_i x_i ),   h = W t,   x_i = W V_i,   α = softmax_i(h · x_i)

VDLU, images. The paper gates the mean of one side's patches together with the other side's global feature:

    S_V = ½ [ LN(G(p_e + v_m) + v_e) · v_m + LN(G(p_m + v_e) + v_m) · v_e ],   G(x) = tanh(W g) ⊙ g,   g = W LN(x)

``G`` of a sum takes two matrix products per pair, which no index can hold. Here each side is gated on its own, and the
second term keeps the meeting of both inside its LayerNorm, a ``Formula`` of one token per side:

    S_V = ½ [ LN(G₁(p_e) + v_e) · v_m + LN(G₂(p_m) + v_m + G₃(v_e)) · v_e ]

In the first term ``v_m`` is the target as well, which a late term has from the entity only; so its ``G(v_m)`` is left
out and it is an inner product. Pairs that lack an image have the mean of T and C alone; without an image the sum of
``c`` is empty. The paper's loss, on the score and on each unit, is our Eq. 26–27.

Of the paper's text the abstract and the introduction were at hand: the equations called the paper's are given as we
know them, unnumbered and unchecked; that the sides of CMFU share weights, and text is projected too, are our choices.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import CLIPConfig

from otmel.encoders import TwoTowerEncoder
from otmel.kernels.formula import Formula
from otmel.models.base import Encoded, LateState, LateTerm, Side
from otmel.models.baselines.parts import affine, averaged
from otmel.models.composition import Part
from otmel.models.config import LinkerConfig
from otmel.models.matching import Matching
from otmel.models.model import LinkerModel
from otmel.models.projection import Projection
from otmel.models.settings import ModelSettings, SystemSettings
from otmel.models.systems import System
from otmel.ot import Attention, LearnedPool, MeanPool, Shape
from otmel.ot.numerics import far
from otmel.types import Elements


class MimicSettings(SystemSettings):
    """Settings of MIMIC; none beyond those that every system has."""

    kind: Literal["mimic"] = "mimic"


class GlobalToLocal(Matching):
    """TGLU's late term: entity tokens attend to mention tokens; mean, LayerNorm, inner product with ``W t_e``."""

    def __init__(self, hidden: int) -> None:
        shape = Shape(bias=True)
        super().__init__(ModelSettings(hidden=hidden, matching=Attention(), pool=LearnedPool(), shape=shape))
        nn.init.zeros_(self.pool.score.weight).requires_grad_(False)  # pyright: ignore[reportArgumentType,reportAttributeAccessIssue]
        self.target = nn.Linear(hidden, hidden)

    def entity(self, tokens: Tensor, mask: Bool[Tensor, "E L"], cls: Float[Tensor, "E d"]) -> LateState:
        """``T_e W_q`` and ``W t_e``."""
        return super().entity(tokens, mask, self.target(cls))


class Gate(nn.Module):
    """``G(x) = tanh(W g) ⊙ g`` with ``g = W LN(x)``."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden))
        self.gate = nn.Linear(hidden, hidden)

    def forward(self, features: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """The gated features."""
        entered = self.enter(features)
        return self.gate(entered).tanh() * entered


class VisionDual(nn.Module):
    """VDLU: the dense term of entity to mention, and the late term of mention to entity."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.entity_local, self.mention_local, self.entity_global = Gate(hidden), Gate(hidden), Gate(hidden)
        self.to_mention, self.to_entity = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

    def entity(self, image: Elements) -> tuple[Float[Tensor, "E d"], LateState]:
        """``LN(G₁(p_e) + v_e)`` for the inner product; ``G₃(v_e)`` and the target ``v_e`` for the late term."""
        dense = self.to_mention(self.entity_local(averaged(image)) + image.cls)
        return dense.masked_fill(~image.present.unsqueeze(-1), 0), LateState(
            tokens=self.entity_global(image.cls).unsqueeze(1), mask=image.present.unsqueeze(1), target=image.cls
        )

    def mention(self, image: Elements) -> tuple[Float[Tensor, "M d"], LateState]:
        """``v_m`` for the inner product, ``G₂(p_m) + v_m`` for the late term."""
        sent = (self.mention_local(averaged(image)) + image.cls).unsqueeze(1)
        # One key is one key: its softmax is 1 whatever it holds.
        return image.cls, LateState(tokens=torch.zeros_like(sent), mask=image.present.unsqueeze(1), values=sent)

    def forward(self, mentions: LateState, entities: LateState) -> tuple[Float[Tensor, "M E"], None]:
        """``LN(G₂(p_m) + v_m + G₃(v_e)) · v_e`` for every pair of images; 0 where one is missing."""
        assert mentions.values is not None
        assert entities.target is not None
        met = self.to_entity(mentions.values + entities.tokens.squeeze(1))
        there = mentions.mask & entities.mask.squeeze(1)
        return torch.einsum("med,ed->me", met, entities.target).masked_fill(~there, 0), None

    def formula(self) -> Formula:
        """The same as a value."""
        return Formula(Attention(), MeanPool(), residual=True, norm=affine(self.to_entity))


class CrossModalFusion(nn.Module):
    """CMFU: the text of one side, and what of its image answers to it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.text, self.image, self.gate = (nn.Linear(hidden, hidden) for _ in range(3))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, text: Float[Tensor, "B d"], image: Elements) -> Float[Tensor, "B d"]:
        """``c``; without an image the sum over its patches is empty."""
        query, patches = self.text(text), self.image(image.tokens)
        scores = (patches @ query.unsqueeze(-1)).squeeze(-1)
        weights = scores.masked_fill(~image.mask, far(scores.dtype)).softmax(-1) * image.mask
        return self.norm(self.gate(query).tanh() * query + (weights.unsqueeze(1) @ patches).squeeze(1))


class Mimic(LinkerModel):
    """Parts T (TGLU), V (VDLU) and C (CMFU), averaged."""

    settings_class = MimicSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        hidden = self.settings.hidden
        self.text = Projection(self.widths.text, self.widths.text_cls, self.settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, self.settings)
        self.local, self.dual, self.fusion = GlobalToLocal(hidden), VisionDual(hidden), CrossModalFusion(hidden)
        self.post_init()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The three units."""
        return (
            Part("T", dense=0.5, late=0.5),
            Part("V", dense=0.5, late=0.5, needs_image=True),
            Part("C", dense=1.0),
        )

    def late_term(self, part: str) -> LateTerm:
        """What TGLU and VDLU compute of both sides."""
        return {"T": self.local, "V": self.dual}[part]

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """The state of one side: entities receive, mentions send."""
        views = self.views(side)
        text, image = self.text(views.text), self.image(views.image)
        vector, seen = self.dual.entity(image) if receives else self.dual.mention(image)
        read = (
            self.local.entity(text.tokens, text.mask, text.cls)
            if receives
            else self.local.mention(text.tokens, text.mask)
        )
        dense = {"T": text.cls, "V": vector, "C": self.fusion(text.cls, image)}
        return Encoded(self.state(side, views, dense, {"T": read, "V": seen}))


SYSTEM = System(
    name="mimic",
    title="MIMIC",
    year=2023,
    citation="Luo, Xu, Wu, Zhu, Xu, Chen. Multi-Grained Multimodal Interaction Network for Entity Linking. KDD 2023.",
    settings=MimicSettings,
    model=Mimic,
    reads=("text", "image"),
    encoder="openai/clip-vit-base-patch32",
    published=CLIPConfig,
)
