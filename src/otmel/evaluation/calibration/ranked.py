"""``Ranked``: the best entities' scores of some mentions, what can be read from them, and which answers are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Feature: TypeAlias = Literal["probability", "margin", "score"]
"""What is read from an answer: ``softmax(s / T)`` of the best entity, ``s_1 − s_2``, or ``s_1``."""
FEATURES: tuple[Feature, ...] = ("probability", "margin", "score")


@dataclass(frozen=True)
class Ranked:
    """``M`` ranked mentions.

    Attributes:
        scores: of the best ``K`` entities, best first ``[M, K]``; ``-inf`` where a mention has fewer.
        right: whether the best entity is the true one ``[M]``; never where ``nil``.
        nil: whether the true entity is not in the graph ``[M]``.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    nil: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Ranked:
        """Some of the mentions."""
        return Ranked(self.scores[rows], self.right[rows], self.nil[rows])


def softmax(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """``exp(s / T) / Σ exp(s / T)`` of each row ``[M, K]``: one-hot (or even among ties) as T → 0, even as T → ∞."""
    with np.errstate(under="ignore"):
        # Taking the best score off first changes nothing, and leaves nothing to overflow.
        grown = np.exp((scores - scores[:, :1]) / temperature)
        return grown / grown.sum(1, keepdims=True)


def feature(scores: NDArray[np.float64], name: Feature, temperature: float = 1.0) -> NDArray[np.float64]:
    """A feature of every row of scores ``[M, K]`` as ``[M]``; the margin of a lone entity is infinite."""
    if name == "probability":
        return softmax(scores, temperature)[:, 0]
    if name == "score":
        return scores[:, 0]
    return scores[:, 0] - scores[:, 1] if scores.shape[1] > 1 else np.full(len(scores), np.inf)
