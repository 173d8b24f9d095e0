"""A small causal language model keeps the vision tower and the token embeddings it is given."""

import pytest
import torch

from otmel.encoders import load_encoder, save_encoder, wrapped
from otmel.encoders.causal import CausalEncoder
from otmel.encoders.tiny_causal import small_causal, weights_of


@pytest.mark.parametrize("kind", ["clip", "dual", "vit", "text"])
def test_it_keeps_what_it_can_use(kind, make_encoder, make_processor, mentions, tmp_path):
    towers, processor = make_encoder(kind), make_processor(kind)
    encoder = wrapped(small_causal(towers, processor)).eval()
    assert isinstance(encoder, CausalEncoder)
    assert torch.equal(weights_of(encoder.text_tower), weights_of(towers.text_tower))
    batch = processor.mentions(mentions)
    with torch.no_grad():
        views = encoder(batch)
        if kind != "text":
            assert torch.equal(views.image.tokens, towers(batch).image.tokens)
    save_encoder(encoder, processor, tmp_path / "small")
    again, _ = load_encoder(tmp_path / "small")
    with torch.no_grad():
        assert torch.equal(again(batch).text.cls, views.text.cls)
    assert again.separator == processor.tokenizer.sep_token_id
