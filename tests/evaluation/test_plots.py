"""The forest plot is a picture with ink for every difference."""

from __future__ import annotations

import numpy as np
from PIL import Image

from otmel.evaluation.compare import CompareSettings, compare
from otmel.evaluation.plots import COLOUR, forest_plot


def ink(path):
    colour = np.array([int(COLOUR[i : i + 2], 16) for i in (1, 3, 5)])
    with Image.open(path) as picture:
        return int((np.abs(np.asarray(picture.convert("RGB")).astype(int) - colour).sum(-1) < 30).sum())


def test_every_difference_is_drawn(evaluation, tmp_path):
    rng = np.random.default_rng(0)
    runs = {name: [evaluation(rng.integers(1, 9, 60))] for name in ("otmel", "attention", "name match")}
    settings = CompareSettings(measures=("H@1", "MRR", "MR"))
    forest_plot(compare(runs, settings), tmp_path / "three.png")
    forest_plot(compare({name: runs[name] for name in ("otmel", "attention")}, settings), tmp_path / "two.png")
    assert ink(tmp_path / "three.png") > ink(tmp_path / "two.png") > 100


def test_any_format_by_its_suffix(evaluation, tmp_path):
    forest_plot(compare({"a": [evaluation([1, 2])], "b": [evaluation([2, 1])]}), tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text(encoding="utf8").startswith("<?xml")
