"""Multimodal fusion: text and image of one side exchange messages and become one vector (Eq. 6–18)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from otmel.models.settings import ModelSettings
from otmel.ot import Correlation, Plan, Sides
from otmel.ot.means import Means
from otmel.types import Elements, Views

Direction = Literal["image_to_text", "text_to_image"]


class Fusion(nn.Module):
    """One module for mentions and entities alike (§3.2: "the above procedure holds for both").

    ``S_F(m, e) = ψ(ḡ_m^t ⊕ ḡ_m^v, ḡ_e^t ⊕ ḡ_e^v)`` of Eq. 18 is the inner product of two outputs of this module.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        assert settings.fusion is not None
        dim = settings.hidden
        self.image_to_text = Correlation(settings.fusion, dim, settings.shape)
        self.text_to_image = Correlation(settings.fusion, dim, settings.shape)
        self.text_pool, self.image_pool = settings.pool.build(dim), settings.pool.build(dim)
        # The mean of the two products of the released code is their sum with both vectors divided by √2.
        self.scale = 1.0 if settings.fused_score == "sum" else 0.5**0.5

    def forward(self, views: Views) -> tuple[Float[Tensor, "B 2d"], Means | None]:
        """``ḡ^t ⊕ ḡ^v`` and the auxiliary loss of both directions.

        Without an image there is no message: ``ḡ^t`` pools the text alone and ``ḡ^v`` is zero.
        """
        text, image = views.text, views.image
        to_text = self.image_to_text.between(text.tokens, text.mask, image.tokens, image.mask)
        to_image = self.text_to_image.between(image.tokens, image.mask, text.tokens, text.mask)
        g_text = _pooled(self.text_pool, text, to_text.tokens, image)
        g_image = _pooled(self.image_pool, image, to_image.tokens, text)
        joined = torch.cat([g_text, g_image], -1) * self.scale
        return joined, Means.joined([to_text.auxiliary, to_image.auxiliary])

    def correlation(self, direction: Direction) -> Correlation:
        """The one of a direction."""
        return self.image_to_text if direction == "image_to_text" else self.text_to_image


def _pooled(pool: nn.Module, own: Elements, received: Tensor, sender: Elements) -> Tensor:
    """Eq. 13 and 15–17: the pool over ``{T, G}``; ``G`` counts only where there was a sender."""
    got_message = own.mask & sender.present.unsqueeze(-1)
    return pool(torch.cat([own.tokens, received], 1), torch.cat([own.mask, got_message], 1))


def fusion_sides(fusion: Fusion, views: Views, direction: Direction) -> Sides:
    """The projected tokens of one direction: rows receive, columns send."""
    receiver, sender = (views.text, views.image) if direction == "image_to_text" else (views.image, views.text)
    correlation = fusion.correlation(direction)
    return correlation.sides(
        correlation.query(receiver.tokens), receiver.mask, correlation.key(sender.tokens), sender.mask, "aligned"
    )


def fusion_plan(fusion: Fusion, views: Views, direction: Direction) -> Plan:
    """The plan of one direction, for display."""
    return fusion.correlation(direction).plan(fusion_sides(fusion, views, direction))
