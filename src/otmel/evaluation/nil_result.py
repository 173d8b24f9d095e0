"""``NilResult``: what calling some answers NIL does to a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otmel.settings import Settings

Flags = NDArray[np.bool_]


class NilResult(Settings):
    """Of answers that are links or NIL. A share is ``None`` where there is nothing that it could be a share of.

    Attributes:
        mentions: whose answer is stated.
        nil: those whose true entity is not in the graph.
        flagged: those that were called NIL.
        accuracy: share of right answers: NIL where ``nil``, else the true entity's link, unflagged.
        accuracy_in_graph: the same of the mentions that are not ``nil``.
        accuracy_unflagged: share of right links where nothing is ever called NIL, to compare with.
        precision: share of ``nil`` among the flagged.
        recall: share of the flagged among ``nil``: their accuracy.
        f1: the harmonic mean of the two.
        link_precision: share of right links among those not flagged.
    """

    mentions: int
    nil: int
    flagged: int
    accuracy: float | None
    accuracy_in_graph: float | None
    accuracy_unflagged: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    link_precision: float | None

    @classmethod
    def of(cls, right: Flags, nil: Flags, flagged: Flags) -> NilResult:
        """From whether the best entity is right, whether the true one is not in the graph, and what was flagged."""
        good = np.where(flagged, nil, right)
        precision, recall = share(nil, flagged), share(flagged, nil)
        return cls(
            mentions=len(nil),
            nil=int(nil.sum()),
            flagged=int(flagged.sum()),
            accuracy=share(good),
            accuracy_in_graph=share(good, ~nil),
            accuracy_unflagged=share(right),
            precision=precision,
            recall=recall,
            f1=_f1(nil, flagged),
            link_precision=share(right, ~flagged),
        )


def share(values: Flags, among: Flags | None = None) -> float | None:
    """The share of true values, of all or among some; ``None`` of none."""
    kept = values if among is None else values[among]
    return float(kept.mean()) if len(kept) else None


def _f1(nil: Flags, flagged: Flags) -> float | None:
    total = int(nil.sum()) + int(flagged.sum())
    return 2 * int((nil & flagged).sum()) / total if total else None
