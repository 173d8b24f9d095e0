"""Evaluations made from ranks alone, without any model."""

from __future__ import annotations

import numpy as np
import pytest

from otmel.evaluation.calibration.maps import ConfidenceMap
from otmel.evaluation.calibration.record import Calibration, Figures
from otmel.evaluation.files import Evaluation, MentionResult
from otmel.evaluation.gold import Counts
from otmel.evaluation.measures import measured
from otmel.evaluation.results import EvaluationResult, System, Task

TASK = Task(dataset="tiny", split="dev", data="d" * 16, graph="g" * 16, entities=99)


def make_evaluation(ranks, model="a", seed=None, task=TASK) -> Evaluation:
    """An evaluation in which mention ``m`` has the rank ``ranks[m]``; rank 0 is NIL."""
    ranks = np.asarray(ranks)
    ranked, nil = int((ranks > 0).sum()), int((ranks == 0).sum())
    counts = Counts(
        mentions=len(ranks),
        ranked=ranked,
        nil=nil,
        unanswered=0,
        not_in_graph=0,
        without_image=0,
        entity_without_image=0,
    )
    values = measured(ranks[ranks > 0])
    result = EvaluationResult(
        system=System(model=model, seed=seed),
        task=task,
        counts=counts,
        measures=dict.fromkeys(("optimistic", "realistic", "pessimistic"), values),
    )
    rows = tuple(
        MentionResult(id=f"#{place}", mention="m", answer="Q1" if rank else "NIL", optimistic=rank, pessimistic=rank)
        for place, rank in enumerate(ranks.tolist())
    )
    return Evaluation(result, rows)


@pytest.fixture
def evaluation():
    return make_evaluation


@pytest.fixture
def task() -> Task:
    return TASK


@pytest.fixture
def calibration() -> Calibration:
    """A calibration by the temperature 1, whose threshold is 1/2."""
    figures = Figures(log_loss=0.3, ece=0.05, ece_by_chance=0.04, brier=0.1, aurc=0.02)
    return Calibration(
        model="m" * 16,
        task=TASK,
        map=ConfidenceMap(temperature=1),
        threshold=0.5,
        rule="precision",
        precision=0.9,
        best_precision=1,
        folds=5,
        seed=0,
        mentions=40,
        unstated=0,
        losses={"temperature": 0.3},
        before=figures,
        after=figures,
        nil=None,
        removal=None,
    )
