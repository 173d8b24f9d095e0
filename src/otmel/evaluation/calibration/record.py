"""``Calibration``: what a run knows of its own confidence, kept with it as ``calibration.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from otmel.errors import CheckpointError, ConfigurationError
from otmel.evaluation.calibration.figures import (
    brier,
    calibration_error,
    error_by_chance,
    log_loss,
    risk_coverage,
)
from otmel.evaluation.calibration.maps import ConfidenceMap
from otmel.evaluation.calibration.threshold import Rule
from otmel.evaluation.nil_result import NilResult
from otmel.evaluation.results import Task
from otmel.settings import Settings, validated
from otmel.storage import atomic_write_json

CALIBRATION_FILE = "calibration.json"
K = 20
"""Best entities that a probability is spread over."""


class Figures(Settings):
    """How good probabilities are on a sample.

    Attributes:
        log_loss: in nats.
        ece: expected calibration error, over ten bins of equal mass.
        ece_by_chance: what it would be on so many mentions if the probabilities were true.
        brier: Brier score.
        aurc: area under the risk–coverage curve.
    """

    log_loss: float
    ece: float
    ece_by_chance: float
    brier: float
    aurc: float

    @classmethod
    def of(cls, probability: NDArray[np.float64], right: NDArray[np.bool_], seed: int = 0) -> Figures:
        """Of probabilities ``[M]`` and outcomes ``[M]``; ``seed`` draws what chance would give."""
        return cls(
            log_loss=log_loss(probability, right),
            ece=calibration_error(probability, right),
            ece_by_chance=error_by_chance(probability, seed),
            brier=brier(probability, right),
            aurc=risk_coverage(probability, right).area,
        )


class Removal(Settings):
    """How mentions fare whose entity is taken out of the graph.

    Attributes:
        share: of the true entities that was taken out.
        entities: how many that are.
        figures: of the probabilities in the graph without them.
        nil: what the threshold does there; ``None`` without a threshold.
    """

    share: float
    entities: int
    figures: Figures
    nil: NilResult | None


class Calibration(Settings):
    """A run's calibration. All figures are of mentions that were not fitted on.

    Attributes:
        version: of this record.
        model: hash of the weights.
        task: the split that was learnt from, and its graph.
        map: from scores to probabilities.
        k: best entities whose scores the map reads.
        second_stage: whether these are scores of a second stage.
        threshold: a mention whose best entity is less probable is NIL; ``None`` where none reaches the target.
        rule: how the threshold was chosen.
        precision: the target of the rule ``precision``.
        best_precision: the highest that any threshold reaches.
        folds: of the cross-validation.
        seed: of folds and removed entities.
        mentions: learnt from.
        unstated: mentions of the split that were not, as their answer is not stated.
        losses: method → log loss, of which the least decided.
        before: softmax of the raw scores (T = 1) over the best ``k``.
        after: the calibrated probabilities.
        nil: what the threshold does on the split as it is; ``None`` without a threshold.
        removal: what it does where entities are missing; ``None`` where none was removed.
        versions: package → version.
    """

    version: Literal[1] = 1
    model: str
    task: Task
    map: ConfidenceMap
    k: int = Field(default=K, ge=1, le=K)
    second_stage: bool = False
    threshold: float | None = Field(default=None, ge=0, le=1)
    rule: Rule
    precision: float
    best_precision: float
    folds: int
    seed: int
    mentions: int
    unstated: int
    losses: dict[str, float]
    before: Figures
    after: Figures
    nil: NilResult | None
    removal: Removal | None
    versions: dict[str, str] = Field(default_factory=dict)

    def write(self, run: str | Path) -> None:
        """Write it to a run folder, whole or not at all. Raises ``StorageError``."""
        atomic_write_json(Path(run) / CALIBRATION_FILE, self.model_dump(mode="json"))


def read_calibration(run: str | Path, model: str) -> Calibration | None:
    """The calibration in a run folder, whose weights have the hash ``model``; ``None`` where there is none.

    Raises:
        CheckpointError: it cannot be read, or belongs to other weights.
    """
    path = Path(run) / CALIBRATION_FILE
    cure = f"calibrate anew (otmel calibrate {run}), or remove the file to link without probabilities"
    try:
        values = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as fault:
        raise CheckpointError(f"the calibration cannot be read: {fault}", where=str(path), cure=cure) from fault
    try:
        calibration = validated(Calibration, values)
    except ConfigurationError as fault:
        raise CheckpointError(f"the calibration is broken: {fault.problem}", where=str(path), cure=cure) from fault
    if calibration.model != model:
        problem = f"the calibration belongs to the model {calibration.model}, the run's weights are {model}"
        raise CheckpointError(problem, where=str(path), cure=cure)
    return calibration
