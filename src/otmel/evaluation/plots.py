"""The plot of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otmel.evaluation.compare import SPOKEN, Comparison, Difference
from otmel.storage import atomic_path

COLOUR = "#1f4e79"


def forest_plot(comparison: Comparison, path: str | Path) -> None:
    """Draw every difference with its interval to ``path`` (format by its suffix); those not separated are hollow.

    The same comparison gives the same file.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measures = list(dict.fromkeys(d.measure for d in comparison.differences))
    names = list(dict.fromkeys(d.name for d in comparison.differences))
    width = 0.085 * max(map(len, names)) + 0.3 + 3.4 * len(measures)
    figure = Figure((width, 1.6 + 0.38 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        for difference in comparison.differences:
            if difference.measure == measure:
                _draw(axes, difference, row=names.index(difference.name))
        axes.axvline(0, color="0.4", linewidth=1, linestyle="--")
        axes.set_xlabel(f"difference in {measure.name}, {'points' if measure.percent else 'ranks'}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="0.9")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    figure.suptitle(_title(comparison), fontsize=9)
    dates: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with rc_context({"svg.hashsalt": "otmel"}), atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata=dates.get(Path(path).suffix))


def _draw(axes: Any, difference: Difference, row: int) -> None:
    value, low, high = difference.shown
    axes.plot([low, high], [row, row], color=COLOUR, linewidth=1.6, solid_capstyle="butt")
    face = COLOUR if difference.separated else "white"
    axes.plot([value], [row], "o", color=COLOUR, markerfacecolor=face, markersize=7)


def _title(comparison: Comparison) -> str:
    task, level = comparison.task, f"{comparison.settings.confidence:.0%}"
    over = " or ".join(SPOKEN[method] for method in comparison.methods)
    lines = (
        f"{task.dataset}, {task.split}: paired differences",
        f"{level} intervals over {over}; hollow: not separated",
    )
    return "\n".join(lines)
