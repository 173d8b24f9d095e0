"""Figure 6: short and long texts."""

from __future__ import annotations

from functools import partial
from typing import Any

from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.measures import parse_measure
from otmel.evaluation.slices import SHORT_TOKENS, Slice, is_short, opposite
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.jobs import Say
from otmel.reproduction.part import Draw, Part
from otmel.reproduction.pictures import Bars, bars
from otmel.reproduction.tables import caption, of_ranks, remarks, shown, title

LENGTHS = (
    Slice(f"short, ≤ {SHORT_TOKENS} tokens", is_short),
    Slice(f"long, > {SHORT_TOKENS} tokens", opposite(is_short)),
)


def length(found: Collected, say: Say) -> Part:
    """A table of both lengths for each data set, and bars."""
    grids: list[Grid] = []
    values: dict[str, Any] = {}
    pictures: dict[str, Draw] = {}
    notes: list[str] = []
    for on in found.data:
        own = sliced(on, LENGTHS, found.plan.request.target.measures)
        values[on.data.name] = own
        grids.append(slices_table(found, on, own))
        if on.rows:
            pictures[f"figure6-{on.data.name}"] = partial(bars, _bars(on, own, found.plan.request.target.measures))
        notes += remarks(on, found.plan.request.rows, found.seeds)
        notes += [
            f"{on.data.name}: {name} holds {part['mentions']} mentions: too few to say anything"
            for name, part in own.items()
            if part["mentions"] < 30
        ]
    return Part(tuple(grids), values, pictures, tuple(notes))


def sliced(on: OnData, slices: tuple[Slice, ...], measures: tuple[str, ...]) -> dict[str, Any]:
    """Slice → how many ranked mentions it holds, and row label → measures of these."""
    found = {}
    for one in slices:
        chosen = one.select(on.mentions, on.data.loaded.graph)
        rows = {row.label: of_ranks(evaluations, chosen, measures) for row, evaluations in on.rows.items()}
        found[one.name] = {"mentions": int(chosen.sum()), "systems": rows}
    return found


def slices_table(found: Collected, on: OnData, own: dict[str, Any]) -> Grid:
    """One line per row and slice."""
    measures = [parse_measure(name) for name in found.plan.request.target.measures]
    lines = []
    for row in found.plan.request.rows:
        for name, part in own.items():
            values = part["systems"].get(row.label)
            cells = [NO_VALUE if values is None else shown(values[m.name], m) for m in measures]
            lines.append((f"{row.label}: {name}", f"{part['mentions']:,}", *cells))
    columns = ("model, mentions", "mentions", *(f"{m.name} %" for m in measures))
    return Grid(title(on), columns, tuple(lines), caption(on, found.plan.request.rows))


def _bars(on: OnData, own: dict[str, Any], measures: tuple[str, ...]) -> Bars:
    labels = tuple(row.label for row in on.rows)
    panels = {
        f"{measure} %": {
            name: tuple(_points(part["systems"][label][measure]) for label in labels) for name, part in own.items()
        }
        for measure in measures
    }
    return Bars(f"{on.data.name}, {on.data.split}", labels, panels)


def _points(values: dict[str, Any]) -> tuple[float, float]:
    """Mean and standard deviation in points."""
    return 100 * (values["mean"] or 0.0), 100 * (values["deviation"] or 0.0)
