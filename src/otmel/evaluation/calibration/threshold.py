"""From what probability on a link is trusted, and below which a mention is called NIL."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rule: TypeAlias = Literal["precision", "nil"]
"""``precision``: links are right at a target rate; ``nil``: mentions without an entity are found best."""
FEWEST_LINKS = 10
"""Of fewer links, a rate says nothing."""


def for_precision(probability: NDArray[np.float64], right: NDArray[np.bool_], target: float) -> float | None:
    """The smallest threshold ``t`` for which the links with ``P ≥ t`` are right at the target rate.

    Returns:
        0 where all links together are; ``None`` where no threshold reaches the target with ``FEWEST_LINKS`` above it.
    """
    thresholds, precision = _precisions(probability, right)
    reached = np.flatnonzero(precision >= target)
    if not len(reached):
        return None
    return 0.0 if reached[0] == 0 else float(thresholds[reached[0]])


def best_precision(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The highest rate of right links that any threshold gives with ``FEWEST_LINKS`` above it."""
    return float(_precisions(probability, right)[1].max(initial=0.0))


def _precisions(
    probability: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds with enough links above them, ascending, and the rate of right ones among these."""
    thresholds, accepted, wanted = _accepted(probability, right)
    enough = accepted >= FEWEST_LINKS
    return thresholds[enough], wanted[enough] / accepted[enough]


def for_nil(probability: NDArray[np.float64], nil: NDArray[np.bool_]) -> float:
    """The smallest threshold ``t`` for which calling mentions with ``P < t`` NIL gives the highest F1.

    Calling all of them NIL is one of the choices; ``t`` is then 1, which flags everything but the certain.
    """
    thresholds, accepted, missed = _accepted(probability, nil)
    total = int(nil.sum())
    f1 = 2 * (total - missed) / np.maximum(len(nil) - accepted + total, 1)
    return min(float(thresholds[int(np.argmax(f1))]), 1.0)


def _accepted(
    probability: NDArray[np.float64], good: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Thresholds, ascending (every probability once, then one above all); mentions from each on, and the good ones."""
    order = np.argsort(probability, kind="stable")
    ordered, outcome = probability[order], good[order]
    thresholds, first = np.unique(ordered, return_index=True)
    from_end = np.append(np.cumsum(outcome[::-1])[::-1], 0)
    start = np.append(first, len(ordered))
    return np.append(thresholds, np.inf), len(ordered) - start, from_end[start]
