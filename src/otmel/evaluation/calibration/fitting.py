"""Fitting a calibration, and judging the fitting itself on mentions that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from otmel.errors import ConfigurationError, DataError
from otmel.evaluation.calibration.figures import log_loss
from otmel.evaluation.calibration.maps import METHODS, ConfidenceMap, Fit
from otmel.evaluation.calibration.ranked import Ranked
from otmel.evaluation.calibration.sample import Sample
from otmel.evaluation.calibration.threshold import Rule, best_precision, for_nil, for_precision
from otmel.progress import Advance
from otmel.settings import Settings

FEWEST, FEWEST_EACH = 20, 5
"""Mentions, and right and wrong answers among them, that a calibration needs."""


class CalibrateSettings(Settings):
    """How a run is calibrated.

    Attributes:
        rule: how the threshold is chosen.
        precision: the target of the rule ``precision``.
        folds: of the cross-validation.
        seed: of the folds, and of the choice of removed entities.
        nil_share: share of the true entities that are taken out of the graph to see how their mentions fare.
    """

    rule: Rule = "precision"
    precision: float = Field(default=0.95, gt=0, le=1)
    folds: int = Field(default=5, ge=2)
    seed: int = 0
    nil_share: float = Field(default=0.2, ge=0, lt=1)


@dataclass(frozen=True)
class Fitted:
    """A fitted calibration.

    Attributes:
        map: of least log loss on unseen mentions.
        losses: method → that log loss.
        threshold: by the rule, on unseen mentions; ``None`` where no threshold reaches the target.
        best_precision: the highest rate of right links that any threshold gives there.
    """

    map: ConfidenceMap
    losses: Mapping[str, float]
    threshold: float | None
    best_precision: float


@dataclass(frozen=True)
class Unseen:
    """What calibrations say of mentions that they were not fitted on.

    Attributes:
        probability: of the best entity in the graph ``[M]``.
        flagged: whether it was below the threshold ``[M]``; always where no threshold reached the target.
        reduced: ``probability`` in the graph without the removed entities; ``None`` where none was removed.
        reduced_flagged: ``flagged`` there.
    """

    probability: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    reduced: NDArray[np.float64] | None
    reduced_flagged: NDArray[np.bool_] | None


def check(sample: Sample, settings: CalibrateSettings) -> None:
    """Raise where there is too little to learn from.

    Raises:
        DataError: too few mentions, or too few right or wrong answers among them.
        ConfigurationError: NIL mentions are to be learnt from, and there are none.
    """
    right, total = int(sample.whole.right.sum()), len(sample.whole)
    cure = "calibrate on a larger split (--split)"
    if total < max(FEWEST, 2 * settings.folds):
        least = max(FEWEST, 2 * settings.folds)
        raise DataError(f"the split has {total} mentions with a stated answer, a calibration needs {least}", cure=cure)
    for count, kind in ((right, "right"), (total - right, "wrong")):
        if count < FEWEST_EACH:
            problem = f"{count} of {total} answers are {kind}: too few to learn from, {FEWEST_EACH} are needed"
            raise DataError(problem, cure=cure)
    if settings.rule == "nil" and not (sample.reduced or sample.whole).nil.any():
        problem = "the threshold is to be chosen by NIL mentions, and there are none"
        raise ConfigurationError(problem, cure="remove entities (--nil-share 0.2), or choose it by precision")


def fold_of(ranked: Ranked, folds: int, seed: int) -> NDArray[np.int64]:
    """Each mention's fold ``[M]``: drawn at random, with right and wrong answers spread evenly."""
    order = np.lexsort((np.random.default_rng(seed).random(len(ranked)), ranked.right))
    fold = np.empty(len(ranked), dtype=np.int64)
    fold[order] = np.arange(len(ranked)) % folds
    return fold


def fit(sample: Sample, settings: CalibrateSettings) -> Fitted:
    """Choose the map, fit it on all mentions, and choose the threshold on what it says of those it has not seen."""
    unseen = {name: _out_of_fold(sample, method, settings) for name, method in METHODS.items()}
    losses = {name: log_loss(whole, sample.whole.right) for name, (whole, _) in unseen.items()}
    name = min(losses, key=lambda one: losses[one])
    whole, reduced = unseen[name]
    if settings.rule == "precision":
        threshold = for_precision(whole, sample.whole.right, settings.precision)
    elif sample.reduced is not None and reduced is not None:
        threshold = for_nil(reduced, sample.reduced.nil)
    else:
        threshold = for_nil(whole, sample.whole.nil)
    return Fitted(METHODS[name](sample.whole), losses, threshold, best_precision(whole, sample.whole.right))


def cross_validated(sample: Sample, settings: CalibrateSettings, advance: Advance) -> Unseen:
    """Fit on all folds but one, the choice of map and threshold included, and look at that one; every fold in turn."""
    fold = fold_of(sample.whole, settings.folds, settings.seed)
    limits = np.empty(len(fold))
    whole, reduced = np.empty(len(fold)), None if sample.reduced is None else np.empty(len(fold))
    for held in range(settings.folds):
        out = fold == held
        fitted = fit(sample[~out], settings)
        limits[out] = np.inf if fitted.threshold is None else fitted.threshold
        whole[out] = fitted.map.probability(sample.whole.scores[out])
        if reduced is not None and sample.reduced is not None:
            reduced[out] = fitted.map.probability(sample.reduced.scores[out])
        advance(1)
    return Unseen(whole, whole < limits, reduced, None if reduced is None else reduced < limits)


def _out_of_fold(
    sample: Sample, method: Fit, settings: CalibrateSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """What maps say of mentions that they were not fitted on ``[M]``, in the graph and in the reduced one."""
    fold = fold_of(sample.whole, settings.folds, settings.seed)
    whole, reduced = np.empty(len(fold)), None if sample.reduced is None else np.empty(len(fold))
    for held in range(settings.folds):
        out = fold == held
        learnt = method(sample.whole[~out])
        whole[out] = learnt.probability(sample.whole.scores[out])
        if reduced is not None and sample.reduced is not None:
            reduced[out] = learnt.probability(sample.reduced.scores[out])
    return whole, reduced
