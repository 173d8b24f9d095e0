"""A causal language model with a vision tower: two towers in reading, a likelihood in writing, one on the disk."""

import json

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    Qwen2Config,
)

from otmel.data.records import Mention
from otmel.encoders import build_encoder, load_encoder, save_encoder
from otmel.encoders.causal import CausalEncoder, Prompt
from otmel.encoders.causal_model import CausalVisionConfig
from otmel.encoders.settings import TowerSettings
from otmel.encoders.tiny import image_processor, vision_config
from otmel.errors import ConfigurationError
from otmel.inputs.pretrained import quiet

from .test_causal_text import END, plain_tokenizer

TOLERANCE = 1e-5
TEXT = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
DEEP = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}
GATED = {**TEXT, **DEEP, "intermediate_size": 48}
OPT = {**TEXT, **DEEP, "ffn_dim": 48}
SPEAKERS = {
    "gpt2": lambda: GPT2Config(**TEXT, n_embd=32, n_layer=2, n_head=2, n_positions=64),
    "opt": lambda: OPTConfig(**OPT, word_embed_proj_dim=32),
    "opt-projected": lambda: OPTConfig(**OPT, word_embed_proj_dim=16, do_layer_norm_before=False),  # as OPT-350M
    "llama": lambda: LlamaConfig(**GATED),
    "qwen2": lambda: Qwen2Config(**GATED, num_key_value_heads=2, tie_word_embeddings=True),
    "bloom": lambda: BloomConfig(**TEXT, hidden_size=32, n_layer=2, n_head=2),
    "gpt-neox": lambda: GPTNeoXConfig(**GATED),
}
TIED = ("gpt2", "opt", "opt-projected", "qwen2", "bloom")
RED = Image.new("RGB", (20, 20), "red")
MENTIONS = (Mention("Anna Bell", "Anna Bell paints", image=RED), Mention("Quist"), Mention("", "paints"))


def parts(kind: str, folder, dtype: torch.dtype = torch.float32) -> str:
    """A language model and a vision tower of random weights, in two folders, as ``load_encoder`` takes them."""
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(SPEAKERS[kind]()).to(dtype).save_pretrained(folder / "text")
        plain_tokenizer(eos_token=END).save_pretrained(folder / "text")
        towers = TowerSettings(width=24, vision_layers=1, image_size=16, patch_size=8)
        CLIPVisionModel(vision_config(towers)).save_pretrained(folder / "vision")
        image_processor(16).save_pretrained(folder / "vision")
    return f"{folder / 'text'}+{folder / 'vision'}"


@pytest.fixture(params=SPEAKERS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def loaded(kind, tmp_path):
    return load_encoder(parts(kind, tmp_path))


def elements(encoder, batch):
    with torch.no_grad():
        views = encoder(batch)
    return views.text.tokens, views.text.cls, views.image.tokens, views.image.cls


def test_saved_loaded_and_built_again_it_is_bit_equal(loaded, kind, tmp_path):
    encoder, processor = loaded
    assert type(encoder) is CausalEncoder
    save_encoder(encoder, processor, tmp_path / "whole")
    again, other = load_encoder(tmp_path / "whole")
    batch = processor.mentions(MENTIONS)
    assert torch.equal(batch.input_ids, other.mentions(MENTIONS).input_ids)
    built = build_encoder(json.loads(json.dumps(encoder.config.to_dict())))
    missing = built.load_state_dict(encoder.state_dict())
    assert not missing.missing_keys
    for second in (again, built.eval()):
        assert second.separator == encoder.separator
        assert all(map(torch.equal, elements(encoder, batch), elements(second, batch)))
        assert torch.equal(likelihoods(encoder, batch), likelihoods(second, batch))
        head, table = second.text_tower.get_output_embeddings(), second.text_tower.get_input_embeddings()
        assert (head.weight is table.weight) == (kind in TIED)


def test_a_row_depends_on_neither_padding_nor_neighbours(loaded):
    encoder, processor = loaded
    together = elements(encoder, processor.mentions(MENTIONS))
    for row, mention in enumerate(MENTIONS):
        alone = elements(encoder, processor.mentions([mention]))
        length = alone[0].shape[1]
        torch.testing.assert_close(together[0][row, :length], alone[0][0], atol=TOLERANCE, rtol=TOLERANCE)
        torch.testing.assert_close(together[1][row], alone[1][0], atol=TOLERANCE, rtol=TOLERANCE)
        assert torch.equal(alone[1][0], alone[0][0, -1])  # the last token has read all


def test_widths_are_those_of_the_elements(loaded):
    encoder, processor = loaded
    text, text_cls, image, image_cls = elements(encoder, processor.mentions(MENTIONS))
    widths = encoder.widths
    assert [text.shape[-1], image.shape[-1]] == [widths.text, widths.image]
    assert [text_cls.shape[-1], image_cls.shape[-1]] == [widths.text_cls, widths.image_cls]
    assert encoder.embedded(torch.tensor([[1, 2]])).shape == (1, 2, encoder.embedding_width)


TEXTS = torch.tensor([[5, 6, 7, 0], [8, 0, -1, -1], [9, 10, 0, -1], [0, -1, -1, -1]])
ROWS = torch.tensor([1, 0, 2, 1])


def likelihoods(encoder, batch, rows=ROWS, texts=TEXTS):
    with torch.no_grad():
        return encoder.log_likelihood(Prompt.of(encoder.embedded(batch.input_ids), batch.attention_mask), rows, texts)


def test_the_likelihood_is_that_of_each_text_read_whole_and_alone(loaded):
    encoder, processor = loaded
    batch = processor.mentions(MENTIONS)
    for row, text, found in zip(ROWS.tolist(), TEXTS.tolist(), likelihoods(encoder, batch), strict=True):
        prompt = batch.input_ids[row][batch.attention_mask[row]].tolist()
        text = [token for token in text if token >= 0]
        with torch.no_grad():
            logits = encoder.text_tower(torch.tensor([prompt + text])).logits[0].log_softmax(-1)
        plain = [logits[len(prompt) + place - 1, token] for place, token in enumerate(text)]
        torch.testing.assert_close(found, torch.stack(plain).mean(), atol=TOLERANCE, rtol=TOLERANCE)


def test_likelihoods_depend_on_no_other_text(loaded):
    encoder, processor = loaded
    batch = processor.mentions(MENTIONS)
    together = likelihoods(encoder, batch)
    for place in range(len(ROWS)):
        row, length = ROWS[place], int((TEXTS[place] >= 0).sum())
        alone = likelihoods(
            encoder, processor.mentions([MENTIONS[row]]), ROWS[:1] * 0, TEXTS[place : place + 1, :length]
        )
        torch.testing.assert_close(alone[0], together[place], atol=TOLERANCE, rtol=TOLERANCE)


def test_a_prompt_moves_its_padding_to_the_left():
    mask = torch.tensor([[True, False, True, True], [False, True, False, False]])
    embeddings = torch.arange(8.0).view(2, 4, 1) + 1
    prompt = Prompt.of(embeddings, mask)
    assert prompt.mask.tolist() == [[False, True, True, True], [False, False, False, True]]
    assert prompt.embeddings.squeeze(-1).tolist() == [[0, 1, 3, 4], [0, 0, 0, 6]]


def test_too_long_a_text_is_refused_with_both_lengths(tmp_path):
    encoder, processor = load_encoder(parts("gpt2", tmp_path))
    with pytest.raises(ConfigurationError, match=r"take \d+ tokens, and the language model has 64"):
        likelihoods(encoder, processor.mentions(MENTIONS), ROWS[:1], torch.ones(1, 60, dtype=torch.long))


def test_a_language_model_alone_has_no_image(tmp_path):
    parts("gpt2", tmp_path)
    encoder, processor = load_encoder(tmp_path / "text")
    assert type(encoder) is CausalEncoder
    views = encoder(processor.mentions(MENTIONS))
    assert not views.image.present.any()
    save_encoder(encoder, processor, tmp_path / "whole")
    again, _ = load_encoder(tmp_path / "whole")
    assert torch.equal(again(processor.mentions(MENTIONS)).text.cls, views.text.cls)


def test_weights_published_in_half_precision_are_read_in_single(tmp_path):
    encoder, _ = load_encoder(parts("opt", tmp_path, torch.float16))
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}


def test_the_mean_is_the_mean_over_the_tokens(tmp_path):
    encoder, processor = load_encoder(parts("gpt2", tmp_path), cls="mean")
    text, cls, *_ = elements(encoder, processor.mentions(MENTIONS[:1]))
    torch.testing.assert_close(cls[0], text[0].mean(0))


def test_a_separator_must_be_known():
    bare = build_encoder(CausalVisionConfig(SPEAKERS["gpt2"](), None))
    with pytest.raises(ConfigurationError, match="sep_token_id"):
        bare.separator  # noqa: B018


def test_the_largest_published_parts_fit_together():
    """OPT-6.7B beside CLIP's ViT-L/14: their shapes, without their weights."""
    text = OPTConfig(
        hidden_size=4096, word_embed_proj_dim=4096, num_hidden_layers=32, num_attention_heads=32, ffn_dim=16384
    )
    vision = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14
    )
    with torch.device("meta"):
        encoder = build_encoder(CausalVisionConfig(text, vision))
    assert sum(weight.numel() for weight in encoder.text_tower.parameters()) == pytest.approx(6.66e9, rel=0.01)
    assert (encoder.widths.text, encoder.widths.image) == (4096, 1024)
