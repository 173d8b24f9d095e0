"""``spacy:MODEL``: the named entities of a pipeline of spaCy."""

from __future__ import annotations

from typing import Any, Final

from otmel.data.documents import Span
from otmel.errors import ConfigurationError, MissingExtra
from otmel.linking.detection.base import without_overlap

AMOUNTS: Final = frozenset({"DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL"})
"""Labels of spaCy's pipelines that name no entity of a graph."""


class SpacyDetector:
    """The entities that a pipeline finds, amounts and dates left out.

    Args:
        model: the name of an installed pipeline, or the folder of one.

    Raises:
        MissingExtra: spaCy is not installed.
        ConfigurationError: there is no such pipeline, or it finds no entities.
    """

    def __init__(self, model: str) -> None:
        self.name = f"spacy:{model}"
        try:
            import spacy
        except ImportError:
            raise MissingExtra("spacy", "spacy", f"the detector {self.name!r}") from None
        try:
            self._pipeline: Any = spacy.load(model)
        except OSError:
            cure = f"install it: python -m spacy download {model}; or name a pipeline's folder"
            raise ConfigurationError(f"spaCy has no pipeline {model!r}", where="--detect", cure=cure) from None
        if not any("doc.ents" in self._pipeline.get_pipe_meta(pipe).assigns for pipe in self._pipeline.pipe_names):
            cure = "name one with a component such as 'ner' or 'entity_ruler'"
            raise ConfigurationError(f"the pipeline {model!r} finds no entities", where="--detect", cure=cure)

    def detect(self, text: str) -> list[Span]:
        """The entities of a text. Texts longer than the pipeline's own limit are read in pieces."""
        most = self._pipeline.max_length
        pieces = range(0, max(len(text), 1), most)
        found = ((start, one) for start in pieces for one in self._pipeline(text[start : start + most]).ents)
        spans = [Span(at + one.start_char, at + one.end_char, label=one.label_) for at, one in found]
        return list(without_overlap(span for span in spans if span.label not in AMOUNTS))
