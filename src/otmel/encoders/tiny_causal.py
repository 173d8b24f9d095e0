"""A small causal language model beside pretrained towers, for data without pretrained weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from otmel.encoders.causal_model import CausalVisionModel
from otmel.encoders.towers import TwoTowerEncoder
from otmel.inputs import InputProcessor
from otmel.inputs.text import special_id

LAYERS, ROOM = 2, 48
"""Layers of the language model, and its positions beyond the longest mention and the longest name."""


def small_causal(towers: TwoTowerEncoder, processor: InputProcessor) -> PreTrainedModel:
    """A GPT-2 of two layers in random weights, over the towers' own token embeddings, and their vision tower.

    Args:
        towers: what is kept of them are the vision tower, if there is one, and the token embeddings.
        processor: whose tokenizer is written with; it needs a separator.
    """
    embeddings = weights_of(towers.text_tower)
    tokenizer, settings, width = processor.tokenizer, processor.settings, embeddings.shape[1]
    config = GPT2Config(
        vocab_size=len(embeddings),
        n_embd=width,
        n_layer=LAYERS,
        n_head=towers.text_tower.config.num_attention_heads,
        n_positions=settings.mention_length + settings.entity_length + ROOM,
        bos_token_id=special_id(tokenizer, "bos"),
        eos_token_id=special_id(tokenizer, "sep"),
        pad_token_id=special_id(tokenizer, "pad"),
        initializer_range=width**-0.5,
    )
    speaker = GPT2LMHeadModel(config)
    with torch.no_grad():
        weights_of(speaker).copy_(embeddings)
    speaker.config.sep_token_id = special_id(tokenizer, "sep")
    return CausalVisionModel.of(speaker, towers.vision_tower)


def weights_of(model: PreTrainedModel) -> Tensor:
    """The token embeddings ``[vocabulary, d]``."""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table.weight
