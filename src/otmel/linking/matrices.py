"""The rows of the picture that show plans as matrices, with room for every label."""

from __future__ import annotations

from otmel.linking.explanation import Explanation
from otmel.linking.panels import shortened, show_colours, show_matrix
from otmel.linking.plans import TokenPlan
from otmel.linking.sheet import BAR_ROOM, MARGIN, WIDTH, Row, Sheet

CELL_LOW, CELL_HIGH = 0.105, 0.26


def matrix_rows(explanation: Explanation) -> list[Row]:
    """The plan between words and patches, and the one between the words of both sides; beside each other if they fit.

    Labels of a column need ``CELL_LOW`` inches each.
    """
    fused, text = explanation.plan("F", "mention", "text"), explanation.plan("T")
    plans = [plan for plan in (fused, text) if plan is not None]
    if len(plans) == 2 and sum(map(_needed, plans)) > WIDTH - 2 * MARGIN:
        return [_matrix_row([plan]) for plan in plans]
    return [_matrix_row(plans)] if plans else []


def place_matrix(sheet: Sheet, plan: TokenPlan, place: tuple[float, float], size: tuple[float, float]) -> None:
    """Draw a plan with its colour bar; ``place`` and ``size`` of the matrix itself, in inches."""
    (left, down), (width, height) = place, size
    cell = width / len(plan.columns), height / len(plan.rows)
    shades = show_matrix(sheet.axes(left, down, width, height), plan, f"{plan.part}  {plan.name}", cell)
    show_colours(sheet.axes(left + width + 0.06, down, 0.07, min(height, 1.5)), shades)


def _matrix_row(plans: list[TokenPlan]) -> Row:
    tallest = max(len(plan.rows) for plan in plans)
    cell = min(max(2.2 / tallest, CELL_LOW + 0.015), CELL_HIGH)
    room = WIDTH - 2 * MARGIN - sum(map(_needed, plans))

    def draw(sheet: Sheet) -> None:
        left, spare = MARGIN, room
        for number, plan in enumerate(plans):
            left += _label_width(plan)
            width = min(_narrowest(plan) + spare / (len(plans) - number), _widest(plan))
            spare -= width - _narrowest(plan)
            place_matrix(sheet, plan, (left, 0.25), (width, cell * len(plan.rows)))
            left += width + BAR_ROOM

    return Row(0.25 + max(cell * len(plan.rows) + _below(plan) for plan in plans), draw)


def _needed(plan: TokenPlan) -> float:
    """The width of a plan with its labels, at the least."""
    return _label_width(plan) + _narrowest(plan) + BAR_ROOM


def _label_width(plan: TokenPlan) -> float:
    longest = max(len(shortened(token)) for token in plan.rows.tokens)
    return 0.12 + 0.062 * longest


def _below(plan: TokenPlan) -> float:
    """Room for the labels under a plan."""
    longest = max(len(shortened(token)) for token in plan.columns.tokens)
    return 0.5 + (0.062 * longest if plan.columns.modality == "text" else 0.05)


def _narrowest(plan: TokenPlan) -> float:
    columns = len(plan.columns)
    return max(1.2, CELL_LOW * columns) if plan.columns.modality == "text" else max(1.6, 0.05 * columns)


def _widest(plan: TokenPlan) -> float:
    return max(1.6, CELL_HIGH * len(plan.columns)) if plan.columns.modality == "text" else 3.4
