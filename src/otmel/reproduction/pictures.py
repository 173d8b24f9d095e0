"""The pictures of the reports: grouped bars, lines with error bars, distributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by colour-blind readers."""
Point = tuple[float, float]
"""A value and its standard deviation."""


@dataclass(frozen=True)
class Bars:
    """Panels of grouped bars.

    Attributes:
        title: over all.
        labels: the groups, along the axis.
        panels: name of a panel → series → a point for each group.
    """

    title: str
    labels: Sequence[str]
    panels: Mapping[str, Mapping[str, Sequence[Point]]]


def bars(what: Bars, path: Path) -> None:
    """Draw grouped bars; whiskers are standard deviations. Raises ``StorageError``."""
    with drawn(path, (1.5 + 1.1 * len(what.labels) * len(what.panels), 3.2)) as figure:
        panels = figure.subplots(1, len(what.panels), squeeze=False)[0]
        for axes, (name, series) in zip(panels, what.panels.items(), strict=True):
            width = 0.8 / len(series)
            for place, ((label, points), colour) in enumerate(zip(series.items(), COLOURS, strict=False)):
                left = [row + (place - (len(series) - 1) / 2) * width for row in range(len(points))]
                heights, spreads = [point[0] for point in points], [point[1] for point in points]
                axes.bar(left, heights, 0.92 * width, color=colour, label=label)
                if any(spreads):
                    axes.errorbar(left, heights, spreads, fmt="none", color="0.2", capsize=2)
            axes.set_xticks(range(len(what.labels)), what.labels)
            finish(axes, name)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=8)
        figure.suptitle(what.title, fontsize=10, x=0.02, ha="left")


def finish(axes: Any, vertical: str, horizontal: str = "") -> None:
    """What all panels have in common."""
    axes.set_ylabel(vertical)
    axes.set_xlabel(horizontal)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


@contextmanager
def drawn(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """A figure to draw in, of a size in inches, written to ``path`` at the end: the same drawing, the same file."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dates: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with rc_context({"svg.hashsalt": "otmel", "font.size": 9}):
        figure = Figure(size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150, metadata=dates.get(path.suffix))
