"""The token track as tables: features that a model without an encoder takes."""

from __future__ import annotations

import torch

from otmel.data.token_track import TokenSet
from otmel.encoders import Widths
from otmel.models.tables import Table
from otmel.types import Elements, Views


def features(tokens: TokenSet) -> Table:
    """The generated features of entities or mentions, held in memory."""
    text = Elements(
        torch.from_numpy(tokens.text), torch.from_numpy(tokens.text_mask), torch.from_numpy(tokens.text_cls)
    )
    image = Elements(
        torch.from_numpy(tokens.image), torch.from_numpy(tokens.image_mask), torch.from_numpy(tokens.image_cls)
    )
    return Table(Views(text, image), None)


def feature_widths(tokens: TokenSet) -> Widths:
    """The widths of such features."""
    channels = tokens.text.shape[-1]
    return Widths(text=channels, image=channels, text_cls=channels, image_cls=channels)
