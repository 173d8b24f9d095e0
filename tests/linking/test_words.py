"""Words from tokens, for every way in which tokenizers mark them."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from otmel.linking.words import word_groups

CASES = {
    "byte-level": (["<s>", "Cl", "ara", "Ġmet", "ĠK", "eller", ",", "Ġ", "the", "</s>"], {0, 9}),
    "sentencepiece": (["<s>", "▁Cl", "ara", "▁met", "▁K", "eller", ",", "▁", "the", "</s>"], {0, 9}),
    "wordpiece": (["[CLS]", "cl", "##ara", "met", "k", "##eller", ",", "the", "[SEP]"], {0, 8}),
    "clip": (["<s>", "cl", "ara</w>", "met</w>", "k", "eller</w>", ",</w>", "the</w>", "</s>"], {0, 8}),
}
EXPECTED = {
    "byte-level": ((1, 2), (3,), (4, 5), (8,)),
    "sentencepiece": ((1, 2), (3,), (4, 5), (8,)),
    "wordpiece": ((1, 2), (3,), (4, 5), (7,)),
    "clip": ((1, 2), (3,), (4, 5), (7,)),
}


def shown(piece: str) -> str:
    return piece.replace("Ġ", "").replace("▁", "").replace("##", "").replace("</w>", "") or "␣"


@pytest.mark.parametrize("kind", CASES)
def test_pieces_are_joined_into_words(kind: str) -> None:
    pieces, special = CASES[kind]
    assert word_groups(pieces, [shown(piece) for piece in pieces], special) == EXPECTED[kind]


def test_a_word_does_not_reach_over_a_special_token() -> None:
    pieces = ["a", "[SEP]", "b"]
    assert word_groups(pieces, pieces, {1}) == ((0,), (2,))


def test_bytes_of_one_character_are_one_word() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_alone())
    ids = tokenizer("中 x").input_ids
    pieces = tokenizer.convert_ids_to_tokens(ids)
    groups = word_groups(pieces, [str(tokenizer.decode([i])) for i in ids], ())
    assert [str(tokenizer.decode([ids[n] for n in group])).strip() for group in groups] == ["中", "x"]


def bytes_alone() -> Tokenizer:
    """A tokenizer with one token per byte."""
    from tokenizers import decoders

    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
