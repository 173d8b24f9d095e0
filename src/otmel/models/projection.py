"""From the encoder's widths to the hidden width."""

from __future__ import annotations

from torch import nn

from otmel.models.settings import SystemSettings
from otmel.types import Elements


def entrance(channels: int, settings: SystemSettings) -> nn.Sequential:
    """LayerNorm, where the settings ask for it, and a linear layer to ``settings.hidden``."""
    norm = nn.LayerNorm(channels) if settings.input_norm else nn.Identity()
    return nn.Sequential(norm, nn.Linear(channels, settings.hidden, bias=settings.bias))


class Projection(nn.Module):
    """From the encoder's widths to the hidden width ``d``, for tokens and [CLS] of one modality."""

    def __init__(self, tokens: int, cls: int, settings: SystemSettings) -> None:
        super().__init__()
        self.tokens, self.cls = entrance(tokens, settings), entrance(cls, settings)

    def forward(self, elements: Elements) -> Elements:
        """The same elements in ``d`` channels; padding is zero."""
        tokens = self.tokens(elements.tokens).masked_fill(~elements.mask.unsqueeze(-1), 0)
        cls = self.cls(elements.cls).masked_fill(~elements.present.unsqueeze(-1), 0)
        return Elements(tokens, elements.mask, cls)
