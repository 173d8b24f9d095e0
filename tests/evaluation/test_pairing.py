"""Runs of one label are seeds of one system."""

from __future__ import annotations

from otmel.evaluation.pairing import group_by_label


def test_runs_are_grouped_by_label_in_order(evaluation):
    runs = [evaluation([1, 2], model=model, seed=seed) for model, seed in (("b", 0), ("a", 0), ("b", 1))]
    assert {name: len(group) for name, group in group_by_label(runs).items()} == {"b": 2, "a": 1}
    assert list(group_by_label(runs)) == ["b", "a"]
