"""NIL-aware measures: an answer is a link or the word NIL, and either can be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.evaluation.calibration.record import Calibration
from otmel.evaluation.files import Evaluation, MentionResult
from otmel.evaluation.nil_result import NilResult


def flagged(evaluation: Evaluation, dataset: Dataset, calibration: Calibration) -> Evaluation:
    """An evaluation with what its run's NIL flag does."""
    nil = nil_result(evaluation.mentions, dataset.graph, calibration)
    return replace(evaluation, result=evaluation.result.model_copy(update={"nil": nil}))


def nil_result(rows: Sequence[MentionResult], graph: KnowledgeGraph, calibration: Calibration) -> NilResult | None:
    """What a calibrated run's flag does to the mentions of a split whose answer is stated.

    Returns:
        ``None`` where the calibration found no threshold, or no answer is stated.
    """
    stated = [row for row in rows if row.answer is not None]
    if calibration.threshold is None or not stated:
        return None
    scores = np.full((len(stated), calibration.k), -np.inf)
    for place, row in enumerate(stated):
        known = [-np.inf if score is None else score for _, score in row.candidates[: calibration.k]]
        scores[place, : len(known)] = known
    probability = calibration.map.probability(scores)
    right = np.array([bool(row.candidates) and row.candidates[0][0] == row.answer for row in stated])
    return NilResult.of(right, absent([row.answer for row in stated], graph), probability < calibration.threshold)


def absent(answers: Sequence[str | None], graph: KnowledgeGraph) -> NDArray[np.bool_]:
    """Which stated answers are not in the graph ``[M]``: those that are NIL, and those that dangle."""
    return np.array([a is not None and a not in graph for a in answers], dtype=bool)
