"""How records become model input: wording, lengths and which entity texts are read."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from otmel.settings import Settings

EntityText: TypeAlias = Literal["aliases", "description", "attributes"]


class InputSettings(Settings):
    """Settings of an ``InputProcessor``; saved beside the tokenizer as ``input_settings.json``.

    Attributes:
        wording: ``pair`` is Eq. 4, ``[CLS] name [SEP] context [SEP]`` through the tokenizer's own pair template.
            A tokenizer without a separator token (CLIP's) has no such template that its pooling could read (CLIP pools
            at the *first* end token), so there ``pair`` is the one sequence ``name. context``.
            ``literal_sep`` is the one sequence ``name [SEP] context`` with the five characters ``[SEP]`` as text.
        mention_length: most tokens of a mention's text, special tokens included.
        entity_length: the same for entities.
        entity_text: what follows the entity's name, in this order, joined by ``. ``; empty parts are left out.
        window: a context that is too long keeps the words around the mention; ``False`` keeps its beginning.
            The name is never cut for the sake of the context; a name longer than the limit is cut by itself.
        images: read images; ``False`` leaves every one out, for the text's share of a result.
    """

    wording: Literal["pair", "literal_sep"] = "pair"
    mention_length: int = Field(default=40, ge=8)
    entity_length: int = Field(default=40, ge=8)
    entity_text: tuple[EntityText, ...] = ("attributes",)
    window: bool = True
    images: bool = True
