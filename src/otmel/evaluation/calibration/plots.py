"""The two plots of a calibration: reliability, and risk against coverage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otmel.evaluation.calibration.figures import reliability, risk_coverage
from otmel.evaluation.calibration.run import Calibrated
from otmel.storage import atomic_path

AFTER, BEFORE, REDUCED, INK, LINE = "#1f4e79", "#c46210", "#3a7d44", "0.15", "0.85"
SIZE, DPI = (5.4, 5.2), 150


def reliability_plot(calibrated: Calibrated, path: str | Path) -> None:
    """Draw the share of right answers against the probability, and how the probabilities lie, to ``path``."""
    figure, (axes, below) = _figure(2, height_ratios=(4, 1), sharex=True)
    record, right = calibrated.calibration, calibrated.sample.whole.right
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as good as it says")
    shown = (
        ("before: softmax of the scores", calibrated.before, record.before.ece, BEFORE, "s"),
        (f"after: {record.map.method}", calibrated.unseen.probability, record.after.ece, AFTER, "o"),
    )
    for label, probability, error, colour, marker in shown:
        bins = reliability(probability, right)
        x, y = [one.probability for one in bins], [one.accuracy for one in bins]
        axes.plot(x, y, marker=marker, color=colour, linewidth=1.5, label=f"{label} (ECE {error:.3f})")
        below.hist(probability, bins=np.linspace(0, 1, 21), histtype="step", color=colour, linewidth=1.5)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share of right answers")
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    below.set(xlabel="probability of the best entity", ylabel="mentions")
    _finish(figure, calibrated, f"bins of equal mass; cross-validated, {record.folds} folds", path)


def risk_coverage_plot(calibrated: Calibrated, path: str | Path) -> None:
    """Draw the error rate among the surest mentions against their share to ``path``."""
    figure, (axes,) = _figure(1)
    sample, unseen = calibrated.sample, calibrated.unseen
    _curve(axes, (calibrated.before, sample.whole.right), "before: softmax of the scores", BEFORE)
    _curve(axes, (unseen.probability, sample.whole.right), "after", AFTER)
    if sample.reduced is not None and unseen.reduced is not None and calibrated.calibration.removal is not None:
        share = calibrated.calibration.removal.share
        _curve(
            axes, (unseen.reduced, sample.reduced.right), f"after, {share:.0%} of the true entities missing", REDUCED
        )
    if calibrated.calibration.nil is not None:
        kept = ~unseen.flagged
        risk = float((~sample.whole.right[kept]).mean()) if kept.any() else 0.0
        threshold = calibrated.calibration.threshold
        axes.plot(
            [kept.mean()], [risk], "o", color=AFTER, markersize=8, label=f"links above the threshold {threshold:.2f}"
        )
    axes.set(
        xlim=(0, 1.01), xlabel="coverage: share of the mentions, surest first", ylabel="risk: share of wrong links"
    )
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    _finish(figure, calibrated, f"cross-validated, {calibrated.calibration.folds} folds", path)


def _curve(axes: Any, kind: tuple[NDArray[np.float64], NDArray[np.bool_]], label: str, colour: str) -> None:
    curve = risk_coverage(*kind)
    axes.plot(curve.coverage, curve.risk, color=colour, linewidth=1.5, label=f"{label} (area {curve.area:.3f})")


def _figure(rows: int, **layout: Any) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, squeeze=False, **layout)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=LINE, linewidth=0.7)
        axes.set_axisbelow(True)
    return figure, panels


def _finish(figure: Any, calibrated: Calibrated, how: str, path: str | Path) -> None:
    task, mentions = calibrated.calibration.task, calibrated.calibration.mentions
    figure.suptitle(
        f"{task.dataset}, {task.split}: {mentions:,} mentions, {task.entities:,} entities\n{how}", fontsize=9
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI)
