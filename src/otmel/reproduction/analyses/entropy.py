"""Figure 3: ranks by the entropy H(Π) of the plans, measured on trained models."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Any

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.measures import parse_measure
from otmel.linking.explain import explained
from otmel.models.bundle import Bundle
from otmel.progress import progress
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.jobs import Say
from otmel.reproduction.part import Draw, Part
from otmel.reproduction.pictures import COLOURS, drawn, finish
from otmel.reproduction.plan import Run
from otmel.reproduction.tables import caption, figures, remarks, shown, spread, title

PAIRS = 40
"""Mentions, each with its true entity, whose plans are measured."""


def entropy(found: Collected, say: Say) -> Part:
    """For each data set a table by ε, and a picture of the measures over the entropy."""
    grids: list[Grid] = []
    values: dict[str, Any] = {}
    pictures: dict[str, Draw] = {}
    notes: list[str] = []
    for on in found.data:
        own = {row.label: _point(on, runs, found.plan.request.target.measures) for row, runs in on.runs.items()}
        values[on.data.name] = own
        grids.append(_table(found, on, own))
        if own:
            pictures[f"figure3-{on.data.name}"] = partial(_draw, on.data.name, own)
        notes += remarks(on, found.plan.request.rows, found.seeds)
    notes.append(
        f"H(Π) = −Σ Π log Π in nats, mean over all plans of {PAIRS} measured mentions with their true entities; its "
        "largest possible value depends on the lengths, so the share of it is given, too"
    )
    return Part(tuple(grids), values, pictures, tuple(notes))


def _point(on: OnData, runs: tuple[Run, ...], measures: tuple[str, ...]) -> dict[str, Any]:
    pairs = [(m, on.data.loaded.graph) for m in on.mentions if m.answer in on.data.loaded.graph][:PAIRS]
    measured = [plan_entropy(run, pairs) for run in runs]
    return {
        "entropy": spread([one[0] for one in measured]),
        "share": spread([one[1] for one in measured]),
        "marginal error": spread([one[2] for one in measured]),
        "measures": figures(on.rows[runs[0].row], measures),
    }


def plan_entropy(run: Run, pairs: list[tuple[Mention, KnowledgeGraph]]) -> tuple[float, float, float]:
    """Means over all plans of all pairs: entropy in nats, its share of the largest possible one, marginal error."""
    bundle, plans = Bundle.load(run.folder), []
    with progress(f"plans of {run.label}", len(pairs)) as advance:
        for mention, graph in pairs:
            entity = graph.entity(mention.answer or "")
            plans += explained(bundle, mention, entity, {"model": "", "graph": "", "notes": ()}).plans
            advance()
    means = (
        [plan.entropy for plan in plans],
        [plan.entropy_share for plan in plans],
        [plan.marginal_error or 0.0 for plan in plans],
    )
    entropy, share, error = map(statistics.fmean, means)
    return entropy, share, error


def _table(found: Collected, on: OnData, own: dict[str, Any]) -> Grid:
    measures = [parse_measure(name) for name in found.plan.request.target.measures]
    lines = []
    for row in found.plan.request.rows:
        point = own.get(row.label)
        if point is None:
            lines.append((row.label, *[NO_VALUE] * (3 + len(measures))))
            continue
        told = (f"{point['entropy']['mean']:.2f}", f"{point['share']['mean']:.1%}")
        error = f"{point['marginal error']['mean']:.1e}"
        lines.append((row.label, *told, error, *(shown(point["measures"][m.name], m) for m in measures)))
    columns = ("", "H(Π), nats", "of uniform", "marginal error", *(f"{m.name} %" for m in measures))
    return Grid(title(on), columns, tuple(lines), caption(on, found.plan.request.rows))


def _draw(name: str, own: dict[str, Any], path: Path) -> None:
    """A panel for each measure; points in the order of their entropy, ε written above, on steps where it is crowded."""
    points = sorted(own.items(), key=lambda item: item[1]["entropy"]["mean"])
    across = [point["entropy"]["mean"] for _, point in points]
    names = list(points[0][1]["measures"])
    with drawn(path, (5.2, 1.2 + 1.7 * len(names))) as figure:
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axes, measure, colour in zip(panels, names, COLOURS, strict=False):
            values = [point["measures"][measure] for _, point in points]
            heights = [100 * value["mean"] for value in values]
            axes.plot(across, heights, "o-", color=colour)
            spreads = [100 * (value["deviation"] or 0) for value in values]
            if any(spreads):
                axes.errorbar(across, heights, spreads, fmt="none", color=colour, capsize=2)
            finish(axes, f"{measure} %", "measured entropy H(Π), nats" if measure == names[-1] else "")
        for step, ((label, _), place) in enumerate(zip(points, across, strict=True)):
            above = (place, 1.03 + 0.12 * (step % 4))
            panels[0].annotate(label, above, xycoords=("data", "axes fraction"), ha="center", fontsize=7, color="0.35")
        figure.suptitle(name, fontsize=10, x=0.02, ha="left")
