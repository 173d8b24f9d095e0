"""Name match alone as a ``Scorer``: the floor that a learned model must clear, printed beside every evaluation."""

from __future__ import annotations

import torch

from otmel.models.base import Scores, Side, State
from otmel.models.composition import Composition
from otmel.models.name_rows import name_scores


class NameScorer:
    """Scores by the part N alone. It needs no training and no encoder."""

    def encode_entities(self, entities: Side) -> State:
        """The entities' name vectors."""
        return _named(entities)

    def encode_mentions(self, mentions: Side) -> State:
        """The mention words' vectors."""
        return _named(mentions)

    def score(self, mentions: State, entities: State) -> Scores:
        """The best cosine of the mention's words with any name of the entity, in [0, 1]."""
        assert mentions.names is not None
        assert entities.names is not None
        total = name_scores(mentions.names, entities.names)
        return Scores(total, {"N": total}, {"N": torch.ones_like(total)})

    def composition(self) -> Composition:
        """N alone."""
        return Composition((), name_weight=1.0)


def _named(side: Side) -> State:
    assert side.names is not None, "name match needs names: make the table with a vectorizer"
    return State({}, {}, torch.zeros(len(side.names), dtype=torch.bool), side.names)
