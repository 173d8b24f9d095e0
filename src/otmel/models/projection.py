"""From the encoder's widths to the hidden width."""

from __future__ import annotations

from torch import nn

from otmel.models.settings import SystemSettings
from otmel.types import Elements


class Projection(nn.Module):
    """From the encoder's widths to the hidden width ``d``, for tokens and [CLS] of one modality."""

    def __init__(self, tokens: int, cls: int, settings: SystemSettings) -> None:
        super().__init__()
        norm = nn.LayerNorm if settings.input_norm else (lambda _: nn.Identity())
        self.tokens = nn.Sequential(norm(tokens), nn.Linear(tokens, settings.hidden, bias=settings.bias))
        self.cls = nn.Sequential(norm(cls), nn.Linear(cls, settings.hidden, bias=settings.bias))

    def forward(self, elements: Elements) -> Elements:
        """The same elements in ``d`` channels; padding is zero."""
        tokens = self.tokens(elements.tokens).masked_fill(~elements.mask.unsqueeze(-1), 0)
        cls = self.cls(elements.cls).masked_fill(~elements.present.unsqueeze(-1), 0)
        return Elements(tokens, elements.mask, cls)
