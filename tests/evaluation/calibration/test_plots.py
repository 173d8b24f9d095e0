"""The plots hold what they say, whatever there is to show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from otmel.data.findings import Findings
from otmel.errors import StorageError
from otmel.evaluation.calibration.fitting import Unseen
from otmel.evaluation.calibration.plots import reliability_plot, risk_coverage_plot
from otmel.evaluation.calibration.ranked import feature
from otmel.evaluation.calibration.record import Calibration, Figures, Removal
from otmel.evaluation.calibration.run import Calibrated
from otmel.evaluation.calibration.sample import Sample
from otmel.evaluation.nil_result import NilResult

from .conftest import drawn


def calibrated_of(calibration: Calibration, mentions: int, removed: int, threshold: float | None) -> Calibrated:
    whole = drawn(mentions)
    probability = feature(whole.scores, "probability", 2.0)
    flagged = probability < (2 if threshold is None else threshold)
    figures, nil = Figures.of(probability, whole.right), NilResult.of(whole.right, whole.nil, flagged)
    record = calibration.model_copy(
        update={
            "mentions": mentions,
            "threshold": threshold,
            "nil": None if threshold is None else nil,
            "removal": Removal(share=0.2, entities=removed, figures=figures, nil=nil) if removed else None,
        }
    )
    sample = Sample(whole, whole if removed else None, np.arange(removed))
    unseen = Unseen(probability, flagged, probability if removed else None, flagged if removed else None)
    return Calibrated(record, sample, unseen, tuple(f"Q{n}" for n in range(removed)), Findings())


@pytest.mark.parametrize("draw", [reliability_plot, risk_coverage_plot])
@pytest.mark.parametrize("removed", [0, 4])
@pytest.mark.parametrize("threshold", [None, 0.0, 0.5, 1.0])
def test_it_is_drawn_with_and_without_removal_and_threshold(draw, removed, threshold, calibration, tmp_path):
    calibrated = calibrated_of(calibration, 60, removed, threshold)
    draw(calibrated, tmp_path / "one.png")
    draw(calibrated, tmp_path / "two.png")
    with Image.open(tmp_path / "one.png") as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    other = replace(calibrated, unseen=replace(calibrated.unseen, probability=1 - calibrated.unseen.probability))
    draw(other, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


def test_where_it_cannot_be_written_it_is_said(calibration, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        reliability_plot(calibrated_of(calibration, 30, 0, 0.5), tmp_path / "file" / "one.png")
