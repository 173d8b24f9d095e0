"""From an answer's scores to P(the best entity is the true one): by a temperature, or by isotonic regression.

- Temperature: ``P = softmax(s / T)_1`` over the best K entities. T minimises the log loss of "the best one is right".
- Isotonic: ``P = g(x)``, ``g`` the non-decreasing function of least squared error, joined by straight lines, of one
  feature ``x`` of the answer (that softmax, the margin to the second, or the best score).

``n`` mentions cannot bear out a probability of 0 or 1: ``g`` stays within ``1/(n+2)`` and ``1 − 1/(n+2)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from otmel.evaluation.calibration.figures import log_loss
from otmel.evaluation.calibration.ranked import FEATURES, Feature, Ranked, feature, softmax
from otmel.settings import Settings

COLDEST, HOTTEST, STEPS = 1e-3, 1e3, 13
"""Temperatures are sought between these, first on so many points of a logarithmic grid."""


class ConfidenceMap(Settings):
    """What maps an answer's scores to a probability.

    Attributes:
        temperature: T of the softmax over the best K entities.
        feature: what an isotonic map reads; ``None`` for temperature scaling, whose softmax is the probability.
        knots: of the isotonic map: values of the feature, ascending, each with its probability.
    """

    temperature: float = Field(gt=0)
    feature: Feature | None = None
    knots: tuple[tuple[float, float], ...] = ()

    @field_validator("knots")
    @classmethod
    def _monotone(cls, knots: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        for column in zip(*knots, strict=True):
            if any(later < earlier for earlier, later in pairwise(column)):
                raise ValueError("neither the values nor the probabilities may fall")
        if any(not 0 <= probability <= 1 for _, probability in knots):
            raise ValueError("a probability lies between 0 and 1")
        return knots

    @model_validator(mode="after")
    def _whole(self) -> ConfidenceMap:
        if (self.feature is None) != (not self.knots):
            raise ValueError("an isotonic map has a feature and knots, temperature scaling has neither")
        return self

    @property
    def method(self) -> str:
        """Such as ``temperature`` or ``isotonic on margin``."""
        return "temperature" if self.feature is None else f"isotonic on {self.feature}"

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(the best entity is the true one) ``[M]`` from scores ``[M, K]``, best first."""
        if self.feature is None:
            return feature(scores, "probability", self.temperature)
        x, y = np.array(self.knots).T
        return np.interp(feature(scores, self.feature, self.temperature), x, y)

    def spread(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each of the best K entities ``[M, K]``.

        The best one has ``P``. The others have their softmax ``q_i`` times ``min(P/q_1, (1−P)/(1−q_1))``: their order
        and their ratios are the softmax's, none is above the best one, and the sum is at most 1. What is left of 1 is
        the probability that it is none of them.
        """
        shares, best = softmax(scores, self.temperature), self.probability(scores)
        first = shares[:, 0]
        rest = np.divide(1 - best, 1 - first, out=np.zeros_like(first), where=first < 1)
        spread = shares * np.minimum(best / first, rest)[:, None]
        spread[:, 0] = best
        return spread


Fit = Callable[[Ranked], ConfidenceMap]


def fit_temperature(ranked: Ranked) -> ConfidenceMap:
    """The temperature of least log loss: the best point of a grid, then refined between its neighbours."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        return log_loss(softmax(ranked.scores, float(np.exp(logarithm)))[:, 0], ranked.right)

    grid = np.linspace(np.log(COLDEST), np.log(HOTTEST), STEPS)
    best = int(np.argmin([loss(point) for point in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, STEPS - 1)]
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return ConfidenceMap(temperature=float(np.exp(found.x)))


def fit_isotonic(ranked: Ranked, name: Feature) -> ConfidenceMap:
    """The isotonic map of a feature; its softmax has the temperature of least log loss."""
    from sklearn.isotonic import IsotonicRegression

    temperature = fit_temperature(ranked).temperature
    least = 1 / (len(ranked) + 2)
    regression = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    regression.fit(feature(ranked.scores, name, temperature), ranked.right.astype(np.float64))
    knots = zip(regression.X_thresholds_.tolist(), regression.y_thresholds_.tolist(), strict=True)
    return ConfidenceMap(temperature=temperature, feature=name, knots=tuple(knots))


METHODS: dict[str, Fit] = {
    "temperature": fit_temperature,
    **{f"isotonic on {name}": partial(fit_isotonic, name=name) for name in FEATURES},
}
"""What to choose from, simplest first: of two with the same loss the first is taken."""
