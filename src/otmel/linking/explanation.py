"""``Explanation``: the terms that add up to a score, and every plan behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.data.records import Entity, Mention
from otmel.linking.link import mention_json
from otmel.linking.plans import Modality, Owner, TokenPlan

if TYPE_CHECKING:
    from PIL.Image import Image

PART_NAMES: Mapping[str, str] = {
    "F": "fusion",
    "T": "text",
    "V": "image",
    "C": "text and image",
    "LT": "matched words",
    "LV": "matched patches",
    "N": "name",
}
"""Part → what it compares."""


@dataclass(frozen=True)
class Term:
    """One addend of a score: ``value``, as the model computes it, times ``weight``."""

    name: str
    value: float
    weight: float

    @property
    def contribution(self) -> float:
        """What it adds to the score."""
        return self.value * self.weight

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"name": self.name, "value": self.value, "weight": self.weight, "contribution": self.contribution}


@dataclass(frozen=True)
class Part:
    """One part of Eq. 25: F is the sum of two inner products (Eq. 18), T and V of a dense and a late half (Eq. 24).

    Attributes:
        name: F, T, V or N.
        value: the part's own score ``S_X``, before the mean.
        share: its weight in the score: 1/3, 1/2 without an image, 0 where the pair cannot have it; N's is learned.
        terms: what adds up to ``value · share``.
    """

    name: str
    value: float
    share: float
    terms: tuple[Term, ...]

    @property
    def contribution(self) -> float:
        """What the part adds to the score: the sum over its terms."""
        return math.fsum(term.contribution for term in self.terms)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        terms = [term.as_json() for term in self.terms]
        return {"value": self.value, "share": self.share, "contribution": self.contribution, "terms": terms}


@dataclass(frozen=True)
class Explanation:
    """Why a mention gets its score with an entity.

    Attributes:
        mention, entity: the pair.
        parts: the parts of the score, in the order F, T, V, N; their contributions sum to ``score``.
        plans: every plan the pair has. Without an image on a side, or without fusion or matching in the model, there
            are fewer.
        images: owner → its image, cut to what the model saw of it.
        notes: what was odd about the mention.
        model: hash of the weights.
        graph: snapshot of the graph.
    """

    mention: Mention
    entity: Entity
    parts: tuple[Part, ...]
    plans: tuple[TokenPlan, ...]
    images: Mapping[str, Image] = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    model: str = ""
    graph: str = ""

    @property
    def score(self) -> float:
        """The score of Eq. 25 (plus N): the sum of all contributions."""
        return math.fsum(part.contribution for part in self.parts)

    def plan(self, part: str, owner: Owner | None = None, rows: Modality | None = None) -> TokenPlan | None:
        """The plan of a part; for F, whose rows belong to ``owner`` and are of the modality ``rows``."""
        for plan in self.plans:
            if plan.part == part and owner in (None, plan.rows.owner) and rows in (None, plan.rows.modality):
                return plan
        return None

    def as_json(self) -> dict[str, Any]:
        """Plain values: the pair, the score, every term and every plan."""
        return {
            "mention": mention_json(self.mention),
            "entity": {"id": self.entity.id, "name": self.entity.name, "attributes": self.entity.attributes},
            "score": self.score,
            "parts": {part.name: part.as_json() for part in self.parts},
            "plans": [plan.as_json() for plan in self.plans],
            "notes": list(self.notes),
            "model": self.model,
            "graph": self.graph,
        }

    def images_json(self) -> dict[str, str | None]:
        """``mention`` and ``entity`` → what the model saw of the image, as a data URL; ``None`` where it saw none."""
        from otmel.linking.sight import data_url

        seen = {owner: self.images.get(owner) for owner in ("mention", "entity")}
        return {owner: None if image is None else data_url(image) for owner, image in seen.items()}

    def as_text(self) -> str:
        """The terms as a sum, and a line per plan."""
        rows = [("part", "term", "value", "weight", "adds")]
        for part in self.parts:
            for number, term in enumerate(part.terms):
                first = f"{part.name}  {PART_NAMES[part.name]}" if number == 0 else ""
                adds = f"{term.contribution:+.4f}"
                rows.append((first, term.name, f"{term.value:.4f}", f"{term.weight:.4f}", adds))
        rows.append(("score", "", "", "", f"{self.score:+.4f}"))
        name, term = (max(len(row[column]) for row in rows) for column in (0, 1))
        sums = [f"{row[0]:<{name}}  {row[1]:<{term}}  {row[2]:>9}  {row[3]:>7}  {row[4]:>9}".rstrip() for row in rows]
        title = f"{self.mention.name!r} → {self.entity.name} ({self.entity.id})"
        return "\n".join([title, "", *sums, "", *(plan.as_text() for plan in self.plans)])

    def save(self, path: str | Path) -> None:
        """Draw it to ``path``: a picture (.png, .svg, .pdf) or a page by itself (.html). Atomic.

        Raises:
            ConfigurationError: another suffix.
            StorageError: the disk refused.
        """
        from otmel.linking.picture import save

        save(self, Path(path))
