"""Which models are causal language models, and how their tokenizers write a name and its context."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from tokenizers import Tokenizer, processors
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from otmel.errors import CheckpointError, ConfigurationError

SPECIAL = ("bos", "eos", "pad", "unk")


def is_causal(config: PretrainedConfig) -> bool:
    """Whether a configuration is of a causal language model: not one that can also be a masked or a translating one."""
    kind = config.model_type
    only = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return only and not config.is_encoder_decoder and not hasattr(config, "vision_config")


def separated(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer of a causal language model with the pair template ``[BOS] name [EOS] context [EOS]``.

    Such tokenizers have no separator, so that ``name. context`` would be one sequence, and where its name ends could
    only be guessed. Their end token never stands in a text: it separates. No token is added. Where there is no begin
    token the end token begins, too. A tokenizer that begins and separates by itself stays as it is.

    Raises:
        CheckpointError: it has no end token, or is not backed by the tokenizers library.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and _separates(tokenizer, backend):
        return tokenizer
    end = tokenizer.sep_token or tokenizer.eos_token
    if backend is None or not isinstance(end, str):
        problem = f"{type(tokenizer).__name__} has no end token, or is not backed by the tokenizers library"
        raise CheckpointError(problem, cure="use a tokenizer that has a tokenizer.json and an eos_token")
    begin = str(tokenizer.bos_token or end)
    own = Tokenizer.from_str(backend.to_str())
    ids = sorted({(token, own.token_to_id(token)) for token in (begin, end)})
    # A single text has no end: none that is not worded as a pair must look as if it were all name.
    own.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single=f"{begin} $A", pair=f"{begin} $A {end} $B:1 {end}:1", special_tokens=ids
    )
    tokens = {f"{kind}_token": getattr(tokenizer, f"{kind}_token") for kind in SPECIAL}
    return PreTrainedTokenizerFast(
        tokenizer_object=own, sep_token=end, model_max_length=tokenizer.model_max_length, **tokens
    )


def _separates(tokenizer: PreTrainedTokenizerBase, backend: Tokenizer) -> bool:
    ids = backend.encode("a", "b").ids
    return ids[0] in tokenizer.all_special_ids and tokenizer.sep_token_id in ids[1:]


def names_of(ids: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"], separator: int) -> Int[Tensor, "B N"]:
    """What stands between a text's first token and its first separator, the latter included; then ``-1``.

    In the wording ``pair`` (Eq. 4) name and context are tokenised apart, and no text holds a separator of its own:
    these are the tokens of the name alone, whatever follows.

    Raises:
        ConfigurationError: a text has no separator: it is of another wording.
    """
    ids, mask = ids[:, 1:], mask[:, 1:]
    ends = (ids == separator) & mask
    if not ends.any(1).all():
        problem = "a text has no separator behind its name, so that the name cannot be told from the rest"
        raise ConfigurationError(problem, cure="set inputs.wording=pair")
    last = ends.long().argmax(1, keepdim=True)
    places = torch.arange(ids.shape[1], device=ids.device)
    names = ids.masked_fill(places > last, -1)
    return names[:, : int(last.max()) + 1]
