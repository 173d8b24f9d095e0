"""Small pieces that several of the compared systems share."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from transformers import BertConfig, PretrainedConfig, VisionTextDualEncoderConfig, ViTConfig

from otmel.kernels.formula import Affine
from otmel.types import Elements


def affine(norm: nn.LayerNorm) -> Affine:
    """A LayerNorm as a value, for a ``Formula``."""
    return Affine(norm.weight.detach().float().cpu(), norm.bias.detach().float().cpu(), norm.eps)


def averaged(elements: Elements) -> Float[Tensor, "B d"]:
    """The mean of each row's tokens; zeros where it has none."""
    weights = elements.mask.unsqueeze(-1).to(elements.tokens.dtype)
    return (elements.tokens * weights).sum(1) / weights.sum(1).clamp_min(1)


def bert_and_vit() -> PretrainedConfig:
    """The architectures of ``bert-base-uncased`` and of ViT-B/16."""
    return VisionTextDualEncoderConfig.from_vision_text_configs(ViTConfig(), BertConfig())
