"""Tables say what they show: systems, seeds, slices, ties, protocol, and what was left out."""

from __future__ import annotations

import numpy as np

from otmel.evaluation.compare import compare
from otmel.evaluation.report import comparison_grid, parts_grid, slices_grid, systems_grid, ties_grid
from otmel.evaluation.results import SliceResult


def test_one_row_per_system_with_the_spread_of_its_seeds(evaluation):
    runs = [evaluation([1, 1, 2, 0], model="a", seed=0), evaluation([1, 2, 2, 0], model="a", seed=1)]
    grid = systems_grid([run.result for run in [*runs, evaluation([1, 1, 1, 0], model="floor")]])
    assert grid.columns == ("model", "H@1 %", "H@3 %", "H@5 %", "MRR %")
    assert grid.rows[0][:3] == ("a (2 seeds)", "50.0 ± 23.6", "100.0 ± 0.0")
    assert grid.rows[1] == ("floor", "100.0", "100.0", "100.0", "100.0")
    assert "all entities as candidates" in grid.title
    assert "3 ranked mentions" in grid.caption
    assert "counted apart: 1 NIL" in grid.caption
    assert "standard deviation" in grid.caption


def test_different_tasks_are_never_mixed_in_silence(evaluation, task):
    other = task.model_copy(update={"protocol": "10 given candidates"})
    grid = systems_grid([evaluation([1]).result, evaluation([2], task=other).result])
    assert grid.title == "2 tasks"
    assert [row[0] for row in grid.rows] == [
        "a [tiny dev, all entities as candidates]",
        "a [tiny dev, 10 given candidates]",
    ]
    assert systems_grid([]).title == "no result"


def test_slices_without_mentions_are_named_not_shown(evaluation):
    parts = {"long": SliceResult(mentions=1, measures={"H@1": 1.0}), "multi": SliceResult(mentions=0, measures={})}
    grid = slices_grid(evaluation([1, 2]).result.model_copy(update={"slices": parts}))
    assert [row[:3] for row in grid.rows] == [("all ranked", "2", "50.0"), ("long", "1", "100.0")]
    assert grid.rows[1][3] == "–"
    assert "No mention: multi." in grid.caption


def test_ties_and_parts(evaluation):
    result = evaluation([1, 2]).result
    assert [row[0] for row in ties_grid(result).rows] == ["optimistic", "realistic", "pessimistic"]
    grid = parts_grid(result.model_copy(update={"parts": {"F": {"H@1": 0.25, "MRR": None}}}))
    assert [row[:2] for row in grid.rows] == [("F", "25.0"), ("all", "50.0")]


def test_a_comparison_shows_interval_and_verdict(evaluation):
    ranks = np.arange(1, 31)
    grid = comparison_grid(compare({"a": [evaluation(ranks)], "b": [evaluation(np.ones(30, int))]}))
    assert grid.rows[0][:3] == ("b − a", "H@1", "+96.7")
    assert grid.rows[0][4:] == ("separated", "mentions")
    same = comparison_grid(compare({"a": [evaluation(ranks)], "b": [evaluation(ranks)]}))
    assert [row[4] for row in same.rows] == ["not separated"] * 2
