"""The record of a calibration: read as it was written, or refused with its cure."""

from __future__ import annotations

import json

import pytest

from otmel.errors import CheckpointError
from otmel.evaluation.calibration.figures import brier, calibration_error, log_loss, risk_coverage
from otmel.evaluation.calibration.ranked import feature
from otmel.evaluation.calibration.record import CALIBRATION_FILE, Figures, read_calibration

from .conftest import drawn

RANKED = drawn(40)
FIGURES = Figures.of(feature(RANKED.scores, "probability"), RANKED.right)


def test_it_is_read_as_it_was_written(calibration, tmp_path):
    assert read_calibration(tmp_path, "m" * 16) is None
    calibration.write(tmp_path)
    assert read_calibration(tmp_path, "m" * 16) == calibration
    assert [path.name for path in tmp_path.iterdir()] == [CALIBRATION_FILE]


def test_another_models_is_refused_with_both_hashes(calibration, tmp_path):
    calibration.write(tmp_path)
    with pytest.raises(CheckpointError, match=r"mmmm.*nnnn") as caught:
        read_calibration(tmp_path, "n" * 16)
    assert f"otmel calibrate {tmp_path}" in (caught.value.cure or "")
    assert caught.value.where == str(tmp_path / CALIBRATION_FILE)


BROKEN: dict[str, str | dict] = {
    "empty": "",
    "half": '{"version": 1, "model": "m',
    "a list": "[]",
    "no UTF-8": "\udcff",
    "deep": "[" * 100_000,
    "another version": {"version": 2},
    "an unknown key": {"more": 1},
    "a threshold that is none": {"threshold": 1.5},
    "more entities than an evaluation keeps": {"k": 21},
    "NaN": {"map": {"temperature": float("nan")}},
    "a missing model": {"model": None},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_one_is_refused_not_ignored(kind, calibration, tmp_path):
    change = BROKEN[kind]
    text = change if isinstance(change, str) else json.dumps({**calibration.model_dump(mode="json"), **change})
    (tmp_path / CALIBRATION_FILE).write_bytes(text.encode("utf8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"calibration (cannot be read|is broken)") as caught:
        read_calibration(tmp_path, "m" * 16)
    assert "otmel calibrate" in (caught.value.cure or "")


def test_the_figures_are_those_of_their_functions():
    probability = feature(RANKED.scores, "probability")
    assert calibration_error(probability, RANKED.right) == FIGURES.ece
    assert log_loss(probability, RANKED.right) == FIGURES.log_loss
    assert brier(probability, RANKED.right) == FIGURES.brier
    assert risk_coverage(probability, RANKED.right).area == FIGURES.aurc
    assert 0 < FIGURES.ece_by_chance < 0.3
