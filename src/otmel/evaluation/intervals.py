"""Confidence intervals of paired differences: over seeds, over mentions, over both.

All take ``values [S, M]``: the difference between two systems on mention ``m`` with seed ``s``. The estimate is the
mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otmel.errors import DataError

FEWEST_DIFFERING = 6
"""With fewer mentions that differ, not even a sign test of all of them can reach 5 % (2 · ½⁵ > 0.05)."""

CELLS_PER_CHUNK = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits, ``low ≤ value ≤ high``."""

    value: float
    low: float
    high: float

    @property
    def contains_zero(self) -> bool:
        """Whether the interval allows for no difference at all."""
        return self.low <= 0 <= self.high


def over_seeds(values: NDArray[np.float64], confidence: float = 0.95) -> Interval:
    """Student's t interval over the ``S ≥ 2`` seeds' means: what another training run would give on these mentions."""
    from scipy.stats import t

    means = values.mean(1)
    if len(means) < 2:
        raise DataError("an interval over seeds needs at least two paired seeds", cure="train with more seeds")
    half = float(t.ppf((1 + confidence) / 2, len(means) - 1)) * float(means.std(ddof=1)) / len(means) ** 0.5
    value = float(means.mean())
    return Interval(value, value - half, value + half)


def over_mentions(
    values: NDArray[np.float64], confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Percentile bootstrap over the mentions: what these trained models would give on other mentions."""
    each = values.mean(0)
    if len(each) < 2:
        raise DataError(f"an interval over mentions needs at least two ranked mentions, there are {len(each)}")
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    chunk = max(1, CELLS_PER_CHUNK // len(each))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        means[start : start + size] = each[rng.integers(0, len(each), (size, len(each)))].mean(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    value = float(each.mean())
    return Interval(value, min(float(low), value), max(float(high), value))


def over_both(
    values: NDArray[np.float64], confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Seeds and mentions together: what another training run would give on other mentions.

    The two half-widths are added in squares (the method of variance estimates recovery). A bootstrap over both would
    be far too short with the usual three seeds, for it knows no Student's t. Somewhat wide, since the interaction of
    seed and mention counts on both sides.
    """
    one = over_seeds(values, confidence)
    other = over_mentions(values, confidence, resamples, seed)
    below = np.hypot(one.value - one.low, one.value - other.low)
    above = np.hypot(one.high - one.value, other.high - one.value)
    return Interval(one.value, one.value - float(below), one.value + float(above))


def differing(values: NDArray[np.float64]) -> int:
    """How many mentions have a mean difference other than 0."""
    return int(np.count_nonzero(values.mean(0)))
