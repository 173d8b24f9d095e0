"""``calibrate``: rank a split, fit what maps scores to probabilities, and say how good that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.errors import CheckpointError
from otmel.evaluation.calibration.figures import reliability, risk_coverage
from otmel.evaluation.calibration.fitting import CalibrateSettings, Fitted, Unseen, check, cross_validated, fit
from otmel.evaluation.calibration.ranked import Ranked, feature
from otmel.evaluation.calibration.record import Calibration, Figures, K, Removal
from otmel.evaluation.calibration.sample import Sample, chosen_rows, sampled
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.nil_result import NilResult
from otmel.evaluation.opened import Opened
from otmel.evaluation.results import versions
from otmel.evaluation.run import Contest
from otmel.progress import progress


@dataclass(frozen=True)
class Calibrated:
    """A calibration with all that it was judged by.

    Attributes:
        calibration: the record.
        sample: the ranked mentions.
        unseen: what calibrations say of those that they were not fitted on.
        removed: ids of the entities that were taken out.
        findings: what was odd about the inputs.
    """

    calibration: Calibration
    sample: Sample
    unseen: Unseen
    removed: tuple[str, ...]
    findings: Findings

    @property
    def before(self) -> NDArray[np.float64]:
        """Softmax of the raw scores, T = 1: the best entity's ``[M]``."""
        return feature(self.sample.whole.scores, "probability")

    def as_json(self) -> dict[str, Any]:
        """The record, the bins and curves of its plots, and the removed entities."""
        kinds = {"before": (self.before, self.sample.whole), "after": (self.unseen.probability, self.sample.whole)}
        if self.sample.reduced is not None and self.unseen.reduced is not None:
            kinds["after, entities removed"] = self.unseen.reduced, self.sample.reduced
        return {
            **self.calibration.model_dump(mode="json"),
            "reliability": {name: _bins(*kind) for name, kind in kinds.items()},
            "risk_coverage": {name: _curve(*kind) for name, kind in kinds.items()},
            "removed": list(self.removed),
        }


def calibrate(
    run: str | Path,
    dataset: Dataset,
    split: str = "dev",
    settings: CalibrateSettings | None = None,
    index: str | Path | None = None,
) -> Calibrated:
    """Calibrate a run on a split; nothing is written.

    Args:
        run: the run folder.
        dataset: graph and mentions.
        split: the mentions to learn from; not those that the run was trained on.
        settings: how.
        index: the folder of an index of the run over this graph; without one, the entities are encoded in memory.

    Raises:
        CheckpointError: the run is incomplete or broken or reads no text, or the index belongs to another model or
            graph.
        DataError: the split is absent, or there is too little to learn from.
        ConfigurationError: NIL mentions are to be learnt from, and there are none.
    """
    settings = settings or CalibrateSettings()
    opened = Opened.of(run, dataset.graph, index)
    if opened.bundle.processor is None:
        raise CheckpointError("the run was trained on ready features: it cannot read text and images", where=str(run))
    trial = _Trial(opened, Contest.of(opened.bundle, dataset, split), settings)
    sample = trial.sample()
    check(sample, settings)
    with progress("calibrating", settings.folds + 1) as advance:
        unseen = cross_validated(sample, settings, advance)
        fitted = fit(sample, settings)
        advance(1)
    ids = tuple(dataset.graph[int(row)].id for row in sample.removed)
    return Calibrated(trial.record(sample, unseen, fitted), sample, unseen, ids, opened.bundle.processor.findings)


@dataclass(frozen=True)
class _Trial:
    """A run on a split, to be calibrated."""

    opened: Opened
    contest: Contest
    settings: CalibrateSettings

    @property
    def k(self) -> int:
        """Best entities to read: behind what a second stage has looked at, scores are of another kind."""
        return min(K, self.opened.bundle.model.second_stage or K)

    def sample(self) -> Sample:
        """The ranked mentions."""
        model, contest, settings = self.opened.bundle.model, self.contest, self.settings
        gold = gold_rows(contest.mentions, contest.graph)
        removed = chosen_rows(gold, settings.nil_share, settings.seed)
        return sampled(contest, contest.encode(model, model.device, self.opened.stored), self.k, removed)

    def record(self, sample: Sample, unseen: Unseen, fitted: Fitted) -> Calibration:
        """The calibration, with figures of what is said of unseen mentions."""
        whole, settings, flags = sample.whole, self.settings, fitted.threshold is not None
        return Calibration(
            model=self.opened.system.hash or "",
            task=self.contest.task,
            map=fitted.map,
            k=self.k,
            second_stage=self.opened.bundle.model.second_stage > 0,
            threshold=fitted.threshold,
            best_precision=fitted.best_precision,
            mentions=len(whole),
            unstated=len(self.contest.mentions) - len(whole),
            losses=dict(fitted.losses),
            before=Figures.of(feature(whole.scores, "probability"), whole.right, settings.seed),
            after=Figures.of(unseen.probability, whole.right, settings.seed),
            nil=NilResult.of(whole.right, whole.nil, unseen.flagged) if flags else None,
            removal=_removal(sample, unseen, settings, flags=flags),
            versions=versions(),
            **settings.model_dump(include={"rule", "precision", "folds", "seed"}),
        )


def _removal(sample: Sample, unseen: Unseen, settings: CalibrateSettings, *, flags: bool) -> Removal | None:
    reduced = sample.reduced
    if reduced is None or unseen.reduced is None or unseen.reduced_flagged is None:
        return None
    return Removal(
        share=settings.nil_share,
        entities=len(sample.removed),
        figures=Figures.of(unseen.reduced, reduced.right, settings.seed),
        nil=NilResult.of(reduced.right, reduced.nil, unseen.reduced_flagged) if flags else None,
    )


def _bins(probability: NDArray[np.float64], ranked: Ranked) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in reliability(probability, ranked.right)]


def _curve(probability: NDArray[np.float64], ranked: Ranked) -> dict[str, list[float]]:
    curve = risk_coverage(probability, ranked.right)
    return {"coverage": curve.coverage.tolist(), "risk": curve.risk.tolist()}
