"""Tokenizer and text tower: whether they belong together, and what the tower must know of its special tokens."""

from __future__ import annotations

from transformers import PreTrainedModel

from otmel.errors import CheckpointError, ConfigurationError
from otmel.inputs import InputProcessor
from otmel.inputs.text import special_id


def fit_tokenizer(model: PreTrainedModel, processor: InputProcessor, *, where: str) -> None:
    """Check that tokenizer and text tower belong together, and tell the tower of the special tokens.

    Raises:
        CheckpointError: the tokenizer belongs to another model.
        ConfigurationError: texts may be longer than the tower has positions.
    """
    tower, tokenizer = getattr(model, "text_model", model), processor.tokenizer
    config = tower.config
    if len(tokenizer) > config.vocab_size:
        problem = f"the tokenizer has {len(tokenizer):,} tokens, the text tower only {config.vocab_size:,}"
        raise CheckpointError(problem, where=where, cure="use the tokenizer that belongs to the model")
    longest = max(processor.settings.mention_length, processor.settings.entity_length)
    positions = getattr(config, "max_position_embeddings", longest)
    if longest > positions:
        raise ConfigurationError(
            f"texts of up to {longest} tokens are asked for, and the text tower has {positions} positions",
            where=where,
            cure=f"set mention_length and entity_length to at most {positions}",
        )
    if config.model_type == "clip_text_model":
        _fit_end_token(model, special_id(tokenizer, "eos"), where)
    elif getattr(config, "text_pooling", None) is None and tokenizer.sep_token_id is not None:
        config.sep_token_id = tokenizer.sep_token_id  # the encoder derives BERT's segments from it


def _fit_end_token(model: PreTrainedModel, end: int | None, where: str) -> None:
    """CLIP pools at the end token; a legacy configuration says 2 and means the highest id."""
    tower = getattr(model, "text_model", model)
    if end is None or tower.config.eos_token_id not in (2, end):
        raise CheckpointError(
            f"the text tower pools at token {tower.config.eos_token_id}, the tokenizer ends texts with {end}",
            where=where,
            cure="use the tokenizer that belongs to the model",
        )
    tower.config.eos_token_id = getattr(model.config, "text_config", model.config).eos_token_id = end
    setattr(tower, "eos_token_id", end)  # noqa: B010 - nn.Module's own typing knows only tensors and modules
