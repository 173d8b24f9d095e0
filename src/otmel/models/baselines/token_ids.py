"""What systems with token embeddings of their own need: the ids of a text, and how many there are."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from otmel.encoders import TwoTowerEncoder
from otmel.errors import ConfigurationError
from otmel.models.settings import SystemSettings
from otmel.types import Views


class TokenSettings(SystemSettings):
    """Settings of a system with token embeddings of its own.

    Attributes:
        vocabulary: number of token ids; ``None``: as many as the encoder's text tower has.
    """

    vocabulary: int | None = Field(default=None, ge=1)


def vocabulary(settings: TokenSettings, encoder: TwoTowerEncoder | None) -> int:
    """The number of token ids. Raises ``ConfigurationError`` where neither the settings nor an encoder says it."""
    if settings.vocabulary is not None:
        return settings.vocabulary
    if encoder is None:
        problem = f"{_name(settings)} embeds tokens itself, and without an encoder their number is unknown"
        raise ConfigurationError(problem, cure="set model.vocabulary, or name an encoder with --encoder")
    return int(encoder.text_tower.config.vocab_size)


def token_ids(views: Views, settings: TokenSettings) -> Int[Tensor, "B L"]:
    """The token ids behind the text's features. Raises ``ConfigurationError`` where there are none."""
    if views.ids is None:
        problem = f"{_name(settings)} embeds tokens itself, and these features come without token ids"
        raise ConfigurationError(problem, cure="give Views with ids, or train over an encoder, which keeps them")
    return views.ids


def embedded_mean(table: nn.Embedding, ids: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B d"]:
    """The mean of the embeddings under the mask; zeros where it holds nothing."""
    weights = mask.unsqueeze(-1).to(table.weight.dtype)
    return (table(ids.masked_fill(~mask, 0)) * weights).sum(1) / weights.sum(1).clamp_min(1)


def right_padded(values: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"]) -> tuple[Int[Tensor, "B K"], Int[Tensor, " B"]]:
    """The values under the mask moved together to the left, zeros behind them; and how many each row has."""
    order = (~mask).int().argsort(dim=1, stable=True)
    counts = mask.sum(1)
    moved = values.masked_fill(~mask, 0).gather(1, order)
    return moved[:, : max(1, int(counts.max()))], counts


class Recurrent(nn.Module):
    """A bidirectional LSTM over embedded symbols: the last state of both directions.

    Args:
        symbols: number of different ones.
        width: of the embedding and of the result; even.
    """

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, width)
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, values: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B d"]:
        """The vector of each row's symbols; zeros where it has none."""
        moved, counts = right_padded(values, mask)
        lengths = counts.clamp_min(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(self.table(moved), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        joined = torch.cat([last[0], last[1]], 1)
        return joined.masked_fill(counts.unsqueeze(1) == 0, 0)


def _name(settings: TokenSettings) -> str:
    return str(getattr(settings, "kind", type(settings).__name__))
