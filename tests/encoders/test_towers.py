"""Laws of the encoder: no padding and no neighbour changes a row; what is absent is masked."""

import pytest
import torch
from PIL import Image

from otmel.data.records import Mention
from otmel.types import Views

TOLERANCE = 1e-5
RED = Image.new("RGB", (20, 20), "red")


@pytest.fixture
def encoder(kind, make_encoder):
    return make_encoder(kind)


@pytest.fixture
def processor(kind, make_processor):
    return make_processor(kind)


def encode(encoder, processor, mentions) -> Views:
    with torch.no_grad():
        return encoder(processor.mentions(list(mentions)))


def test_shapes_follow_widths(encoder, processor, kind, mentions):
    views, widths = encode(encoder, processor, mentions), encoder.widths
    assert views.text.tokens.shape[-1] == widths.text
    assert views.image.tokens.shape[-1] == widths.image
    assert views.text.cls.shape == (4, widths.text_cls)
    assert views.image.cls.shape == (4, widths.image_cls)
    patches = {"siglip": 4, "text": 1}.get(kind, 5)
    assert views.image.tokens.shape[1] == patches


def test_a_row_does_not_depend_on_its_batch(encoder, processor, mentions):
    together = encode(encoder, processor, mentions)
    for row, mention in enumerate(mentions):
        alone = encode(encoder, processor, [mention])
        length = alone.text.tokens.shape[1]
        assert torch.allclose(together.text.tokens[row, :length], alone.text.tokens[0], atol=TOLERANCE)
        assert torch.allclose(together.text.cls[row], alone.text.cls[0], atol=TOLERANCE)
        assert torch.allclose(together.image.tokens[row], alone.image.tokens[0], atol=TOLERANCE)
        assert torch.allclose(together.image.cls[row], alone.image.cls[0], atol=TOLERANCE)
        assert not together.text.mask[row, length:].any()


def test_a_missing_image_is_masked_with_its_cls(encoder, processor, kind, mentions):
    views = encode(encoder, processor, mentions)
    seen = [kind != "text", False, kind != "text", False]
    assert views.image.present.tolist() == seen
    assert views.image.mask.all(1).tolist() == seen
    assert not views.image.tokens[1].any()
    assert not views.image.cls[1].any()


def test_no_image_in_the_batch_gives_the_same_shapes(kind, make_encoder, make_processor, mentions):
    fresh = make_encoder(kind)  # has not seen an image yet
    processor = make_processor(kind)
    without = encode(fresh, processor, mentions[1:2])
    full = encode(fresh, processor, mentions)
    assert without.image.tokens.shape[1:] == full.image.tokens.shape[1:]
    assert without.image.cls.shape[1:] == full.image.cls.shape[1:]
    assert not without.image.mask.any()


def test_units_are_all_of_the_towers_blocks_first(encoder):
    towers = [tower for tower in (encoder.text_tower, encoder.vision_tower) if tower is not None]
    *inner, outer = (
        encoder.units if len(towers) == 1 else [*encoder.units[:-2], torch.nn.ModuleList(encoder.units[-2:])]
    )
    assert list(outer.parameters()) == [weight for tower in towers for weight in tower.parameters()]
    layers = [module for name, module in outer.named_modules() if name.endswith("layers.0") or name.endswith("layer.0")]
    assert inner == layers
    assert len(layers) == len(towers)


def test_a_process_without_images_reads_along_and_nothing_comes_of_it(kind, make_encoder, make_processor, mentions):
    encoder, batch = make_encoder(kind).train(), make_processor(kind).mentions(list(mentions[1:2]))
    alone, chance = encoder.image(batch), torch.get_rng_state()
    encoder.anywhere = lambda here: True
    along = encoder.image(batch)
    assert torch.equal(torch.get_rng_state(), chance)
    assert torch.equal(along.tokens, alone.tokens)
    assert torch.equal(along.cls, alone.cls)
    if kind != "text":
        (along.tokens.sum() + along.cls.sum()).backward()
        gradients = [weight.grad for weight in encoder.vision_tower.parameters() if weight.grad is not None]
        assert gradients
        assert not any(gradient.any() for gradient in gradients)


def test_gradients_reach_both_towers_and_are_finite(encoder, processor, kind, mentions):
    views = encoder(processor.mentions(mentions))
    (views.text.cls.square().sum() + views.image.cls.square().sum() + views.image.tokens.square().sum()).backward()
    towers = [encoder.text_tower] + ([encoder.vision_tower] if kind != "text" else [])
    for tower in towers:
        gradients = [parameter.grad for parameter in tower.parameters() if parameter.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_two_images_differ_and_the_same_one_does_not(make_encoder, make_processor, mentions):
    encoder, processor = make_encoder("clip"), make_processor("clip")
    views = encode(encoder, processor, [Mention("a", image=RED), Mention("b", image=RED), mentions[2]])
    assert torch.equal(views.image.tokens[0], views.image.tokens[1])
    assert not torch.allclose(views.image.cls[0], views.image.cls[2], atol=1e-3)


def test_clips_output_is_the_end_token_and_the_normalised_class_token(make_encoder, make_processor, mentions):
    encoder, processor = make_encoder("clip"), make_processor("clip")
    batch = processor.mentions(mentions)
    views = encode(encoder, processor, mentions)
    end = batch.attention_mask.sum(1) - 1
    assert torch.equal(views.text.cls, views.text.tokens[torch.arange(4), end])
    normal = encoder.vision_tower.post_layernorm(views.image.tokens[0, 0])
    assert torch.allclose(views.image.cls[0], normal, atol=1e-6)


def test_pooled_is_clips_projected_embedding(make_encoder, make_processor, mentions):
    encoder, processor = make_encoder("clip", "pooled"), make_processor("clip")
    batch = processor.mentions([mentions[0], mentions[2]])
    views = encode(encoder, processor, [mentions[0], mentions[2]])
    with torch.no_grad():
        theirs = encoder.model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask.long(), pixel_values=batch.pixels
        )
    normal = torch.nn.functional.normalize
    assert torch.allclose(normal(views.text.cls, dim=-1), theirs.text_embeds, atol=1e-6)
    assert torch.allclose(normal(views.image.cls, dim=-1), theirs.image_embeds, atol=1e-6)


@pytest.mark.parametrize("kind", ["dual", "vit"])
def test_berts_output_is_the_first_token_and_pooled_its_projected_pooler(kind, make_encoder, make_processor, mentions):
    processor = make_processor(kind)
    views = encode(make_encoder(kind), processor, mentions)
    assert torch.equal(views.text.cls, views.text.tokens[:, 0])
    encoder = make_encoder(kind, "pooled")
    batch = processor.mentions(mentions)
    with torch.no_grad():
        theirs = encoder.model.get_text_features(batch.input_ids, batch.attention_mask.long()).pooler_output
    assert encoder.widths.text_cls == 512
    assert torch.allclose(encode(encoder, processor, mentions).text.cls, theirs, atol=1e-5)


def test_mean_is_the_mean_over_the_tokens_and_not_the_padding(make_encoder, make_processor, mentions):
    processor = make_processor("dual")
    views = encode(make_encoder("dual", "mean"), processor, mentions)
    for row in range(4):
        expected = views.text.tokens[row][views.text.mask[row]].mean(0)
        assert torch.allclose(views.text.cls[row], expected, atol=1e-6)


def test_a_sentence_encoder_averages_whatever_is_asked(make_encoder, make_processor, mentions):
    encoder, processor = make_encoder("dual"), make_processor("dual")
    encoder.text_tower.config.text_pooling = "mean"
    views = encode(encoder, processor, mentions)
    expected = encode(make_encoder("dual", "mean"), processor, mentions)
    assert torch.equal(views.text.cls, expected.text.cls)


def test_berts_segments_follow_the_separator(tokenizer, make_encoder, make_processor, mentions):
    encoder, processor = make_encoder("text"), make_processor("text")
    plain = encode(encoder, processor, mentions)
    encoder.config.sep_token_id = tokenizer.sep_token_id
    batch = processor.mentions([mentions[0]])
    pair = tokenizer("Holland", mentions[0].context, return_tensors="pt", return_token_type_ids=True)
    with torch.no_grad():
        theirs = encoder.model(**pair).last_hidden_state
    assert pair["token_type_ids"].unique().tolist() == [0, 1]
    assert torch.equal(batch.input_ids, pair["input_ids"])
    ours = encode(encoder, processor, mentions[:1]).text.tokens
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.allclose(ours, plain.text.tokens[:1, : ours.shape[1]], atol=1e-3)
