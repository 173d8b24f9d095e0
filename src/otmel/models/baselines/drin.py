"""DRIN: text and image of a mention and of an entity as one graph, whose edges follow its vertices; a second stage.

Xing, Zhao, Wu, Li, Zhang, Dai: DRIN: Dynamic Relation Interactive Network for Multimodal Entity Linking, ACM MM 2023.
Footnote 4 of our paper names it. The first stage is one inner product, ``⟨[W t; W v]_m, [W t; W v]_e⟩``; the best
``candidates`` are scored anew.

A pair's graph has a vertex for the text of either side, ``W t``, and one for each patch of its image, ``W V_i``. Every
vertex of the mention has an edge with every vertex of the entity, of one of four relations ``r``: text–text,
text–image, image–text, image–image. A layer of dynamic graph convolution takes edges and vertices to the next ones,

    aˡ_ij = aˡ⁻¹_ij + sˡ_r cos(xˡ_i, xˡ_j),   a⁻¹ = 0,
    xˡ⁺¹_i = LN(xˡ_i + relu(Σ_j softmax_j(aˡ)_ij Wˡ_r xˡ_j)),

where the softmax is over all vertices of the other side, text and image together: so a vertex chooses, for every input
anew, which relations it follows. The score is ``e^s cos`` of both text vertices behind the last layer.

The four relations, edges that begin as similarities, the updating of both in turn and the text vertices as the result
are the paper's; of its text only the abstract and the caption of the overview were at hand, so the form of the updates
is a choice of ours. Other than in the paper: objects of the images, which a detector finds, are patches here; a graph
holds one candidate, not all of a mention's, so that a pair's score depends on the pair alone; edges start from the
trained features, not from a fixed CLIP's; candidates come from the first stage and not from a search of names, ten of
them as in the release for WikiDiverse. A vertex that is missing sends nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import CLIPConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Side
from otmel.models.baselines.clip import LARGEST_SCALE
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import Projection, entrance
from otmel.models.settings import SystemSettings
from otmel.models.systems import System
from otmel.ot.numerics import far
from otmel.types import TensorRecord, Views

FIRST_SCALE = 5.0
"""Of the cosines of a layer's edges, before training."""


class DrinSettings(SystemSettings):
    """Settings of DRIN.

    Attributes:
        layers: of graph convolution.
        candidates: entities of the first stage that are scored anew.
    """

    kind: Literal["drin"] = "drin"
    layers: int = Field(default=2, ge=1)
    candidates: int = Field(default=10, ge=2)


@dataclass(frozen=True)
class Vertices(TensorRecord):
    """One side of the graphs: the text's vertex, then the image's.

    Attributes:
        features: ``x``.
        mask: which vertices exist.
    """

    features: Float[Tensor, "B n d"]
    mask: Bool[Tensor, "B n"]


class Convolution(nn.Module):
    """One layer. Weights stand by relation: the mention's kind of vertex (text, image), then the entity's."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((2, 2), FIRST_SCALE))
        self.message = nn.ModuleList(
            nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(2)) for _ in range(2)
        )
        self.norm = nn.LayerNorm(hidden)

    def forward(
        self, mentions: Vertices, entities: Vertices, edges: Float[Tensor, "P m n"] | float
    ) -> tuple[Vertices, Vertices, Float[Tensor, "P m n"]]:
        """The next vertices of both sides, and the edges that led to them."""
        cosines = normalize(mentions.features, dim=-1) @ normalize(entities.features, dim=-1).transpose(1, 2)
        edges = edges + self._scales(cosines) * cosines
        of_mention = [[row[0], row[1]] for row in self.message]  # pyright: ignore[reportIndexIssue]
        of_entity = [list(column) for column in zip(*of_mention, strict=True)]
        to_mention = self._received(edges, entities, of_mention)
        to_entity = self._received(edges.transpose(1, 2), mentions, of_entity)
        return self._next(mentions, to_mention), self._next(entities, to_entity), edges

    def _scales(self, edges: Tensor) -> Float[Tensor, "m n"]:
        rows, columns = ((torch.arange(count, device=edges.device) > 0).long() for count in edges.shape[1:])
        return self.scale[rows][:, columns]

    def _received(self, edges: Tensor, senders: Vertices, message: list[list[nn.Module]]) -> Float[Tensor, "P m d"]:
        """``Σ_j softmax_j(a)_ij W_r x_j`` of every receiver ``i``."""
        weights = edges.masked_fill(~senders.mask.unsqueeze(1), far(edges.dtype)).softmax(-1)
        text, image = senders.features[:, :1], senders.features[:, 1:]
        received = [
            rows @ torch.cat([by_text(text), by_image(image)], 1)
            for rows, (by_text, by_image) in zip((weights[:, :1], weights[:, 1:]), message, strict=True)
        ]
        return torch.cat(received, 1)

    def _next(self, vertices: Vertices, received: Tensor) -> Vertices:
        return Vertices(self.norm(vertices.features + received.relu()), vertices.mask)


class Drin(OneVector):
    """One inner product per pair; a graph for each of the best pairs."""

    settings_class = DrinSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        self.text = entrance(self.widths.text_cls, self.settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, self.settings)
        self.layers = nn.ModuleList(Convolution(self.settings.hidden) for _ in range(self.settings.layers))
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.post_init()

    @property
    def second_stage(self) -> int:
        """How many entities get a graph."""
        return self.settings.candidates

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B 2d"]:
        """``[W t; W v]`` of one side: the first stage; both sides alike."""
        image = self.image.cls(views.image.cls).masked_fill(~views.image.present.unsqueeze(-1), 0)
        return torch.cat([self.text(views.text.cls), image], -1)

    def vertices(self, views: Views) -> Vertices:
        """The vertices of one side before the first layer."""
        text, image = self.text(views.text.cls), self.image(views.image)
        there = torch.ones_like(image.mask[:, :1])
        return Vertices(torch.cat([text.unsqueeze(1), image.tokens], 1), torch.cat([there, image.mask], 1))

    def rescore(
        self, mentions: Side, entities: Side, pairs: tuple[Int[Tensor, " P"], Int[Tensor, " P"]]
    ) -> Float[Tensor, " P"]:
        """``e^s cos(x_m, x_e)`` of the text vertices behind the last layer."""
        mention, entity = (
            self.vertices(self.views(side))[rows] for side, rows in zip((mentions, entities), pairs, strict=True)
        )
        edges: Tensor | float = 0.0
        for layer in self.layers:
            mention, entity, edges = layer(mention, entity, edges)
        cosine = torch.cosine_similarity(mention.features[:, 0], entity.features[:, 0], dim=-1)
        return self.scale.clamp(max=LARGEST_SCALE).exp() * cosine


SYSTEM = System(
    name="drin",
    title="DRIN",
    year=2023,
    citation="Xing, Zhao, Wu, Li, Zhang, Dai. DRIN: Dynamic Relation Interactive Network for Multimodal Entity "
    "Linking. ACM Multimedia 2023.",
    settings=DrinSettings,
    model=Drin,
    reads=("text", "image"),
    encoder="openai/clip-vit-base-patch32",
    published=CLIPConfig,
)
