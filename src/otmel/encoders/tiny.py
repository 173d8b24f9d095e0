"""Small CLIPs: their configuration, sensible initial weights, their image processor."""

from __future__ import annotations

import torch
from torch import nn
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPTextConfig, CLIPVisionConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from otmel.encoders.settings import TowerSettings
from otmel.inputs.text import special_id


def vision_config(towers: TowerSettings) -> CLIPVisionConfig:
    """CLIP's vision tower at this size."""
    return CLIPVisionConfig(
        hidden_size=towers.width,
        intermediate_size=2 * towers.width,
        num_hidden_layers=towers.vision_layers,
        num_attention_heads=towers.heads,
        image_size=towers.image_size,
        patch_size=towers.patch_size,
        projection_dim=towers.width,
    )


def clip_config(towers: TowerSettings, tokenizer: Tokenizer) -> CLIPConfig:
    """A CLIP of this size whose text tower reads ``tokenizer``."""
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=towers.width,
        intermediate_size=2 * towers.width,
        num_hidden_layers=towers.text_layers,
        num_attention_heads=towers.heads,
        max_position_embeddings=towers.text_positions,
        projection_dim=towers.width,
        bos_token_id=special_id(tokenizer, "bos"),
        eos_token_id=special_id(tokenizer, "eos"),
        pad_token_id=special_id(tokenizer, "pad"),
    )
    return CLIPConfig(
        text_config=text.to_dict(), vision_config=vision_config(towers).to_dict(), projection_dim=towers.width
    )


def image_processor(image_size: int) -> CLIPImageProcessorPil:
    """Resizes to a square (nothing is cropped: what tells entities apart may stand at the border) and normalises."""
    side = {"height": image_size, "width": image_size}
    return CLIPImageProcessorPil(size=side, crop_size=side, do_center_crop=False)


def initialise(model: PreTrainedModel) -> None:
    """Initial weights for narrow towers; CLIP's own scale with the width and the depth of large ones."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embedding" in name and "patch" not in name:
                nn.init.normal_(weight, std=0.3 if "token" in name else 0.1)
            elif weight.dim() >= 2:
                nn.init.xavier_uniform_(weight.view(weight.shape[0], -1))
