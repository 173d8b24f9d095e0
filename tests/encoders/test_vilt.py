"""ViLT as an encoder: transformers' own outputs without its lottery; padding, neighbours and absent images."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast, ViltConfig, ViltForMaskedLM, ViltImageProcessorPil, ViltModel

from otmel.data.records import Mention
from otmel.encoders import Widths, build_encoder, load_encoder, save_encoder
from otmel.encoders.vilt import ViltEncoder
from otmel.errors import ConfigurationError
from otmel.inputs import InputProcessor, InputSettings
from otmel.types import Batch

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 24,
    "patch_size": 8,
    "max_position_embeddings": 48,
    "initializer_range": 0.2,
}


def small(tokenizer: PreTrainedTokenizerFast, kind: type = ViltModel):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(ViltConfig(vocab_size=len(tokenizer), **SMALL))
        embeddings = getattr(model, "vilt", model).embeddings
        for weight in (embeddings.position_embeddings, embeddings.cls_token):
            torch.nn.init.normal_(weight)
    return model.eval()


@pytest.fixture
def published(tokenizer, tmp_path) -> Path:
    """A folder as ``dandelin/vilt-b32-mlm`` is one: with a head, and the image processor's older names."""
    small(tokenizer, ViltForMaskedLM).save_pretrained(tmp_path / "vilt")
    tokenizer.save_pretrained(tmp_path / "vilt")
    settings = {"do_normalize": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    settings |= {"feature_extractor_type": "ViltFeatureExtractor", "resample": 3, "size": 24, "size_divisor": 8}
    (tmp_path / "vilt" / "preprocessor_config.json").write_text(json.dumps(settings))
    return tmp_path / "vilt"


@pytest.fixture
def batch(published, mentions) -> Batch:
    """Four texts, two of them with an image."""
    return load_encoder(published)[1].mentions(mentions)


@torch.no_grad()
def test_a_published_folder_loads_with_its_processor(published, tokenizer, mentions):
    encoder, processor = load_encoder(published, cls="pooled")
    assert isinstance(encoder, ViltEncoder)
    assert encoder.widths == Widths(32, 32, 32, 32)
    assert encoder.text_tower.config.max_position_embeddings == 48
    assert processor.image_shape == (24, 24)
    assert processor.patch_grid == (3, 3)
    wide = Mention("a", image=Image.new("RGB", (60, 20), "red"))  # ViLT's own processor would keep its shape
    assert processor.mentions([wide, *mentions]).pixels.shape[-2:] == (24, 24)
    own = small(tokenizer, ViltForMaskedLM).vilt.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in encoder.model.state_dict().items())
    assert "torchvision" not in sys.modules


@torch.no_grad()
def test_pixels_are_those_of_vilts_own_processor(published):
    image = Image.radial_gradient("L").convert("RGB").resize((50, 50))
    _, processor = load_encoder(published)
    own = ViltImageProcessorPil(size={"shortest_edge": 24}, size_divisor=8)(images=[image], return_tensors="pt")
    assert torch.equal(processor.mentions([Mention("a", image=image)]).pixels, own["pixel_values"])


@torch.no_grad()
def test_outputs_are_transformers_own(published, batch, tokenizer):
    """Transformers reads the patches in a random order; its own text does not depend on it."""
    encoder, _ = load_encoder(published, cls="pooled")
    rows = batch.has_image.nonzero().squeeze(1)
    read = batch[rows]
    theirs = encoder.model(
        input_ids=read.input_ids, attention_mask=read.attention_mask.long(), pixel_values=read.pixels
    )
    ours, length = encoder(read), read.input_ids.shape[1]
    torch.testing.assert_close(ours.text.cls, theirs.pooler_output, atol=1e-5, rtol=0)
    mask = read.attention_mask
    torch.testing.assert_close(ours.text.tokens[mask], theirs.last_hidden_state[:, :length][mask], atol=1e-5, rtol=0)
    seen = theirs.last_hidden_state[:, length:]
    torch.testing.assert_close(ours.image.cls, seen[:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.image.tokens.sort(1).values, seen.sort(1).values, atol=1e-5, rtol=0)


@torch.no_grad()
def test_it_is_no_lottery(published, batch):
    encoder, _ = load_encoder(published)
    encoder.config.max_image_length = 3  # transformers would draw three patches
    first, second = encoder(batch), encoder(batch)
    assert torch.equal(first.text.tokens, second.text.tokens)
    assert torch.equal(first.image.tokens, second.image.tokens)
    assert first.image.tokens.shape[1] == 10


@pytest.mark.parametrize("cls", ["output", "pooled", "mean"])
@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch(published, batch, cls):
    encoder, _ = load_encoder(published, cls=cls)
    together = encoder(batch)
    for row in range(len(batch)):
        one = batch[row : row + 1]
        length = int(one.attention_mask.sum())
        alone = encoder(
            replace(one, input_ids=one.input_ids[:, :length], attention_mask=one.attention_mask[:, :length])
        )
        for part, kept in (("text", slice(length)), ("image", slice(None))):
            wide, narrow = getattr(together, part), getattr(alone, part)
            torch.testing.assert_close(wide.tokens[row, kept], narrow.tokens[0], atol=1e-5, rtol=0)
            torch.testing.assert_close(wide.cls[row], narrow.cls[0], atol=1e-5, rtol=0)
            assert torch.equal(wide.mask[row, kept], narrow.mask[0])


@torch.no_grad()
def test_without_an_image_the_text_is_read_alone(published, batch):
    encoder, _ = load_encoder(published)
    soiled = replace(batch, pixels=batch.pixels + ~batch.has_image[:, None, None, None] * 3.0)
    before, after = encoder(batch), encoder(soiled)
    assert torch.equal(before.text.tokens, after.text.tokens)
    assert before.image.present.tolist() == batch.has_image.tolist() == [True, False, True, False]
    assert not before.image.tokens[1].any()
    assert not before.image.cls[1].any()
    blind = encoder(replace(batch, has_image=torch.zeros(4).bool()))
    assert blind.image.tokens.shape == before.image.tokens.shape
    torch.testing.assert_close(blind.text.cls[1], before.text.cls[1], atol=1e-5, rtol=0)
    assert not torch.allclose(blind.text.cls[0], before.text.cls[0], atol=1e-3)  # its image matters


@torch.no_grad()
def test_positions_are_stretched_over_larger_images_as_transformers_does(published, batch):
    encoder, _ = load_encoder(published, cls="pooled")
    one = batch[:1]
    pixels = torch.nn.functional.interpolate(one.pixels, size=(32, 40))
    theirs = encoder.model(
        input_ids=one.input_ids,
        attention_mask=one.attention_mask.long(),
        pixel_values=pixels,
        pixel_mask=torch.ones(1, 32, 40, dtype=torch.long),
    )
    ours = encoder(replace(one, pixels=pixels))
    assert ours.image.tokens.shape[1] == 21
    torch.testing.assert_close(ours.text.cls, theirs.pooler_output, atol=1e-5, rtol=0)


def test_saved_loaded_and_built_it_is_the_same(published, tmp_path, batch):
    encoder, processor = load_encoder(published, cls="pooled")
    save_encoder(encoder, processor, tmp_path / "again")
    again, second = load_encoder(tmp_path / "again", cls="pooled")
    built = build_encoder(json.loads(json.dumps(encoder.config.to_dict())), cls="pooled").eval()
    built.model.load_state_dict(encoder.model.state_dict())
    assert second.image_shape == processor.image_shape
    assert second.patch_grid == processor.patch_grid
    for other in (again, built):
        for part in ("text", "image"):
            one, two = getattr(encoder(batch), part), getattr(other(batch), part)
            assert torch.equal(one.tokens, two.tokens)
            assert torch.equal(one.cls, two.cls)


def test_gradients_are_finite_and_reach_both_modalities(published, batch):
    encoder, _ = load_encoder(published, cls="pooled")
    encoder(batch).text.cls.square().sum().backward()
    for name, weight in encoder.model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


def test_texts_longer_than_its_positions_are_refused(published):
    with pytest.raises(ConfigurationError, match="up to 64 tokens are asked for, and the text tower has 48"):
        load_encoder(published, settings=InputSettings(entity_length=64))


def test_text_and_image_alone_are_parts_of_the_whole(published, batch):
    encoder, processor = load_encoder(published)
    assert isinstance(processor, InputProcessor)
    views = encoder(batch)
    assert torch.equal(encoder.text(batch).cls, views.text.cls)
    assert torch.equal(encoder.image(batch).tokens, views.image.tokens)
