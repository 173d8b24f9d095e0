"""How sure a link is: the probability that its best entity is the true one, and whether the mention is NIL.

A run knows this once it is calibrated (``otmel calibrate``). It reads the scores of the best ``K`` entities, so these
are searched for however few an answer holds: no probability depends on ``k``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from otmel.data.graph import KnowledgeGraph
from otmel.evaluation.calibration.record import Calibration, read_calibration
from otmel.linking.link import Candidate

__all__ = ["Calibration", "Judgement", "judged", "read_calibration", "remark"]


@dataclass(frozen=True)
class Judgement:
    """What is thought of an answer.

    Attributes:
        candidates: the entities with their ranks, and the first ``K`` with their probabilities where there is a
            calibration: the best one has P, the others their softmax (at the calibration's temperature) scaled so that
            none is above it and the sum is at most 1 (``ConfidenceMap.spread``).
        probability: P, the best entity's; ``None`` without a calibration or a best entity.
        nil: whether P is below the threshold, or there is no entity at all; ``None`` without a threshold.
    """

    candidates: tuple[Candidate, ...]
    probability: float | None = None
    nil: bool | None = None


def judged(candidates: Sequence[Candidate], calibration: Calibration | None) -> Judgement:
    """Judge the best entities of the whole graph, best first: at least ``K`` of them, or all that there are."""
    ranked = tuple(replace(one, rank=rank) for rank, one in enumerate(candidates, 1))
    if calibration is None:
        return Judgement(ranked)
    threshold = calibration.threshold
    if not ranked:
        return Judgement((), None, None if threshold is None else True)
    scores = np.array([[one.score for one in ranked[: calibration.k]]])
    spread = calibration.map.spread(scores)[0].tolist()
    first = tuple(replace(one, probability=own) for one, own in zip(ranked, spread, strict=False))
    nil = None if threshold is None else spread[0] < threshold
    return Judgement((*first, *ranked[len(first) :]), spread[0], nil)


def remark(calibration: Calibration | None, graph: KnowledgeGraph) -> str | None:
    """What is to be known of all probabilities: that they were learnt on another graph. Graphs change: no error."""
    if calibration is None or calibration.task.graph == graph.snapshot:
        return None
    return (
        f"probabilities were calibrated on the graph {calibration.task.graph}, this is the graph {graph.snapshot}: "
        "where the two differ much, calibrate anew"
    )
