"""A byte-level BPE trained on a graph's own texts, for data without pretrained weights."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PAD, CLS, UNK, SEP, END = "[PAD]", "[CLS]", "[UNK]", "[SEP]", "[END]"
SPECIAL = (PAD, CLS, UNK, SEP, END)  # the end token must not have the id 2: CLIP reads that as a legacy value


def train_tokenizer(texts: Iterable[str], vocabulary: int = 4000, length: int = 64) -> PreTrainedTokenizerFast:
    """A tokenizer with the pair template ``[CLS] name [SEP] context [END]``.

    The last token differs from the separator because CLIP's text tower, which reads from left to right, pools at the
    first end token: that must be the one that has seen the whole text.

    Args:
        texts: what the merges are learned from.
        vocabulary: most tokens, the 256 bytes and the special ones included.
        length: most tokens of a text, kept as ``model_max_length``.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Digits(individual_digits=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (CLS, SEP, END)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {END}", pair=f"{CLS} $A {SEP} $B:1 {END}:1", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        cls_token=CLS,
        bos_token=CLS,
        unk_token=UNK,
        sep_token=SEP,
        eos_token=END,
        model_max_length=length,
    )
