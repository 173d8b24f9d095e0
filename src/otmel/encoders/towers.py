"""``TwoTowerEncoder``: a text and a vision tower of transformers as elements with masks (Eq. 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from otmel.types import Batch, Elements, Views

Cls: TypeAlias = Literal["output", "pooled", "mean"]
"""Which vector summarises a text or an image; see ``TwoTowerEncoder``."""

POOLED_BY_TOWER = ("clip_text_model", "clip_vision_model", "siglip_text_model", "siglip_vision_model", "otmel-vgg")
"""Towers whose own pooler is their output embedding: of the end token, of [CLS], or of an attention pool; VGG's fc7."""


@dataclass(frozen=True)
class Widths:
    """Channels of what an encoder gives: text tokens, image tokens and the summaries of both."""

    text: int
    image: int
    text_cls: int
    image_cls: int


class TwoTowerEncoder(nn.Module):
    """Reads batches with any CLIP or SigLIP, any ``VisionTextDualEncoderModel``, or a text model alone.

    Without a vision tower every image is absent. The vision tower runs only on the rows that have an image.

    Args:
        model: a model of transformers with a ``text_model`` and a ``vision_model``, or a text model.
        cls: ``output``: the output embedding of [CLS] (§2.2), which for CLIP's text tower is that of the end token,
            and for sentence encoders (``text_pooling = "mean"`` in their configuration) the mean over the tokens.
            ``pooled``: the same, projected into the space that both towers share (CLIP's ``text_embeds`` and
            ``image_embeds``, not normalised). ``mean``: as ``output``, but the mean over the tokens for every text.

    Attributes:
        joint: whether text and image are read together; else ``forward`` is ``text`` beside ``image``.
        anywhere: whether something is so for any of the processes that hold the weights in shards, and so must read
            together; whole weights are read by each alone.
    """

    joint: ClassVar[bool] = False

    def __init__(self, model: PreTrainedModel, cls: Cls = "output") -> None:
        super().__init__()
        self.model, self.cls = model, cls
        self.anywhere: Callable[[bool], bool] = bool
        self._image_length: int | None = None

    @property
    def units(self) -> list[nn.Module]:
        """Modules whose weights are read in their own ``forward`` alone, inner ones first: what sharding goes by."""
        towers = [tower for tower in (self.text_tower, self.vision_tower) if tower is not None]
        return [*(block for tower in towers for block in blocks(tower)), *towers]

    @property
    def config(self) -> PreTrainedConfig:
        """The configuration of the wrapped model, from which ``build_encoder`` makes the same one again."""
        return self.model.config

    @property
    def text_tower(self) -> PreTrainedModel:
        """The text model."""
        return getattr(self.model, "text_model", self.model)

    @property
    def vision_tower(self) -> PreTrainedModel | None:
        """The vision model, if there is one."""
        return getattr(self.model, "vision_model", None)

    @property
    def widths(self) -> Widths:
        """Channels of the elements that ``forward`` gives."""
        text = self.text_tower.config.hidden_size
        seen = self.vision_tower.config.hidden_size if self.vision_tower is not None else text
        image = seen if self.vision_tower is None else getattr(self.vision_tower.config, "token_size", seen)
        if self.cls != "pooled":
            return Widths(text, image, text, seen)
        text_projection, image_projection = self._projection("text"), self._projection("visual")
        return Widths(
            text,
            image,
            text if text_projection is None else text_projection.out_features,
            seen if image_projection is None else image_projection.out_features,
        )

    def forward(self, batch: Batch) -> Views:
        """Elements of both modalities: tokens ``[B, L, d]`` with their mask, and the summaries ``[B, c]``."""
        return Views(text=self.text(batch), image=self.image(batch), ids=batch.input_ids)

    def text(self, batch: Batch) -> Elements:
        """The text side of Eq. 4."""
        tokens, pooled = self._read_text(batch)
        summary = self._summary(tokens, pooled, batch.attention_mask)
        return Elements(tokens=tokens, mask=batch.attention_mask, cls=self._projected(summary, "text"))

    def image(self, batch: Batch) -> Elements:
        """The visual side of Eq. 5; rows without an image are zeros under a mask that is all ``False``."""
        rows = batch.has_image.nonzero().squeeze(1)
        tower, widths = self.vision_tower, self.widths
        if tower is None or not self.anywhere(len(rows) > 0):
            length = 1 if tower is None else self._length_of_image(batch.pixels)
            tokens = batch.pixels.new_zeros(len(batch), length, widths.image)
            mask = torch.zeros(len(batch), length, dtype=torch.bool, device=tokens.device)
            return Elements(tokens=tokens, mask=mask, cls=tokens.new_zeros(len(batch), widths.image_cls))
        with _no_chance(batch.pixels, enabled=not len(rows)):
            # Without an image of its own a process reads a blank one along with the others, and uses nothing of it.
            read = tower(pixel_values=batch.pixels[rows if len(rows) else rows.new_zeros(1)])
        self._image_length = length = read.last_hidden_state.shape[1]
        own = tower.config.model_type in POOLED_BY_TOWER or self.cls == "pooled"
        first = read.pooler_output if own else read.last_hidden_state[:, 0]
        return Elements(
            tokens=_spread(read.last_hidden_state, rows, len(batch)),
            mask=batch.has_image[:, None].expand(-1, length).contiguous(),
            cls=_spread(self._projected(first, "visual"), rows, len(batch)),
        )

    def _read_text(self, batch: Batch) -> tuple[Float[Tensor, "B L d"], Float[Tensor, "B d"] | None]:
        config = self.text_tower.config
        if config.model_type == "siglip_text_model":  # trained on padding to full length, which it attends to
            length, full = batch.input_ids.shape[1], config.max_position_embeddings
            ids = nn.functional.pad(batch.input_ids, (0, full - length), value=config.pad_token_id or 0)
            ids[:, :length][~batch.attention_mask] = config.pad_token_id or 0
            read = self.text_tower(input_ids=ids)
            return read.last_hidden_state[:, :length], read.pooler_output
        options = {}
        separator = getattr(config, "sep_token_id", None)
        if separator is not None and getattr(config, "type_vocab_size", 0) > 1:
            ends = (batch.input_ids == separator).long()
            options["token_type_ids"] = ((ends.cumsum(1) - ends) > 0).long() * batch.attention_mask
        read = self.text_tower(input_ids=batch.input_ids, attention_mask=batch.attention_mask.long(), **options)
        return read.last_hidden_state, getattr(read, "pooler_output", None)

    def _summary(self, tokens: Tensor, pooled: Tensor | None, mask: Tensor) -> Float[Tensor, "B d"]:
        config = self.text_tower.config
        if self.cls == "mean" or getattr(config, "text_pooling", None) == "mean":
            weights = mask[..., None].to(tokens.dtype)
            return (tokens * weights).sum(1) / weights.sum(1)
        if pooled is not None and (config.model_type in POOLED_BY_TOWER or self.cls == "pooled"):
            return pooled
        return tokens[:, 0]

    def _projection(self, side: Literal["text", "visual"]) -> nn.Linear | None:
        return getattr(self.model, f"{side}_projection", None)

    def _projected(self, summary: Tensor, side: Literal["text", "visual"]) -> Tensor:
        projection = self._projection(side)
        return projection(summary) if self.cls == "pooled" and projection is not None else summary

    def _length_of_image(self, pixels: Tensor) -> int:
        """Tokens that the vision tower gives for an image (rows and columns of patches, [CLS], registers …)."""
        if self._image_length is None:
            assert self.vision_tower is not None
            with torch.no_grad():
                blank = torch.zeros_like(pixels[:1])
                self._image_length = int(self.vision_tower(pixel_values=blank).last_hidden_state.shape[1])
        return self._image_length


def _spread(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """``values`` in the given ``rows`` of ``count``, zeros elsewhere."""
    if len(rows) == count:
        return values
    return values.new_zeros(count, *values.shape[1:]).index_copy(0, rows, values[: len(rows)])


def _no_chance(tensor: Tensor, *, enabled: bool) -> AbstractContextManager[None]:
    """What is drawn in here, where ``tensor`` lies, is drawn once more afterwards."""
    return torch.random.fork_rng([tensor.device] if tensor.is_cuda else [], enabled=enabled)


def blocks(tower: nn.Module) -> list[nn.Module]:
    """The blocks of a transformer: the members of its outermost lists of modules."""
    found: list[nn.Module] = []
    for child in tower.children():
        found += list(child) if isinstance(child, nn.ModuleList) else blocks(child)
    return found
