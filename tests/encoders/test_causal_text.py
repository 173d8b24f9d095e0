"""Which models are causal, how their tokenizers come to separate, and where a name ends."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BloomConfig,
    CLIPConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    T5Config,
)

from otmel.encoders.causal_text import is_causal, names_of, separated
from otmel.encoders.tokenizer import train_tokenizer
from otmel.errors import CheckpointError, ConfigurationError
from otmel.inputs import InputProcessor, InputSettings

END = "<|endoftext|>"
words = st.lists(st.integers(2, 9), max_size=5)


def plain_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """As GPT-2 has one: bytes, no separator, no template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokens = list(dict.fromkeys(special.values()))
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=tokens, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["Anna Bell paints", "Paul Quist"] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=77, **special)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        *((config, True) for config in (GPT2Config(), OPTConfig(), LlamaConfig(), BloomConfig())),
        *((config, False) for config in (BertConfig(), RobertaConfig(), T5Config(), CLIPConfig())),
    ],
    ids=lambda value: getattr(value, "model_type", str(value)),
)
def test_causal_models_are_told_by_their_kind(config, expected):
    assert is_causal(config) == expected


@pytest.mark.parametrize("special", [{"eos_token": END}, {"bos_token": "<s>", "eos_token": "</s>"}])
def test_the_end_token_separates_and_survives_saving(special, tmp_path):
    before = plain_tokenizer(**special)
    after = separated(before)
    after.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    name, context = (before(text, add_special_tokens=False).input_ids for text in ("Anna Bell", "Anna Bell paints"))
    end, begin = before.eos_token_id, before.convert_tokens_to_ids(special.get("bos_token", special["eos_token"]))
    for tokenizer in (after, loaded):
        assert len(tokenizer) == len(before)
        assert tokenizer.sep_token_id == end
        assert tokenizer.model_max_length == 77
        processor = InputProcessor(tokenizer, None, InputSettings())
        assert processor.texts([("Anna Bell", "Anna Bell paints")]).input_ids.tolist() == [
            [begin, *name, end, *context, end]
        ]


def test_a_text_that_is_no_pair_is_not_taken_for_a_name():
    tokenizer = separated(plain_tokenizer(eos_token=END))
    batch = InputProcessor(tokenizer, None, InputSettings(wording="literal_sep")).texts([("Anna", "paints")])
    with pytest.raises(ConfigurationError, match="wording=pair"):
        names_of(batch.input_ids, batch.attention_mask, int(tokenizer.sep_token_id))


def test_a_tokenizer_that_separates_stays_as_it_is():
    tokenizer = train_tokenizer(["Anna Bell paints"] * 4, vocabulary=300)
    assert separated(tokenizer) is tokenizer


def test_a_separator_without_a_template_gets_one():
    tokenizer = separated(plain_tokenizer(eos_token=END, sep_token="<sep>"))
    batch = InputProcessor(tokenizer, None).texts([("Anna", "paints")])
    assert (batch.input_ids == tokenizer.convert_tokens_to_ids("<sep>")).sum() == 3
    assert names_of(batch.input_ids, batch.attention_mask, int(tokenizer.sep_token_id))[0, -1] == tokenizer.sep_token_id


def test_a_tokenizer_without_an_end_is_refused():
    with pytest.raises(CheckpointError, match="no end token"):
        separated(plain_tokenizer(unk_token="<unk>"))


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), st.integers(0, 3))
def test_names_are_found_whatever_follows(texts, padding):
    rows = [[0, *name, 1, *context, 1] for name, context in texts]
    length = max(map(len, rows)) + padding
    ids = torch.tensor([[*row, *[1] * (length - len(row))] for row in rows])  # padded with the separator itself
    mask = torch.tensor([[True] * len(row) + [False] * (length - len(row)) for row in rows])
    names = names_of(ids, mask, 1)
    assert names.shape[1] == 1 + max(len(name) for name, _ in texts)
    for row, (name, _) in zip(names.tolist(), texts, strict=True):
        assert row == [*name, 1] + [-1] * (names.shape[1] - len(name) - 1)


def test_a_text_without_a_separator_is_refused():
    ids = torch.tensor([[0, 5, 1, 6, 1], [0, 5, 6, 7, 8]])
    with pytest.raises(ConfigurationError, match="no separator"):
        names_of(ids, torch.ones_like(ids, dtype=torch.bool), 1)
