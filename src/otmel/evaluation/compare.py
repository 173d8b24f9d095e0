"""Paired comparison of systems on the same mentions: a difference, its interval, and whether it contains 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from pydantic import Field

from otmel.errors import ConfigurationError, nearest
from otmel.evaluation.files import Evaluation
from otmel.evaluation.intervals import FEWEST_DIFFERING, Interval, differing, over_both, over_mentions, over_seeds
from otmel.evaluation.measures import Measure, TiePolicy, parse_measure
from otmel.evaluation.pairing import RanksBySeed, check_same_task, paired, ranks_by_seed
from otmel.evaluation.results import Task
from otmel.settings import Settings

Method = Literal["seeds", "mentions", "both"]
SPOKEN: Mapping[Method, str] = {"seeds": "seeds", "mentions": "mentions", "both": "seeds and mentions"}
MEANING: Mapping[Method, str] = {
    "seeds": "what another training run would give on these mentions (Student's t)",
    "mentions": "what these models would give on other mentions (paired bootstrap)",
    "both": "what another training run would give on other mentions",
}


class CompareSettings(Settings):
    """How systems are compared.

    Attributes:
        measures: names of the measures.
        method: ``seeds`` (t interval over paired seeds), ``mentions`` (paired bootstrap), ``both``; ``auto`` takes
            ``seeds`` where two or more seeds are paired, else ``mentions``.
        confidence: level of each interval on its own; nothing is adjusted for the number of comparisons.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        ties: tie policy of the ranks.
    """

    measures: tuple[str, ...] = ("H@1", "MRR")
    method: Literal["auto", "seeds", "mentions", "both"] = "auto"
    confidence: float = Field(default=0.95, gt=0, lt=1)
    resamples: int = Field(default=10_000, ge=100)
    seed: int = 0
    ties: TiePolicy = "realistic"


@dataclass(frozen=True)
class Difference:
    """``system − baseline`` in one measure.

    Attributes:
        baseline: label of the one.
        system: label of the other.
        measure: the measure.
        interval: the mean difference and its limits, in the measure's own unit (fractions; ranks for MR).
        method: what the interval ranges over.
        seeds: paired seeds; 1 where the systems are compared as they stand.
        mentions: ranked mentions.
        differing: how many of them have a difference other than 0.
    """

    baseline: str
    system: str
    measure: Measure
    interval: Interval
    method: Method
    seeds: int
    mentions: int
    differing: int

    @property
    def name(self) -> str:
        """``system − baseline``."""
        return f"{self.system} − {self.baseline}"

    @property
    def shown(self) -> tuple[float, float, float]:
        """Value, low and high in points (MR: in ranks)."""
        scale = 100 if self.measure.percent else 1
        return scale * self.interval.value, scale * self.interval.low, scale * self.interval.high

    def as_text(self) -> str:
        """The difference with its interval, and "not separated" where it is not."""
        value, low, high = self.shown
        unit = " points" if self.measure.percent else " ranks"
        over = f"{self.seeds} paired seeds, " if self.seeds > 1 else ""
        few = "" if self.differing >= FEWEST_DIFFERING else f" (only {self.differing} mentions differ)"
        verdict = "separated" if self.separated else f"not separated{few}"
        return f"{value:+6.1f}{unit} [{low:+.1f}, {high:+.1f}]  {verdict}  ({over}{self.mentions:,} mentions)"

    @property
    def separated(self) -> bool:
        """Whether the interval leaves 0 out, with enough mentions that differ to speak of it."""
        return not self.interval.contains_zero and self.differing >= FEWEST_DIFFERING


@dataclass(frozen=True)
class Comparison:
    """All differences between some systems on one task, and each system's own means over its seeds."""

    task: Task
    settings: CompareSettings
    means: Mapping[str, Mapping[str, float]]
    seeds: Mapping[str, tuple[int | None, ...]]
    differences: tuple[Difference, ...]

    def as_text(self) -> str:
        """One line per difference, and what the intervals speak of."""
        width = max(len(f"{d.system} − {d.baseline}") for d in self.differences)
        lines = [
            f"{f'{d.system} − {d.baseline}':<{width}}  {d.measure.name:<5} {d.as_text()}" for d in self.differences
        ]
        task, level = self.task, f"{self.settings.confidence:.0%}"
        lines.append(f"{task.dataset}, {task.split}, {task.protocol}, {self.settings.ties} ranks.")
        lines += [f"{level} intervals over {SPOKEN[method]}: {MEANING[method]}." for method in self.methods]
        if len(self.differences) > 1:
            lines.append("Each interval stands alone: nothing is adjusted for the number of comparisons.")
        return "\n".join(lines)

    @property
    def methods(self) -> list[Method]:
        """What the intervals range over, each once."""
        return list(dict.fromkeys(d.method for d in self.differences))

    def as_json(self) -> dict[str, Any]:
        """Plain values, as ``otmel compare --json`` prints them."""
        return {
            "task": self.task.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "systems": {n: {"seeds": list(self.seeds[n]), "measures": dict(v)} for n, v in self.means.items()},
            "differences": [
                {
                    "system": d.system,
                    "baseline": d.baseline,
                    "measure": d.measure.name,
                    "difference": d.interval.value,
                    "low": d.interval.low,
                    "high": d.interval.high,
                    "separated": d.separated,
                    "over": d.method,
                    "paired_seeds": d.seeds,
                    "mentions": d.mentions,
                    "differing_mentions": d.differing,
                }
                for d in self.differences
            ],
        }


def compare(
    systems: Mapping[str, Sequence[Evaluation]], settings: CompareSettings | None = None, baseline: str | None = None
) -> Comparison:
    """Paired differences between systems, each given by its label and one evaluation per seed.

    Args:
        systems: label → evaluations; ``group_by_label`` makes this from a list.
        settings: how to compare.
        baseline: label of the system that the others are compared with; by default every pair is compared.

    Raises:
        DataError: the systems were evaluated on different splits, graphs, protocols or mentions.
        ConfigurationError: fewer than two systems, an unknown baseline or measure, or a seed that occurs twice.
    """
    settings = settings or CompareSettings()
    if len(systems) < 2:
        raise ConfigurationError(f"{len(systems)} system given, a comparison needs two",
                                 cure="runs that differ in nothing but the seed are one system; "
                                      "name them apart with NAME=RUN")  # fmt: skip
    if baseline is not None and baseline not in systems:
        raise ConfigurationError(f"there is no system {baseline!r}", cure=nearest(baseline, systems))
    check_same_task(systems)
    measures = [parse_measure(name) for name in settings.measures]
    pairs = combinations(systems, 2) if baseline is None else ((baseline, n) for n in systems if n != baseline)
    ranks = {label: ranks_by_seed(label, runs, settings.ties) for label, runs in systems.items()}
    differences = [_difference(pair, ranks, measure, settings) for pair in pairs for measure in measures]
    return Comparison(
        task=next(iter(systems.values()))[0].result.task,
        settings=settings,
        means={
            label: {m.name: float(np.mean([m(of_one) for of_one in of_all.values()])) for m in measures}
            for label, of_all in ranks.items()
        },
        seeds={label: tuple(of_all) for label, of_all in ranks.items()},
        differences=tuple(differences),
    )


def _difference(
    pair: tuple[str, str],
    ranks: Mapping[str, RanksBySeed],
    measure: Measure,
    settings: CompareSettings,
) -> Difference:
    baseline, system = pair
    values = paired(ranks[baseline], ranks[system], measure)
    method: Method = "seeds" if len(values) > 1 else "mentions"
    if settings.method != "auto":
        method = settings.method
    elif method == "seeds" and np.ptp(values.mean(1)) == 0 and values.any():
        method = "mentions"  # equal differences by chance would claim an interval of no width
    sampling = settings.confidence, settings.resamples, settings.seed
    if method == "seeds":
        interval = over_seeds(values, settings.confidence)
    else:
        interval = (over_both if method == "both" else over_mentions)(values, *sampling)
    return Difference(baseline, system, measure, interval, method, len(values), values.shape[1], differing(values))
