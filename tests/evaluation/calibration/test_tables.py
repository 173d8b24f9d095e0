"""The tables hold the record's figures and say how to read them."""

from __future__ import annotations

import numpy as np
import pytest

from otmel.evaluation.calibration.record import Removal
from otmel.evaluation.calibration.tables import evaluated_grid, figures_grid, nil_grid, threshold_text
from otmel.evaluation.grid import NO_VALUE
from otmel.evaluation.nil_result import NilResult

RIGHT, NIL, FLAGGED = np.arange(8) < 5, np.arange(8) > 5, np.arange(8) > 6
RESULT = NilResult.of(RIGHT, NIL, FLAGGED)


def cells(grid) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, *values in grid.rows}


def test_every_figure_stands_before_and_after(calibration):
    after = calibration.after.model_copy(update={"ece": 0.0123, "aurc": 0.5})
    grid = figures_grid(calibration.model_copy(update={"after": after}))
    assert grid.columns == ("", "before", "after")
    assert cells(grid)["expected calibration error"] == ("0.050", "0.012")
    assert cells(grid)["area under risk–coverage"] == ("0.020", "0.500")
    assert grid.title == "tiny, dev: 40 mentions, 99 entities"
    assert "over the best 20 entities. after: temperature (T = 1)" in grid.caption


def test_removed_entities_and_a_second_stage_are_said(calibration):
    removal = Removal(share=0.2, entities=7, figures=calibration.after, nil=RESULT)
    grid = figures_grid(calibration.model_copy(update={"removal": removal, "second_stage": True, "k": 8}))
    assert grid.columns[-1] == "7 entities removed"
    assert "softmax of the scores of the second stage over the best 8 entities" in grid.caption


def test_what_the_threshold_does(calibration):
    removal = Removal(share=0.2, entities=7, figures=calibration.after, nil=RESULT)
    plain = NilResult.of(RIGHT, NIL & False, FLAGGED & False)
    grid = nil_grid(calibration.model_copy(update={"nil": plain, "removal": removal}))
    assert grid is not None
    assert "less probable than 0.500" in grid.title
    assert grid.columns == ("", "as it is", "7 entities removed")
    found = cells(grid)
    assert found["mentions"] == ("8", "8")
    assert found["whose entity is not in the graph"] == ("0", "2")
    assert found["linked"] == ("8", "7")
    assert found["links right %"] == ("62.5", "71.4")
    assert found["NIL precision %"] == (NO_VALUE, "100.0")
    assert found["NIL recall %"] == (NO_VALUE, "50.0")
    assert found["NIL F1 %"] == (NO_VALUE, "66.7")
    assert found["accuracy %"] == ("62.5", "75.0")
    assert found["accuracy %, nothing called NIL"] == ("62.5", "62.5")
    assert nil_grid(calibration) is None
    assert cells(evaluated_grid(RESULT, "a"))["accuracy %"] == ("75.0",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "smallest above which 90.0% of the links are right"),
        ({"threshold": 0.0}, "90.0% of the links are right as it is: nothing will be called NIL"),
        ({"threshold": None, "best_precision": 0.84}, "the best reaches 84.0%"),
        ({"rule": "nil"}, "finds NIL mentions best"),
    ],
)
def test_how_the_threshold_came_about(changes, said, calibration):
    assert said in threshold_text(calibration.model_copy(update=changes))
