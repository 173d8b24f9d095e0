"""The family of assignments beyond the paper's two, as named models: to be compared, not to be believed.

Three places for an assignment: as message passing in the whole model, as a late interaction added to it, and as a late
interaction that is all there is. Temperatures and thresholds of the late interactions were chosen on the token track.
"""

from __future__ import annotations

from collections.abc import Mapping

from otmel.models.settings import Interaction, ModelSettings
from otmel.ot import Assignment, Attention, Sinkhorn, Transport

TEXT, VISION = 0.05, 0.1
"""Temperatures of late interactions."""
Relax = tuple[float, float]


def messages(base: ModelSettings) -> dict[str, ModelSettings]:
    """``base`` with each point of the family in the place of its assignments; its own is ``balanced``."""
    assert isinstance(base.matching, Transport)
    own = base.matching
    return {"balanced": base} | {name: _sending(base, point) for name, point in _points(own).items()}


def added(base: ModelSettings) -> dict[str, ModelSettings]:
    """``base`` with a late interaction by each point of the family."""
    return {name: base.model_copy(update={"interaction": one}) for name, one in interactions().items()}


def alone(base: ModelSettings) -> dict[str, ModelSettings]:
    """Late interactions without fusion and matching."""
    nothing = base.model_copy(update={"fusion": None, "matching": None})
    return added(nothing)


def interactions() -> Mapping[str, Interaction]:
    """Late interactions by each point; where one side is free, it is the entity's words and the mention's patches."""
    free = {
        "balanced": _both((1, 1)),
        "unbalanced": _both((0.1, 0.9)),
        "one-sided": _both((0, 0.5)),
        "softmax": _both((0, 1)),
        "softmax, the other way": _both((1, 0)),
        "softmax, learned ε": _both((0, 1), learn=("epsilon",)),
    }
    return free | {
        "attention": Interaction(text=Attention(), vision=Attention()),
        "null key": Interaction(),
        "balanced, learned marginals": _both((1, 1), marginals="learned"),
        "unbalanced, learned marginals": _both((0.1, 0.9), marginals="learned"),
    }


def _points(own: Transport) -> dict[str, Assignment]:
    def relaxed(relax: Relax, **changes: object) -> Transport:
        solver = own.solver.model_copy(update={"relax": relax})
        return Transport.model_validate({**own.model_dump(), "solver": solver, **changes})

    learned = {"gradient": "unrolled", "marginals": "learned"}
    return {
        "attention": Attention(),
        "softmax": relaxed((1, 0)),
        "softmax, the other way": relaxed((0, 1)),
        "half-relaxed columns": relaxed((1, 0.5)),
        "unbalanced": relaxed((0.5, 0.5)),
        "null key": relaxed((1, 0), row_norm="marginal", gradient="unrolled", threshold=0.2, learn=("threshold",)),
        "learned ε": relaxed((1, 1), gradient="unrolled", learn=("epsilon",)),
        "learned marginals": relaxed((1, 1), **learned),
        "learned marginals, half-relaxed columns": relaxed((1, 0.5), **learned),
        "learned marginals, softmax": relaxed((1, 0), **learned),
    }


def _sending(base: ModelSettings, point: Assignment) -> ModelSettings:
    fusion = point
    if isinstance(point, Transport):  # only the plans between mention and entity are ever detached
        fusion = point.model_copy(update={"gradient": "unrolled"})
    return base.model_copy(update={"fusion": fusion, "matching": point})


def _both(relax: Relax, **changes: object) -> Interaction:
    def transport(epsilon: float, relax: Relax) -> Transport:
        solver = Sinkhorn(epsilon=epsilon, relax=relax, iterations=10)
        return Transport.model_validate({"solver": solver, "row_norm": "none", **changes})

    return Interaction(text=transport(TEXT, relax), vision=transport(VISION, (relax[1], relax[0])))
