"""Tables of measured systems: means with their spread over seeds, chance, the paper's own, paired differences."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from otmel.evaluation.compare import CompareSettings, Comparison, compare
from otmel.evaluation.files import Evaluation
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.measures import Measure, measured, parse_measure
from otmel.evaluation.report import comparison_grid
from otmel.reproduction.collected import NAME_MATCH, OnData
from otmel.reproduction.paper import Printed
from otmel.reproduction.target import Row

CLEAR = 5
"""A system clears chance by a wide margin if its MRR is at least so many times that of chance."""
Values = Mapping[str, "float | None"]


def chance(entities: int, measures: Iterable[str]) -> dict[str, float]:
    """What a ranking by lot gives: ``H@k = min(k, E)/E`` and ``MRR = (1 + 1/2 + … + 1/E)/E``."""
    ranks = np.arange(1, entities + 1, dtype=np.float64)
    return {name: parse_measure(name)(ranks) for name in measures}


def figures(evaluations: Sequence[Evaluation], measures: Iterable[str]) -> dict[str, Any]:
    """Measure → its value with each seed, mean and standard deviation (``None`` with one seed); fractions."""
    found: dict[str, Any] = {}
    for name in measures:
        each = [evaluation.result.headline.get(name) for evaluation in evaluations]
        found[name] = spread([value for value in each if value is not None])
    return found


def spread(each: Sequence[float]) -> dict[str, Any]:
    """Some values with their mean and standard deviation."""
    mean = statistics.fmean(each) if each else None
    return {"each": list(each), "mean": mean, "deviation": statistics.stdev(each) if len(each) > 1 else None}


def shown(values: Mapping[str, Any], measure: Measure, digits: int = 1) -> str:
    """``83.3 ± 0.2``."""
    if values["mean"] is None:
        return NO_VALUE
    scale = 100 if measure.percent else 1
    deviation = values["deviation"]
    more = "" if deviation is None else f" ± {scale * deviation:.{digits}f}"
    return f"{scale * values['mean']:.{digits}f}{more}"


def of_ranks(evaluations: Sequence[Evaluation], chosen: Any, measures: Iterable[str]) -> dict[str, Any]:
    """As ``figures``, of the mentions that are chosen (a mask over the split) and ranked."""
    parsed = [parse_measure(name) for name in measures]
    each = []
    for evaluation in evaluations:
        ranks = evaluation.ranks
        each.append(measured(ranks[np.asarray(chosen) & ranks.ranked].realistic, parsed))
    return {m.name: spread([one[m.name] for one in each if one[m.name] is not None]) for m in parsed}


def systems_table(on: OnData, rows: Sequence[Row], measures: Sequence[str], printed: Printed | None = None) -> Grid:
    """One line per row, then name match and chance; beside them the paper's, where the data are the paper's."""
    parsed = [parse_measure(name) for name in measures]
    beside = paper_columns(on, measures, printed)
    lines = []
    for row in rows:
        values = figures(on.rows.get(row, ()), measures)
        seeds = len(on.rows.get(row, ()))
        own = [shown(values[m.name], m) for m in parsed]
        lines.append((row.label, *own, str(seeds) if seeds else NO_VALUE, *_printed(row.label, beside, printed)))
    blank = [NO_VALUE] * len(beside)
    if on.floor is not None:
        values = figures([on.floor], measures)
        lines.append((NAME_MATCH, *(shown(values[m.name], m) for m in parsed), NO_VALUE, *blank))
    by_lot = chance(len(on.data.loaded.graph), measures)
    lines.append(("chance", *(f"{100 * by_lot[m.name]:.1f}" for m in parsed), NO_VALUE, *blank))
    columns = ("model", *(f"{name} %" for name in measures), "seeds", *(f"paper {name}" for name in measures if beside))
    return Grid(title(on), columns, tuple(lines), caption(on, rows))


def paper_columns(on: OnData, measures: Sequence[str], printed: Printed | None) -> list[str]:
    """The columns of the paper's table that belong to the data; none where they are no data of the paper's."""
    if printed is None or on.data.benchmark is None:
        return []
    named = [f"{on.data.benchmark} {name}" for name in measures]
    if all(name in printed.columns for name in named):
        return named
    own = on.data.benchmark == "RichpediaMEL" and all(name in printed.columns for name in measures)
    return list(measures) if own else []


def _printed(label: str, columns: Sequence[str], printed: Printed | None) -> list[str]:
    cells = [None if printed is None else printed.cell(label, column) for column in columns]
    return [NO_VALUE if cell is None else f"{cell:.2f}" for cell in cells]


def title(on: OnData) -> str:
    """Data, split, size and protocol."""
    task = on.task
    return f"{on.data.name}, {task.split}: {task.entities:,} entities, {task.protocol}"


def caption(on: OnData, rows: Sequence[Row]) -> str:
    """How to read a table of systems, and why lines are empty."""
    first = next((evaluations[0] for evaluations in on.rows.values()), None)
    ranked = "" if first is None else f"{first.result.counts.ranked:,} ranked mentions. "
    absent = [f"{row.label}: {on.absent[row.label]}" for row in rows if row.label in on.absent]
    missing = f" Not available: {'; '.join(absent)}." if absent else ""
    return f"{ranked}Realistic ranks; mean ± standard deviation over seeds.{missing}"


def compared(on: OnData, baseline: str, measures: Sequence[str]) -> Comparison | None:
    """Paired differences from a row, with intervals; ``None`` where there is nothing to compare.

    With two seeds or more, intervals range over seeds and mentions; with one, over mentions alone.
    """
    systems = on.systems
    if on.floor is not None:
        systems[NAME_MATCH] = [on.floor]
    if baseline not in systems or len(systems) < 2:
        return None
    paired = min(len(evaluations) for label, evaluations in systems.items() if label != NAME_MATCH)
    method = "both" if paired > 1 else "mentions"
    return compare(systems, CompareSettings(measures=tuple(measures), method=method), baseline)


def difference_table(on: OnData, comparison: Comparison) -> Grid:
    """The differences as a table."""
    grid = comparison_grid(comparison)
    text = comparison.as_text().splitlines()[-len(comparison.methods) - 1 :]
    return Grid(f"{on.data.name}, {on.data.split}: paired differences", grid.columns, grid.rows, " ".join(text))


def remarks(on: OnData, rows: Sequence[Row], seeds: int) -> list[str]:
    """Rows that do not clear chance, and what one seed cannot say."""
    notes = []
    by_lot = chance(len(on.data.loaded.graph), ["MRR"])["MRR"]
    for row in rows:
        mean = figures(on.rows.get(row, ()), ["MRR"])["MRR"]["mean"]
        if mean is not None and mean < CLEAR * by_lot:
            notes.append(
                f"{on.data.name}: {row.label} does not clear chance by a wide margin: MRR {100 * mean:.1f} %, "
                f"chance {100 * by_lot:.1f} %"
            )
    if seeds < 2 and on.rows:
        notes.append(
            f"{on.data.name}: one seed: intervals are over mentions alone; what another training run would give needs "
            "--seeds 2 at the least, and three or more to be of use"
        )
    return notes
