"""``CausalEncoder``: a causal language model and a vision tower, which read as two towers and also score a text."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from otmel.encoders.causal_model import CausalVisionModel
from otmel.encoders.towers import Cls, TwoTowerEncoder, Widths, blocks
from otmel.errors import ConfigurationError
from otmel.types import Batch, TensorRecord


@dataclass(frozen=True)
class Prompt(TensorRecord):
    """What a text is to continue, as embeddings; padding stands on the left."""

    embeddings: Float[Tensor, "B L d"]
    mask: Bool[Tensor, "B L"]

    @staticmethod
    def of(embeddings: Float[Tensor, "B L d"], mask: Bool[Tensor, "B L"]) -> Prompt:
        """A prompt whose padding may stand anywhere: it is moved to the left, the rest keeps its order."""
        order = mask.long().argsort(dim=1, stable=True)
        padded = (embeddings * mask.unsqueeze(-1)).take_along_dim(order.unsqueeze(-1), 1)
        return Prompt(padded, mask.take_along_dim(order, 1))


class CausalEncoder(TwoTowerEncoder):
    """Reads batches as two towers do, and says how likely a text is behind a prompt.

    The summary of a text is the state of its last token, the only one that has read all of it; ``mean`` is the mean.

    Args:
        model: a causal language model, with a vision tower or without one.
        cls: as for ``TwoTowerEncoder``; there is no space that both towers share, so ``pooled`` is ``output``.
    """

    model: CausalVisionModel

    def __init__(self, model: PreTrainedModel, cls: Cls = "output") -> None:
        super().__init__(model, cls)

    @property
    def all_tied_weights_keys(self) -> dict[str, str]:
        """The weights that are one, for the model that holds this encoder: transformers asks its children by name."""
        tied: dict[str, str] = self.model.all_tied_weights_keys  # pyright: ignore[reportAssignmentType]
        return {f"model.{weight}": f"model.{source}" for weight, source in tied.items()}

    @property
    def units(self) -> list[nn.Module]:
        """Of the language model its blocks alone: embeddings and head are read outside of it, and may be one."""
        vision = [] if self.vision_tower is None else [*blocks(self.vision_tower), self.vision_tower]
        return [*blocks(self.text_tower), *vision]

    @property
    def widths(self) -> Widths:
        """Channels of the elements; the text's are those that the head reads."""
        text = int(getattr(self.text_tower.get_output_embeddings(), "in_features", self.text_tower.config.hidden_size))
        image = text if self.vision_tower is None else self.vision_tower.config.hidden_size
        return Widths(text, image, text, image)

    @property
    def embedding_width(self) -> int:
        """Channels of a token as the language model takes it."""
        return int(self._embedding.weight.shape[1])  # pyright: ignore[reportArgumentType,reportIndexIssue]

    @property
    def separator(self) -> int:
        """The token that ends a name. Raises ``ConfigurationError`` where the tokenizer's was never noted."""
        token = getattr(self.text_tower.config, "sep_token_id", None)
        if token is None:
            raise ConfigurationError("the language model's configuration has no sep_token_id", cure="load it by name")
        return int(token)

    @property
    def _embedding(self) -> nn.Module:
        return self.text_tower.get_input_embeddings()

    def embedded(self, ids: Int[Tensor, "B L"]) -> Float[Tensor, "B L d"]:
        """Token ids as the language model takes them."""
        return self._embedding(ids)

    def log_likelihood(
        self, prompts: Prompt, rows: Int[Tensor, " P"], texts: Int[Tensor, "P N"]
    ) -> Float[Tensor, " P"]:
        """``1/N Σ_i log p(text_i | prompt, text_<i)`` of each text; prompts are read once, whoever asks for them.

        Args:
            prompts: ``B`` prompts of at least two tokens.
            rows: the prompt of each text.
            texts: token ids, ``-1`` behind each text's end.

        Raises:
            ConfigurationError: prompt and text together are longer than the language model reads.
        """
        self.check_length(prompts, texts.shape[1])
        speaker = self.text_tower
        real, ids = texts >= 0, texts.clamp_min(0)
        read = _read(speaker.base_model, prompts.embeddings[:, :-1], prompts.mask[:, :-1])
        read.past_key_values.batch_select_indices(rows)
        # The prompt's last token is read with the text, whose first token it foretells.
        embeddings = torch.cat([prompts.embeddings[rows, -1:], self.embedded(ids[:, :-1])], 1)
        mask = torch.cat([prompts.mask[rows], real[:, :-1]], 1)
        logits = _read(speaker, embeddings, mask, past_key_values=read.past_key_values).logits
        own = logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
        return (own * real).sum(1) / real.sum(1)

    def check_length(self, prompts: Prompt, more: int) -> None:
        """Whether prompts and ``more`` tokens fit. Raises ``ConfigurationError``."""
        needed = prompts.mask.shape[1] + more
        positions = getattr(self.text_tower.config, "max_position_embeddings", None) or needed
        if needed > positions:
            raise ConfigurationError(
                f"prompt and name take {needed} tokens, and the language model has {positions} positions",
                cure="set inputs.mention_length or inputs.entity_length to less",
            )

    def _read_text(self, batch: Batch) -> tuple[Float[Tensor, "B L d"], None]:
        mask = batch.attention_mask.long()
        return self.text_tower.base_model(input_ids=batch.input_ids, attention_mask=mask).last_hidden_state, None

    def _summary(self, tokens: Tensor, pooled: Tensor | None, mask: Tensor) -> Float[Tensor, "B d"]:
        if self.cls == "mean":
            return super()._summary(tokens, pooled, mask)
        last = mask.long().cumsum(1).argmax(1)
        return tokens[torch.arange(len(tokens), device=tokens.device), last]


def _read(model: nn.Module, embeddings: Float[Tensor, "B n d"], mask: Bool[Tensor, "B L"], **options: Any) -> Any:
    """A language model on the last columns of ``mask``; tokens count their places from the first real one."""
    if "position_ids" in signature(model.forward).parameters:
        positions = (mask.long().cumsum(1) - 1).clamp_min(0)
        options["position_ids"] = positions[:, -embeddings.shape[1] :]
    return model(inputs_embeds=embeddings, attention_mask=mask.long(), use_cache=True, **options)
