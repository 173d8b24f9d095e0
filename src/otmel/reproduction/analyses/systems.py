"""Systems or variants side by side: Tables 1, 2 and 6, low-resource, text composition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.plots import forest_plot
from otmel.reproduction.collected import Collected, OnData, provenance
from otmel.reproduction.jobs import Say
from otmel.reproduction.paper import DECREASE
from otmel.reproduction.part import Draw, Part
from otmel.reproduction.tables import (
    chance,
    compared,
    difference_table,
    figures,
    paper_columns,
    remarks,
    systems_table,
)
from otmel.reproduction.target import OT, Row


def systems(found: Collected, say: Say) -> Part:
    """One table of means and one of paired differences for each data set."""
    request = found.plan.request
    printed = next(iter(request.target.printed), None)
    grids: list[Grid] = []
    values: dict[str, Any] = {}
    pictures: dict[str, Draw] = {}
    notes: list[str] = []
    for on in found.data:
        grids.append(systems_table(on, request.rows, request.target.measures, printed))
        values[on.data.name] = _values(on, request.rows, request.target.measures)
        comparison = compared(on, baseline(on), ("H@1", "MRR"))
        if comparison is not None:
            grids.append(difference_table(on, comparison))
            values[on.data.name]["comparison"] = comparison.as_json()
            pictures[f"differences-{on.data.name}"] = partial(forest_plot, comparison)
        notes += remarks(on, request.rows, found.seeds)
    return Part(tuple(grids), values, pictures, tuple(notes))


def variants(found: Collected, say: Say) -> Part:
    """As ``systems``, with the average decrease of H@1 and MRR from the model that a row changes."""
    part = systems(found, say)
    grids = list(part.grids)
    for on in found.data:
        falls = decreases(on, found.plan.request.rows)
        part.values[on.data.name]["decrease"] = falls
        place = next(n for n, grid in enumerate(grids) if grid.title.startswith(f"{on.data.name}, "))
        grids[place] = _with_decrease(grids[place], falls, on)
    return Part(tuple(grids), part.values, part.pictures, part.notes)


def baseline(on: OnData) -> str:
    """The row that the others are compared with: the paper's own model, or else the first."""
    labels = [row.label for row in on.rows]
    own = [row.label for row in on.rows if row.key == "ot"]
    return OT if OT in labels else next(iter(own or labels), OT)


def decreases(on: OnData, rows: Sequence[Row]) -> dict[str, float]:
    """Label → ``ΔAvg`` in points: the mean of what H@1 and MRR lose against the row's base, seeds averaged."""
    means = {row.label: figures(evaluations, ("H@1", "MRR")) for row, evaluations in on.rows.items()}
    found = {}
    for row in rows:
        if row.label in means and row.base in means and row.label not in (OT, row.base) and row.variant != "kd":
            lost = [means[row.base][name]["mean"] - means[row.label][name]["mean"] for name in ("H@1", "MRR")]
            found[row.label] = 100 * sum(lost) / 2
    return found


def _with_decrease(grid: Grid, falls: dict[str, float], on: OnData) -> Grid:
    beside = bool(paper_columns(on, ("H@1", "MRR"), found_in(grid)))
    rows = []
    for row in grid.rows:
        own = f"{falls[row[0]]:.2f}" if row[0] in falls else NO_VALUE
        paper = DECREASE.cell(row[0], "ΔAvg")
        rows.append((*row, own, *([NO_VALUE if paper is None else f"{paper:.2f}"] if beside else [])))
    columns = (*grid.columns, "ΔAvg", *(["paper ΔAvg"] if beside else []))
    more = " ΔAvg: what H@1 and MRR lose on average, in points, against the model that the row changes."
    return Grid(grid.title, columns, tuple(rows), grid.caption + more)


def found_in(grid: Grid) -> Any:
    """The paper's table, where the grid has its columns."""
    from otmel.reproduction.paper import TABLE2

    return TABLE2 if any(column.startswith("paper ") for column in grid.columns) else None


def _values(on: OnData, rows: Sequence[Row], measures: Sequence[str]) -> dict[str, Any]:
    systems = {}
    for row in rows:
        evaluations = on.rows.get(row, ())
        if evaluations:
            settings = on.runs[row][0].settings.model_dump(mode="json")
            settings["encoder"] = Path(str(settings["encoder"])).name  # where it lay says nothing elsewhere
            systems[row.label] = {
                "measures": figures(evaluations, measures),
                "runs": [provenance(evaluation) for evaluation in evaluations],
                "settings": settings,
            }
    floor = None if on.floor is None else figures([on.floor], measures)
    return {
        "task": on.task.model_dump(mode="json"),
        "systems": systems,
        "name match": floor,
        "chance": chance(len(on.data.loaded.graph), measures),
        "absent": dict(on.absent),
    }
