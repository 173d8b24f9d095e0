"""``Link``: the answer to one mention, with everything needed to read and to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otmel.data.records import Entity, Mention
from otmel.errors import DataError

if TYPE_CHECKING:
    from otmel.index.answers import Certificate
    from otmel.linking.explanation import Explanation
    from otmel.linking.linker import Linker


@dataclass(frozen=True)
class Candidate:
    """One entity of the answer.

    Attributes:
        id: the entity's id.
        name: its name.
        score: its score (Eq. 25).
        parts: what each part (F, T, V, N) adds to the score; they sum to it.
        rank: 1 is the best.
        probability: that it is the true one; ``None`` where the run is not calibrated, the mention's own candidates
            were used, or the entity is not among the best that the calibration reads.
    """

    id: str
    name: str
    score: float
    parts: Mapping[str, float]
    rank: int = 1
    probability: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rank": self.rank,
            "id": self.id,
            "name": self.name,
            "score": self.score,
            "probability": self.probability,
            "parts": dict(self.parts),
        }


@dataclass(frozen=True)
class Link:
    """What a mention was linked to.

    Attributes:
        mention: the mention as it was linked: an image that was refused is gone from it.
        entity: the best entity; ``None`` when the mention's own candidates were to be used and none is in the graph.
        candidates: the best entities, best first.
        margin: by how much the best entity leads the second; ``None`` where there is no second.
        notes: what was odd about the mention ("image missing"); it was linked all the same.
        model: hash of the weights.
        graph: snapshot of the graph.
        certificate: how the answer was proven to be the best; ``None`` where the mention's own candidates were used.
        probability: that the best entity is the true one; ``None`` where the run is not calibrated, or the mention's
            own candidates were used: what was learnt is how sure the best of the whole graph is.
        nil: whether that is too little to trust it: the true entity is probably not in the graph. ``entity`` is the
            best one all the same. ``None`` as for ``probability``, and where the calibration found no threshold.
    """

    mention: Mention
    entity: Entity | None
    candidates: tuple[Candidate, ...]
    margin: float | None
    notes: tuple[str, ...]
    model: str
    graph: str
    linker: Linker = field(repr=False, compare=False)
    certificate: Certificate | None = field(default=None, compare=False)
    probability: float | None = None
    nil: bool | None = None

    @property
    def score(self) -> float | None:
        """The best entity's score."""
        return self.candidates[0].score if self.candidates else None

    @property
    def parts(self) -> Mapping[str, float]:
        """What each part adds to the best entity's score; empty without a best entity."""
        return self.candidates[0].parts if self.candidates else {}

    def explain(self, entity_id: str | None = None) -> Explanation:
        """Why the mention got this score with its best entity, or with the one named.

        Raises:
            DataError: there is no such entity, or no best one.
        """
        if entity_id is None and self.entity is None:
            raise DataError("the mention was not linked: there is no entity to explain", cure="name one: explain(id)")
        return self.linker.explain(self.mention, entity_id or (self.entity.id if self.entity else None))

    def as_json(self) -> dict[str, Any]:
        """Plain values, the mention's own first."""
        return {
            **mention_json(self.mention),
            "entity": None if self.entity is None else self.entity.id,
            "name": None if self.entity is None else self.entity.name,
            "probability": self.probability,
            "nil": self.nil,
            "score": self.score,
            "parts": dict(self.parts),
            "margin": self.margin,
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "notes": list(self.notes),
            "model": self.model,
            "graph": self.graph,
            "search": None if self.certificate is None else self.certificate.as_json(),
        }


def mention_json(mention: Mention) -> dict[str, Any]:
    """A mention as plain values; an image that is no path is only said to be there."""
    image = mention.image
    values: dict[str, Any] = {"id": mention.id, "mention": mention.name, "sentence": mention.context}
    if image is not None:
        values["image"] = "<bytes>" if isinstance(image, bytes) else "<image>" if hasattr(image, "load") else str(image)
    if mention.answer is not None:
        values["answer"] = mention.answer
    return values
