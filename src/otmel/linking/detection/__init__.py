"""Finding the mentions of a text: by a graph's names, or by a model of spaCy or GLiNER."""

from __future__ import annotations

from otmel.data.graph import KnowledgeGraph
from otmel.errors import ConfigurationError
from otmel.linking.detection.base import Detector
from otmel.linking.detection.dictionary import DictionaryDetector

__all__ = ["FORMS", "Detector", "DictionaryDetector", "detector"]

FORMS = ("dictionary", "spacy:MODEL", "gliner:MODEL")


def detector(name: str, graph: KnowledgeGraph) -> Detector:
    """The detector of that name.

    Args:
        name: one of ``FORMS``.
        graph: whose names the dictionary looks for.

    Raises:
        ConfigurationError: there is no such detector or pipeline.
        CheckpointError: a model cannot be read.
        MissingExtra: its package is not installed.
    """
    kind, _, model = name.partition(":")
    if name == "dictionary":
        return DictionaryDetector.of(graph)
    if kind == "spacy" and model:
        from otmel.linking.detection.spacy_model import SpacyDetector

        return SpacyDetector(model)
    if kind == "gliner" and model:
        from otmel.linking.detection.gliner_model import GlinerDetector

        return GlinerDetector.load(model)
    cure = f"use one of: {', '.join(FORMS)} (such as spacy:en_core_web_sm, gliner:urchade/gliner_small-v2.1)"
    raise ConfigurationError(f"there is no detector {name!r}", cure=cure)
