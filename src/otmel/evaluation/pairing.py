"""Which evaluations belong together: the seeds of one system, the same mentions of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from otmel.errors import ConfigurationError, DataError
from otmel.evaluation.files import Evaluation
from otmel.evaluation.measures import Measure, TiePolicy
from otmel.evaluation.results import Task

RanksBySeed: TypeAlias = "Mapping[int | None, NDArray[np.float64]]"


def group_by_label(evaluations: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """The evaluations by their system's label, in the order in which the labels come first."""
    grouped: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        grouped.setdefault(evaluation.result.system.label, []).append(evaluation)
    return grouped


def check_same_task(systems: Mapping[str, Sequence[Evaluation]]) -> None:
    """Raise ``DataError`` unless all evaluations are of the same mentions, graph and protocol."""
    runs = [(label, run) for label, of_one in systems.items() for run in of_one]
    (first_label, first), *others = runs
    for label, run in others:
        between = f"{first_label!r} and {label!r} cannot be compared"
        for key in Task.model_fields.keys() - {"dataset"}:  # the folder's name says nothing of what is in it
            mine, theirs = getattr(first.result.task, key), getattr(run.result.task, key)
            if mine != theirs:
                raise DataError(
                    f"{between}: {key} is {mine!r} and {theirs!r}",
                    cure="evaluate both on the same split, graph and protocol",
                )
        for place, (mine, theirs) in enumerate(zip(first.mentions, run.mentions, strict=True)):
            if (mine.id, mine.answer, mine.optimistic > 0) != (theirs.id, theirs.answer, theirs.optimistic > 0):
                raise DataError(
                    f"{between}: mention {place + 1} is {mine.id!r} → {mine.answer!r} and "
                    f"{theirs.id!r} → {theirs.answer!r}",
                    cure="evaluate both again on the same files",
                )


def ranks_by_seed(label: str, runs: Sequence[Evaluation], ties: TiePolicy) -> dict[int | None, NDArray[np.float64]]:
    """Seed → the ranks of the ranked mentions. Raises ``ConfigurationError`` where a seed occurs twice."""
    by_seed: dict[int | None, NDArray[np.float64]] = {}
    for run in runs:
        seed = run.result.system.seed
        if seed in by_seed:
            raise ConfigurationError(
                f"{label!r} has two evaluations with the seed {seed}",
                cure="runs that differ in more than the seed need names of their own: NAME=RUN",
            )
        by_seed[seed] = run.ranks[run.ranks.ranked].of(ties)
    if not by_seed:
        raise ConfigurationError(f"{label!r} has no evaluation")
    return by_seed


def paired(one: RanksBySeed, other: RanksBySeed, measure: Measure) -> NDArray[np.float64]:
    """The differences ``other − one`` ``[S, M]`` over the seeds both have.

    A system without a seed is the same in every run, so it is paired with each seed of the other. Systems with no
    seed in common are compared by their means over seeds (one row).
    """
    first = {seed: measure.per_mention(ranks) for seed, ranks in one.items()}
    second = {seed: measure.per_mention(ranks) for seed, ranks in other.items()}
    if list(first) == [None]:
        first = dict.fromkeys(second, first[None])
    elif list(second) == [None]:
        second = dict.fromkeys(first, second[None])
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        return (np.mean(list(second.values()), axis=0) - np.mean(list(first.values()), axis=0))[None]
    return np.stack([second[seed] - first[seed] for seed in seeds])
