"""``gliner:MODEL``: named entities of kinds given by name (Zaratiana et al., NAACL 2024), by the package gliner."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from otmel.data.documents import Span
from otmel.data.sentences import Sentences
from otmel.errors import CheckpointError, MissingExtra
from otmel.linking.detection.base import without_overlap

KINDS: Final = ("person", "organization", "location", "event", "product", "work of art", "team")
"""What is asked for."""
WORDS: Final = 256
"""Words and marks that a model is given at once: it cuts off what is beyond its limit, of 296 or more, in silence."""
WORD: Final = re.compile(r"\w+|[^\w\s]")


class Predictor(Protocol):
    """What is used of gliner's model."""

    def predict_entities(self, text: str, labels: list[str]) -> Sequence[Mapping[str, Any]]:
        """The entities of a text, each with ``start``, ``end`` and ``label``."""
        ...


class GlinerDetector:
    """The entities that a model finds, piece by piece of a text.

    Args:
        model: what finds them.
        name: what the detector is called.
    """

    def __init__(self, model: Predictor, name: str) -> None:
        self.model, self.name = model, name

    @classmethod
    def load(cls, model: str) -> GlinerDetector:
        """The model in a folder or of that name on the Hugging Face Hub.

        Raises:
            MissingExtra: gliner is not installed.
            CheckpointError: there is no such model, or it cannot be read.
        """
        name = f"gliner:{model}"
        try:
            from gliner import GLiNER  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise MissingExtra("gliner", "gliner", f"the detector {name!r}") from None
        try:
            return cls(GLiNER.from_pretrained(model), name)
        except Exception as fault:  # a missing name, a broken file, no network: each of another kind
            first = " ".join(str(fault).split())[:200]
            cure = "name a model's folder, or one on the Hugging Face Hub such as urchade/gliner_small-v2.1"
            raise CheckpointError(f"the model cannot be read: {first}", where=model, cure=cure) from fault

    def detect(self, text: str) -> list[Span]:
        """The entities of a text."""
        spans = []
        for piece in pieces(text):
            for one in self.model.predict_entities(text[piece], list(KINDS)):
                start, end = piece.start + int(one["start"]), piece.start + int(one["end"])
                spans.append(Span(start, end, label=str(one["label"])))
        return list(without_overlap(spans))


def pieces(text: str, most: int = WORDS) -> Iterator[slice]:
    """A text in pieces of at most ``most`` words and marks, cut between sentences wherever that can be."""
    starts, words = Sentences(text).starts, [word.start() for word in WORD.finditer(text)]
    begin = number = 0
    while number + most < len(words):
        end = words[number + most]
        sentence = starts[bisect_right(starts, end) - 1]
        end = sentence if sentence > words[number] else end
        yield slice(begin, end)
        begin, number = end, bisect_left(words, end)
    if words:
        yield slice(begin, len(text))
