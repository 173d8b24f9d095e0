"""A tokenizer and an image processor made on the spot: no test needs a network."""

import pytest
from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from otmel.encoders.tokenizer import train_tokenizer

TEXTS = [
    "James Holland met the pilot of the lions at the premiere in London.",
    "Clara Keller, the chemist from Chile, won the palm. Occupation: chemist. Country: Chile",
    "abcdefghijklmnopqrstuvwxyz 0123456789",
]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A small byte-level BPE with the pair template."""
    return train_tokenizer(TEXTS * 4, vocabulary=500)


@pytest.fixture(scope="session")
def clip_tokenizer() -> CLIPTokenizer:
    """A tokenizer of CLIP's own kind, with one token per byte: it has no separator and no pair to speak of."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    vocab = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    for letter in sorted(letters):
        vocab[letter] = len(vocab)
        vocab[letter + "</w>"] = len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=[])
