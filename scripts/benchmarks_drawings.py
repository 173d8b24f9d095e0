"""Drawings of the committed figures: horizontal bars on a logarithmic axis, the baseline grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

BASELINE, OTHERS = "#9a9a9a", "#2f6f9f"


@dataclass(frozen=True)
class Drawing:
    """Which rows are drawn.

    Attributes:
        title: over the bars.
        unit: rows of this unit.
        among: rows with one of these in their names.
        without: rows with one of these in their names are left out.
    """

    title: str
    unit: str
    among: tuple[str, ...] = ("",)
    without: tuple[str, ...] = ("\n",)


DRAWINGS: Mapping[str, Drawing] = {
    "kernels": Drawing("Pairs a second, one thread", "pairs/s", ("1 thread",)),
    "sinkhorn": Drawing("4,096 problems 40×50: milliseconds, one thread", "ms", ("1 thread",)),
    "search": Drawing("Exact search: pairs a second", "pairs/s"),
    "graph": Drawing("Import: rows a second", "rows/s"),
    "latency": Drawing("One mention: milliseconds", "ms", without=("opening",)),
}


def draw(name: str, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a drawing of a benchmark's rows as SVG; the same rows give the same file."""
    drawing = DRAWINGS[name]
    chosen = [row for row in rows if _drawn(drawing, row)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": name, "font.size": 8}):
        figure = Figure((9, 0.9 + 0.22 * len(chosen)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        colours = [BASELINE if row["ratio_to_baseline"] == 1 else OTHERS for row in chosen]
        bars = axes.barh([row["name"] for row in chosen], [row["value"] for row in chosen], color=colours)
        axes.bar_label(bars, [_label(row) for row in chosen], padding=3)
        axes.set(xscale="log", title=drawing.title, xlabel=drawing.unit)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.2)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})


def _drawn(drawing: Drawing, row: Mapping[str, Any]) -> bool:
    named = any(words in row["name"] for words in drawing.among)
    return row["unit"] == drawing.unit and named and not any(words in row["name"] for words in drawing.without)


def _label(row: Mapping[str, Any]) -> str:
    ratio = row["ratio_to_baseline"]
    value = f"{row['value']:,.0f}" if row["value"] >= 100 else f"{row['value']:.3g}"
    return value if ratio in (None, 1) else f"{value}  ({ratio:,.3g}×)"
