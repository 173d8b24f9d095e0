"""How good probabilities are: log loss, Brier score, calibration error, and risk against coverage.

All of them take ``P`` and ``y``: the probabilities ``[M]`` and whether the answers are right ``[M]``. None depends on
the order of the mentions: equal probabilities are taken together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otmel.settings import Settings

BINS = 10
CLIP = 1e-15
SIMULATIONS = 1000

Probabilities = NDArray[np.float64]
Outcomes = NDArray[np.bool_]


def log_loss(probability: Probabilities, right: Outcomes) -> float:
    """``−1/M Σ log P(what came to be)`` in nats; probabilities are kept 1e-15 from 0 and 1."""
    kept = np.clip(probability, CLIP, 1 - CLIP)
    return float(-np.log(np.where(right, kept, 1 - kept)).mean())


def brier(probability: Probabilities, right: Outcomes) -> float:
    """``1/M Σ (P − y)²``."""
    return float(np.mean((probability - right) ** 2))


class Bin(Settings):
    """Mentions of like probability: how many, their mean probability, and the share of right answers."""

    mentions: int
    probability: float
    accuracy: float


def reliability(probability: Probabilities, right: Outcomes, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal mass, by ascending probability.

    The cuts are made after every ``M / bins`` mentions, and moved on where they would part equal probabilities; so
    there may be fewer bins than asked for.
    """
    order = np.argsort(probability, kind="stable")
    ordered, outcome = probability[order], right[order]
    cuts = _cuts(ordered, bins)
    parts = zip((0, *cuts[:-1].tolist()), cuts.tolist(), strict=True)
    return tuple(
        Bin(mentions=j - i, probability=float(ordered[i:j].mean()), accuracy=float(outcome[i:j].mean()))
        for i, j in parts
    )


def calibration_error(probability: Probabilities, right: Outcomes, bins: int = BINS) -> float:
    """Expected calibration error: ``Σ_b n_b/M |mean P − mean y|`` over the bins of ``reliability``."""
    return sum(b.mentions * abs(b.probability - b.accuracy) for b in reliability(probability, right, bins)) / len(right)


def error_by_chance(probability: Probabilities, seed: int = 0, bins: int = BINS) -> float:
    """The mean calibration error of a source for which ``P`` is true: what so many mentions cannot tell from 0."""
    random, ordered = np.random.default_rng(seed), np.sort(probability)
    starts = np.append(0, _cuts(ordered, bins)[:-1])
    expected, errors = np.add.reduceat(ordered, starts), 0.0
    for _ in range(SIMULATIONS):
        drawn = (random.random(len(ordered)) < ordered).astype(np.float64)
        errors += float(np.abs(expected - np.add.reduceat(drawn, starts)).sum())
    return errors / SIMULATIONS / len(ordered)


@dataclass(frozen=True)
class RiskCoverage:
    """The error rate among the surest mentions.

    Attributes:
        coverage: share of the mentions that are answered ``[M]``: ``1/M, 2/M … 1``.
        risk: error rate among them ``[M]``; within equal probabilities, its mean over their orders.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]

    @property
    def area(self) -> float:
        """The mean risk over all coverages (AURC): the less, the better wrong answers are known to be wrong."""
        return float(self.risk.mean())


def risk_coverage(probability: Probabilities, right: Outcomes) -> RiskCoverage:
    """The curve of answering the surest mention, the two surest, and so on."""
    order = np.argsort(-probability, kind="stable")
    ends = _group_ends(-probability[order])
    wrong = (~right[order]).astype(np.float64)
    sizes = np.diff(ends, prepend=0)
    errors = np.repeat(np.add.reduceat(wrong, ends - sizes) / sizes, sizes) if len(wrong) else wrong
    answered = np.arange(1, len(wrong) + 1)
    return RiskCoverage(answered / max(len(wrong), 1), np.cumsum(errors) / answered)


def _cuts(ordered: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """One past the last place of each bin of ascending probabilities."""
    ends = _group_ends(ordered)
    wanted = np.ceil(np.arange(1, bins + 1) * len(ordered) / bins).astype(np.int64)
    return np.unique(ends[np.searchsorted(ends, np.maximum(wanted, 1))]) if len(ordered) else ends


def _group_ends(ordered: NDArray[np.float64]) -> NDArray[np.int64]:
    """One past the last place of each run of equal values."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]) + 1
