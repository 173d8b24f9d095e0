"""The tables of one or several results: systems, slices, tie policies, parts, paired differences."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.measures import MRR, TIE_POLICIES, Hit, Measure
from otmel.evaluation.results import EvaluationResult, Task, Values

if TYPE_CHECKING:
    from otmel.evaluation.compare import Comparison

TABLE_MEASURES: tuple[Measure, ...] = (Hit(1), Hit(3), Hit(5), MRR)


def systems_grid(results: Sequence[EvaluationResult], measures: Sequence[Measure] = TABLE_MEASURES) -> Grid:
    """One row per system, seeds of one system as mean ± standard deviation; several tasks are told apart by name."""
    tasks = _tasks(results)
    groups: dict[tuple[str, str], list[EvaluationResult]] = {}
    for result in results:
        task = "" if len(tasks) == 1 else f"{result.task.dataset} {result.task.split}, {result.task.protocol}"
        groups.setdefault((result.system.label, task), []).append(result)
    rows = []
    for (label, task), runs in groups.items():
        name = label + (f" ({len(runs)} seeds)" if len(runs) > 1 else "") + (f" [{task}]" if task else "")
        rows.append((name, *(_cell([run.headline.get(m.name) for run in runs], m) for m in measures)))
    spread = "; ± is the standard deviation over seeds" if any(len(runs) > 1 for runs in groups.values()) else ""
    caption = f"{_counts(results)} Realistic ranks{spread}."
    return Grid(_title(results), ("model", *map(_head, measures)), tuple(rows), caption)


def slices_grid(result: EvaluationResult, measures: Sequence[Measure] = TABLE_MEASURES) -> Grid:
    """One row per slice that holds a mention, after all ranked mentions."""
    held = {name: part for name, part in result.slices.items() if part.mentions}
    empty = [name for name, part in result.slices.items() if not part.mentions]
    rows = [("all ranked", f"{result.counts.ranked:,}", *_values(result.headline, measures))]
    rows += [(name, f"{part.mentions:,}", *_values(part.measures, measures)) for name, part in held.items()]
    caption = f"Realistic ranks. No mention: {', '.join(empty)}." if empty else "Realistic ranks."
    title = f"{result.system.label}: {_title([result])}"
    return Grid(title, ("slice", "mentions", *map(_head, measures)), tuple(rows), caption)


def ties_grid(result: EvaluationResult, measures: Sequence[Measure] = TABLE_MEASURES) -> Grid:
    """One row per tie policy."""
    rows = [(policy, *_values(result.measures[policy], measures)) for policy in TIE_POLICIES]
    title = f"{result.system.label}: {_title([result])}"
    return Grid(title, ("ties", *map(_head, measures)), tuple(rows), _counts([result]))


def parts_grid(result: EvaluationResult, measures: Sequence[Measure] = TABLE_MEASURES) -> Grid:
    """One row per part of the score alone, then the whole score."""
    each: Mapping[str, Values] = {**result.parts, "all": result.headline}
    rows = [(name, *_values(values, measures)) for name, values in each.items()]
    return Grid(f"{result.system.label}: {_title([result])}", ("part", *map(_head, measures)), tuple(rows))


def comparison_grid(comparison: Comparison) -> Grid:
    """One row per paired difference."""
    rows = []
    for d in comparison.differences:
        value, low, high = d.shown
        verdict = "separated" if d.separated else "not separated"
        rows.append((d.name, d.measure.name, f"{value:+.1f}", f"[{low:+.1f}, {high:+.1f}]", verdict, d.method))
    interval = f"{comparison.settings.confidence:.0%} interval"
    columns = ("difference", "measure", "points", interval, "verdict", "over")
    task = comparison.task
    return Grid(f"{task.dataset}, {task.split}", columns, tuple(rows), f"{task.protocol}.")


def _cell(values: Sequence[float | None], measure: Measure) -> str:
    known = [100 * value if measure.percent else value for value in values if value is not None]
    if not known:
        return NO_VALUE
    spread = f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else ""
    return f"{statistics.fmean(known):,.1f}{spread}"


def _values(values: Values, measures: Sequence[Measure]) -> list[str]:
    return [_cell([values.get(measure.name)], measure) for measure in measures]


def _head(measure: Measure) -> str:
    return f"{measure.name} %" if measure.percent else measure.name


def _tasks(results: Sequence[EvaluationResult]) -> list[Task]:
    return list(dict.fromkeys(result.task for result in results))


def _title(results: Sequence[EvaluationResult]) -> str:
    tasks = _tasks(results)
    if len(tasks) != 1:
        return f"{len(tasks)} tasks" if tasks else "no result"
    task = tasks[0]
    return f"{task.dataset}, {task.split}: {task.entities:,} entities, {task.protocol}"


def _counts(results: Sequence[EvaluationResult]) -> str:
    """How many mentions the measures speak of, and what was left out; several tasks each count their own."""
    if len(_tasks(results)) != 1:
        return "" if not results else "Counts differ by task."
    counts = results[0].counts
    apart = {"NIL": counts.nil, "unanswered": counts.unanswered, "answer not in the graph": counts.not_in_graph}
    left_out = ", ".join(f"{number:,} {kind}" for kind, number in apart.items() if number)
    missing = f"{counts.without_image:,} of them and {counts.entity_without_image:,} of their entities without image"
    return f"{counts.ranked:,} ranked mentions ({missing})" + (f"; counted apart: {left_out}." if left_out else ".")
