"""What is asked of an index, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["auto", "bounds", "scan", "candidates"]


@dataclass(frozen=True)
class Query:
    """What is asked of every mention.

    Attributes:
        k: how many best entities.
        gold: the gold entity's row per mention; −1 where there is none; ``None``: no ranks are asked for.
        alone: parts to rank by alone, too.
        method: ``auto`` bounds where it pays; ``bounds`` never scans, ``scan`` never bounds. ``candidates`` is not
            exact: it chooses among candidates of a first stage, and says what that is measured to lose.
        ids: what to call the mentions in errors; by default their numbers.
        floor: per mention, a score that ``k`` entities elsewhere reach: what stays below it need not be found. With it,
            an answer holds all entities of the best ``k`` that reach it, and may hold others.
    """

    k: int
    gold: Sequence[int] | NDArray[np.int64] | None = None
    alone: tuple[str, ...] = ()
    method: Method = "auto"
    ids: Sequence[str] | None = None
    floor: Sequence[float] | None = None


@dataclass(frozen=True)
class Certificate:
    """How an answer was proven.

    Attributes:
        pairs: entities that the mention was compared with.
        scored: of these, how many had their late terms computed.
        gap: by how much the last entity of the answer beats the best bound of all that was not scored.
        method: ``bounds``, ``scan`` or ``candidates``.
        recall: candidates only: the share of the exact best ``k`` that the candidates have held; else 1.
        measured: over how many mentions that was measured.
        again: how many of the best entities a second stage has scored anew, which alone decides their order.
    """

    pairs: int
    scored: int
    gap: float
    method: str
    recall: float = 1.0
    measured: int = 0
    again: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values; a gap is ``None`` where everything was scored, or nothing is proven."""
        values: dict[str, Any] = {"method": self.method, "exact": self.method != "candidates"}
        values |= {"pairs": self.pairs, "scored": self.scored}
        if self.again:
            values["second stage"] = self.again
        if self.method == "candidates":
            return {**values, "recall": self.recall, "measured on": self.measured}
        return {**values, "gap": self.gap if math.isfinite(self.gap) else None}


@dataclass(frozen=True)
class Answer:
    """One mention's answer.

    Attributes:
        rows: graph rows of the best entities, best first; ties go to the lower row.
        scores: their scores ``[min(k, E)]``.
        gold_score: the gold entity's score; NaN without one.
        rank: 1 + entities above the gold entity, and how many others score the same; (0, 0) without one.
        alone: part → the same by the part alone.
        certificate: how it was proven.
        left: the best bound of all that was not scored; minus infinity where everything was.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    gold_score: float
    rank: tuple[int, int]
    alone: Mapping[str, tuple[int, int]]
    certificate: Certificate
    left: float = -math.inf
