"""Eq. 4: the wording of names and contexts, and its token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from otmel.data.records import Entity
from otmel.errors import CheckpointError
from otmel.inputs.settings import EntityText

CHARACTERS_PER_TOKEN = 16
"""Texts are cut to this many characters per token before they are tokenised; words are rarely longer."""


class Wording:
    """Writes ``(name, context)`` as Eq. 4 does and gives the token ids.

    Special tokens that stand in the text itself (``[SEP]``, ``<|endoftext|>``) are read as plain characters.

    Args:
        tokenizer: any tokenizer of transformers that is backed by the tokenizers library.
        style: see ``InputSettings.wording``.
        window: keep the words around the mention where the context is too long.

    Raises:
        CheckpointError: the tokenizer has no such backend.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, style: Literal["pair", "literal_sep"], window: bool) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise CheckpointError(
                f"{type(tokenizer).__name__} is not backed by the tokenizers library",
                cure="use a tokenizer that has a tokenizer.json",
            )
        self._backend = Tokenizer.from_str(backend.to_str())  # a copy: the settings below are ours alone
        self._backend.no_padding()
        self._backend.no_truncation()
        self._backend.encode_special_tokens = True
        self._window = window
        if style == "literal_sep":
            self.joint: str | None = " [SEP] "
        else:
            self.joint = None if tokenizer.sep_token else ". "
        self._specials = self._backend.num_special_tokens_to_add(self.joint is None)

    def encode(self, names: Sequence[str], contexts: Sequence[str], length: int) -> list[list[int]]:
        """Token ids of every text, at most ``length`` each, special tokens included and padding not.

        Args:
            names: the mention words or the entity titles.
            contexts: the sentence or the entity text of each.
            length: the most tokens of one text.
        """
        room = length - self._specials
        names = [clean(name)[: room * CHARACTERS_PER_TOKEN] for name in names]
        heads = names if self.joint is None else [name + self.joint for name in names]
        encoded = self._backend.encode_batch(heads, add_special_tokens=False)
        contexts = [
            self._fit(clean(context), name, room - len(head.ids))
            for context, name, head in zip(contexts, names, encoded, strict=True)
        ]
        if self.joint is None:
            return self._pairs(encoded, contexts, room)
        rows = zip(names, heads, contexts, strict=True)
        texts = [head + context if context else name for name, head, context in rows]
        return [self._finished(one, None, room) for one in self._backend.encode_batch(texts, add_special_tokens=False)]

    def _pairs(self, names: list[Encoding], contexts: list[str], room: int) -> list[list[int]]:
        encoded = self._backend.encode_batch(contexts, add_special_tokens=False)
        return [self._finished(name, context, room) for name, context in zip(names, encoded, strict=True)]

    def _finished(self, first: Encoding, second: Encoding | None, room: int) -> list[int]:
        first.truncate(room)
        if second is not None:
            second.truncate(room - len(first.ids))
        return self._backend.post_process(first, second).ids

    def _fit(self, context: str, name: str, room: int) -> str:
        """The part of ``context`` that fills ``room`` tokens: around the mention, or from the start."""
        if room <= 0:
            return ""
        context = cut_characters(context, name if self._window else "", room * CHARACTERS_PER_TOKEN)
        if not self._window or len(context) <= room:  # a token has at least one character
            return context
        encoded = self._backend.encode(context, add_special_tokens=False)
        if len(encoded.ids) <= room:
            return context
        centre = middle_of(context, name)
        nearest = next((i for i, (_, end) in enumerate(encoded.offsets) if end > centre), 0)
        start = max(0, min(nearest - room // 2, len(encoded.ids) - room))
        return context[encoded.offsets[start][0] : encoded.offsets[start + room - 1][1]]


def special_id(tokenizer: PreTrainedTokenizerBase, kind: Literal["pad", "bos", "eos", "sep"]) -> int | None:
    """The id of a special token; ``None`` where the tokenizer has none."""
    return getattr(tokenizer, f"{kind}_token_id")


def clean(text: str) -> str:
    """``text`` with lone surrogates, which no tokenizer can read, replaced by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def middle_of(text: str, name: str) -> int:
    """Character position of the middle of ``name`` in ``text`` (any case); 0 where it does not occur."""
    place = text.find(name)
    if place < 0:
        place = text.lower().find(name.lower())
    return place + len(name) // 2 if place >= 0 else 0


def cut_characters(text: str, name: str, budget: int) -> str:
    """At most ``budget`` characters of ``text`` around ``name``, cut at spaces where there are any."""
    if len(text) <= budget:
        return text
    start = max(0, min(middle_of(text, name) - budget // 2, len(text) - budget))
    end = start + budget
    if start:
        space = text.find(" ", start, start + budget // 4)
        start = space + 1 if space >= 0 else start
    if end < len(text):
        space = text.rfind(" ", end - budget // 4, end)
        end = space if space >= 0 else end
    return text[start:end]


def entity_text(entity: Entity, fields: Sequence[EntityText]) -> str:
    """The text that follows an entity's name: the chosen fields, joined by ``. ``, empty ones left out."""
    parts = [", ".join(entity.aliases) if field == "aliases" else getattr(entity, field) for field in fields]
    return ". ".join(part.strip() for part in parts if part.strip())
