"""The tables of a calibration: how good its probabilities are, and what its threshold does."""

from __future__ import annotations

from collections.abc import Callable

from otmel.evaluation.calibration.record import Calibration, Figures
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.nil_result import NilResult

ROWS: tuple[tuple[str, Callable[[Figures], float]], ...] = (
    ("expected calibration error", lambda figures: figures.ece),
    ("… of true probabilities, by chance", lambda figures: figures.ece_by_chance),
    ("Brier score", lambda figures: figures.brier),
    ("log loss, nats", lambda figures: figures.log_loss),
    ("area under risk–coverage", lambda figures: figures.aurc),
)
NIL_ROWS = (
    "mentions",
    "whose entity is not in the graph",
    "linked",
    "links right %",
    "NIL precision %",
    "NIL recall %",
    "NIL F1 %",
    "accuracy %",
    "accuracy %, nothing called NIL",
)


def figures_grid(calibration: Calibration) -> Grid:
    """One row per figure, before and after; with entities removed, where some were."""
    kinds, columns = [calibration.before, calibration.after], ["before", "after"]
    if calibration.removal is not None:
        kinds.append(calibration.removal.figures)
        columns.append(_removed(calibration))
    rows = tuple((name, *(f"{value(figures):.3f}" for figures in kinds)) for name, value in ROWS)
    task, stage = calibration.task, " of the second stage" if calibration.second_stage else ""
    caption = (
        f"before: softmax of the scores{stage} over the best {calibration.k} entities. after: {calibration.map.method} "
        f"(T = {calibration.map.temperature:.3g}), of mentions not fitted on, {calibration.folds} folds."
    )
    title = f"{task.dataset}, {task.split}: {calibration.mentions:,} mentions, {task.entities:,} entities"
    return Grid(title, ("", *columns), rows, caption)


def nil_grid(calibration: Calibration) -> Grid | None:
    """What the threshold does, with and without entities removed; ``None`` without a threshold."""
    if calibration.nil is None or calibration.threshold is None:
        return None
    columns, cells = ["as it is"], [_cells(calibration.nil)]
    if calibration.removal is not None and calibration.removal.nil is not None:
        columns.append(_removed(calibration))
        cells.append(_cells(calibration.removal.nil))
    title = f"NIL where the best entity is less probable than {calibration.threshold:.3f}"
    rows = tuple(zip(NIL_ROWS, *cells, strict=True))
    return Grid(title, ("", *columns), rows, threshold_text(calibration))


def threshold_text(calibration: Calibration) -> str:
    """How the threshold came about, or why there is none."""
    if calibration.rule == "nil":
        return "The threshold finds NIL mentions best (F1)."
    target = f"{calibration.precision:.1%} of the links are right"
    if calibration.threshold is None:
        return (
            f"No threshold: there is none above which {target}; the best reaches {calibration.best_precision:.1%}. "
            "Links will have a probability, but nothing will be called NIL: ask for less (--precision)."
        )
    if calibration.threshold == 0:
        return f"{target} as it is: nothing will be called NIL."
    return f"The threshold is the smallest above which {target}, on mentions not fitted on."


def evaluated_grid(result: NilResult, system: str) -> Grid:
    """What the flag of a calibrated run does to an evaluated split."""
    caption = "Right are mentions called NIL whose entity is not in the graph, and others that are linked right."
    return Grid(f"{system}: NIL-aware", ("", "value"), tuple(zip(NIL_ROWS, _cells(result), strict=True)), caption)


def _removed(calibration: Calibration) -> str:
    assert calibration.removal is not None
    return f"{calibration.removal.entities:,} entities removed"


def _cells(result: NilResult) -> tuple[str, ...]:
    counts = result.mentions, result.nil, result.mentions - result.flagged
    shares = result.link_precision, result.precision, result.recall, result.f1
    shares += result.accuracy, result.accuracy_unflagged
    return (*(f"{count:,}" for count in counts), *map(_percent, shares))


def _percent(share: float | None) -> str:
    return NO_VALUE if share is None else f"{100 * share:.1f}"
