"""``ViltEncoder``: one transformer that reads text and image together, as an encoder of both."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import BaseImageProcessor, PreTrainedConfig, ViTImageProcessorPil

from otmel.encoders.towers import TwoTowerEncoder, Widths, blocks
from otmel.types import Batch, Elements, Views


class ViltEncoder(TwoTowerEncoder):
    """Reads batches with a ViLT (Kim et al., ICML 2021).

    The text's tokens have seen the image's and the other way round. The text's summary is the output of the joint
    [CLS], which comes first (``pooled``: through the model's own pooler), the image's that of its own class token.
    Rows without an image read the text alone. Names and contexts share one segment, as a choice of ours.

    Every patch is read, in the order of rows: transformers' own embedding draws them at random.
    """

    joint = True

    @property
    def units(self) -> list[nn.Module]:
        """The blocks, which run with or without images; the embeddings are read in part."""
        return blocks(self.model)

    @property
    def widths(self) -> Widths:
        """The same width everywhere."""
        width = self.config.hidden_size
        return Widths(width, width, width, width)

    def forward(self, batch: Batch) -> Views:
        """Elements of both modalities, as ``TwoTowerEncoder`` gives them."""
        length = batch.input_ids.shape[1]
        patches = self._patches(batch.pixels)
        mask = batch.has_image[:, None].expand(-1, patches.shape[1])
        read = 0 if not batch.has_image.any() else None  # no image at all: the text by itself is quicker
        output = self.model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask.long(),
            image_embeds=patches[:, :read],
            pixel_mask=mask[:, :read].long(),
        )
        text, seen = output.last_hidden_state[:, :length], output.last_hidden_state[:, length:]
        image = torch.zeros_like(patches, dtype=text.dtype) if read == 0 else seen.masked_fill(~mask.unsqueeze(-1), 0)
        cls = output.pooler_output if self.cls == "pooled" else text[:, 0]
        summary = (text * batch.attention_mask.unsqueeze(-1)).sum(1) / batch.attention_mask.sum(1, keepdim=True)
        return Views(
            text=Elements(text, batch.attention_mask, summary if self.cls == "mean" else cls),
            image=Elements(image, mask.contiguous(), image[:, 0]),
            ids=batch.input_ids,
        )

    def text(self, batch: Batch) -> Elements:
        """The text, having seen the image."""
        return self(batch).text

    def image(self, batch: Batch) -> Elements:
        """The image, having seen the text."""
        return self(batch).image

    def _patches(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B P+1 d"]:
        """Class token and patches with their positions, which are stretched over images of another size."""
        embeddings: Any = self.model.embeddings
        places, side = embeddings.position_embeddings, self.config.image_size // self.config.patch_size
        grid = embeddings.patch_embeddings(pixels)
        spread = places[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        if grid.shape[-2:] != spread.shape[-2:]:
            spread = interpolate(spread, size=grid.shape[-2:], mode="bilinear", align_corners=True)
        first = (embeddings.cls_token + places[:, :1]).expand(len(pixels), -1, -1)
        return embeddings.dropout(torch.cat([first, (grid + spread).flatten(2).transpose(1, 2)], 1))


def whole_square(processor: BaseImageProcessor, config: PreTrainedConfig) -> BaseImageProcessor:
    """ViLT's image processor with one size for all images: a square of the size the model was built for.

    ViLT's own keeps the ratio of the sides, so that images of a batch differ in size and need masks of pixels. Here the
    whole image is scaled to a square; values are normalised as there.
    """
    size: int = config.image_size  # pyright: ignore[reportAttributeAccessIssue]
    kept = {name: getattr(processor, name) for name in ("image_mean", "image_std", "resample", "rescale_factor")}
    return ViTImageProcessorPil(size={"height": size, "width": size}, **kept)
