"""The plans of a pair, each beside what the other assignment makes of the same tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from otmel.linking.halves import Half
from otmel.linking.plans import Axis, Modality, TokenPlan
from otmel.models.fusion import Direction, fusion_sides
from otmel.models.otmel import OTMEL
from otmel.ot import Assignment, Plan, Sides, Transport
from otmel.ot.assignment import counterpart
from otmel.ot.correlation import planned
from otmel.ot.learned import Adjustment

RECEIVERS: Final[dict[Direction, Modality]] = {"image_to_text": "text", "text_to_image": "image"}
MATCHED: Final[dict[str, Modality]] = {"T": "text", "V": "image", "LT": "text", "LV": "image"}


def token_plans(model: OTMEL, mention: Half, entity: Half) -> Iterator[TokenPlan]:
    """Every plan the pair has: those of fusion, of either half, then those between the halves."""
    for half in (mention, entity) if model.fusion is not None else ():
        yield from _fused(model, half)
    for part, modality in MATCHED.items():
        axes = entity.axis(modality), mention.axis(modality)
        if part in mention.state.late and all(map(len, axes)):
            term = model.late_term(part)
            sides = term.sides(mention.state.late[part], entity.state.late[part])
            yield _both(part, axes, sides, (term.assignment, term.adjustment))


def _fused(model: OTMEL, half: Half) -> Iterator[TokenPlan]:
    assert model.fusion is not None
    for direction, rows in RECEIVERS.items():
        axes = half.axis(rows), half.axis("image" if rows == "text" else "text")
        if all(map(len, axes)):
            correlation = model.fusion.correlation(direction)
            sides = fusion_sides(model.fusion, half.views, direction)
            yield _both("F", axes, sides, (correlation.assignment, correlation.adjustment))


def _both(
    part: str, axes: tuple[Axis, Axis], sides: Sides, assigned: tuple[Assignment, Adjustment | None]
) -> TokenPlan:
    """The plan with its counterpart."""
    own, adjustment = assigned
    other = counterpart(own)
    beside = _token_plan(part, axes, other, other.plan(sides))
    return _token_plan(part, axes, own, planned(own, sides, adjustment), beside)


def _token_plan(
    part: str, axes: tuple[Axis, Axis], assignment: Assignment, plan: Plan, beside: TokenPlan | None = None
) -> TokenPlan:
    rows, columns = axes
    transport = isinstance(assignment, Transport)
    kind: Literal["transport", "attention"] = "transport" if transport else "attention"
    matrix = plan.matrix.reshape(plan.matrix.shape[-2:])[: len(rows), : len(columns)]
    return TokenPlan(
        part=part,
        kind=kind,
        rows=rows,
        columns=columns,
        matrix=matrix.cpu().numpy(),
        iterations=int(plan.iterations) if transport else None,
        marginal_error=float(plan.marginal_error.double().reshape(())) if transport else None,
        counterpart=beside,
    )
