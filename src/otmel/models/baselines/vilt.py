"""ViLT: one transformer reads words and patches together, the row "ViLT" of Table 1 (App. B).

``score(m, e) = ⟨W p_m, W p_e⟩`` with the pooled vector of Kim et al., ViLT: Vision-and-Language Transformer Without
Convolution or Region Supervision, ICML 2021, §3.1: ``z⁰ = [t_cls; T; v_cls; V]`` (words and linear projections of
patches, each with its position and modality), ``D`` layers of pre-norm self-attention and MLP, and
``p = tanh(z_0ᴰ W_pool)``. LayerNorm and linear layer ``W`` are ours: with a frozen encoder there would be nothing to
train.

Where an image is missing the transformer reads the text alone. Other than in the paper, images are scaled to a square
(see ``otmel.encoders.vilt``). The paper could not be checked: its sections and equations are given as we know them.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from transformers import ViltConfig, ViltModel

from otmel.encoders import TwoTowerEncoder
from otmel.inputs import InputProcessor
from otmel.models.baselines.bert import TextBiEncoder
from otmel.models.settings import SystemSettings
from otmel.models.systems import System


class ViltSettings(SystemSettings):
    """Settings of ViLT: its pooled vector, which needs a joint encoder to have seen the image."""

    kind: Literal["vilt"] = "vilt"
    cls: Literal["output", "pooled"] = "pooled"


class Vilt(TextBiEncoder):
    """One vector of words and patches together, one inner product per pair: the joint encoder has seen the image."""

    settings_class = ViltSettings
    part = "F"


def small(towers: TwoTowerEncoder, processor: InputProcessor) -> ViltModel:
    """A ViLT of two layers in random weights, as wide as ``towers``, for their tokenizer and images."""
    width, patch = towers.widths.text, processor.patch_size or 8
    config = ViltConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=towers.text_tower.config.max_position_embeddings,
        image_size=processor.image_shape[0] // patch * patch,
        patch_size=patch,
        initializer_range=width**-0.5,
    )
    model = ViltModel(config)
    with torch.no_grad():  # zeros by themselves: every patch would start in the same place
        for weight in (model.embeddings.position_embeddings, model.embeddings.cls_token):
            nn.init.normal_(weight, std=0.1)
    return model


SYSTEM = System(
    name="vilt",
    title="ViLT",
    year=2021,
    citation="Kim, Son, Kim. ViLT: Vision-and-Language Transformer Without Convolution or Region Supervision. "
    "ICML 2021.",
    settings=ViltSettings,
    model=Vilt,
    reads=("text", "image"),
    encoder="dandelin/vilt-b32-mlm",
    published=ViltConfig,
    small=small,
    group="vision-language",
)
