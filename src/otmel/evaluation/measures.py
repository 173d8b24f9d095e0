"""Measures over ranks. A measure is a value: ``Hit(1)``, ``MRR``, ``MR``, or ``parse_measure("H@1")``."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from otmel.errors import ConfigurationError, nearest

TiePolicy: TypeAlias = Literal["optimistic", "realistic", "pessimistic"]
TIE_POLICIES: tuple[TiePolicy, ...] = ("optimistic", "realistic", "pessimistic")
"""Where the true entity stands among entities of equal score: first, in the middle (the headline) or last."""


class Measure(ABC):
    """The mean over mentions of a function of the rank.

    Attributes:
        higher_is_better: the direction of the measure.
        percent: shown as a percentage.
    """

    higher_is_better: ClassVar[bool] = True
    percent: ClassVar[bool] = True

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that tables and files use."""

    @abstractmethod
    def per_mention(self, ranks: NDArray[np.floating]) -> NDArray[np.float64]:
        """The measure of each mention alone ``[M]``, from its rank ``[M]`` (1 is the best)."""

    def __call__(self, ranks: NDArray[np.floating]) -> float:
        """The mean over the mentions; NaN where there is none."""
        return float(self.per_mention(ranks).mean()) if len(ranks) else float("nan")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Hit(Measure):
    """``H@k = 1/N Σ I(rank(i) ≤ k)`` (Eq. 34, whose ``<`` is read as ``≤``: every published table means it)."""

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigurationError(f"H@{self.k}: k must be at least 1")

    @property
    def name(self) -> str:
        """``H@k``."""
        return f"H@{self.k}"

    def per_mention(self, ranks: NDArray[np.floating]) -> NDArray[np.float64]:
        """1 where the rank is at most k, else 0."""
        return (np.asarray(ranks) <= self.k).astype(np.float64)


@dataclass(frozen=True)
class ReciprocalRank(Measure):
    """``MRR = 1/N Σ 1 / rank(i)`` (Eq. 35)."""

    name: ClassVar[str] = "MRR"  # pyright: ignore[reportIncompatibleMethodOverride]

    def per_mention(self, ranks: NDArray[np.floating]) -> NDArray[np.float64]:
        """``1 / rank``."""
        return 1.0 / np.asarray(ranks, dtype=np.float64)


@dataclass(frozen=True)
class MeanRank(Measure):
    """``MR = 1/N Σ rank(i)``; 1 is the best."""

    name: ClassVar[str] = "MR"  # pyright: ignore[reportIncompatibleMethodOverride]
    higher_is_better: ClassVar[bool] = False
    percent: ClassVar[bool] = False

    def per_mention(self, ranks: NDArray[np.floating]) -> NDArray[np.float64]:
        """The rank itself."""
        return np.asarray(ranks, dtype=np.float64)


MRR = ReciprocalRank()
MR = MeanRank()
DEFAULT_MEASURES: tuple[Measure, ...] = (Hit(1), Hit(3), Hit(5), Hit(10), Hit(20), MRR, MR)


def parse_measure(text: str) -> Measure:
    """A measure from its name (``H@1``, ``Hit@1``, ``Hits@1``, ``MRR``, ``MR``; case does not matter).

    Raises:
        ConfigurationError: no such measure.
    """
    name = text.strip().upper()
    hit = re.fullmatch(r"H(?:ITS?)?@([0-9]+)", name)
    if hit:
        return Hit(int(hit[1]))
    for measure in (MRR, MR):
        if name == measure.name:
            return measure
    raise ConfigurationError(f"there is no measure {text!r}", cure=nearest(name, ["H@1", "H@3", "H@5", "MRR", "MR"]))


def measured(ranks: NDArray[np.floating], measures: Iterable[Measure] = DEFAULT_MEASURES) -> dict[str, float | None]:
    """Measure name → value over the ranks of the ranked mentions; ``None`` where there is no mention."""
    return {measure.name: measure(ranks) if len(ranks) else None for measure in measures}
