"""What the runs of a plan measured, as they lie on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from otmel.data.records import Mention
from otmel.errors import CheckpointError
from otmel.evaluation.files import Evaluation, read_evaluation
from otmel.evaluation.results import Task
from otmel.reproduction.plan import FLOOR, Plan, Run
from otmel.reproduction.request import Data
from otmel.reproduction.target import Row

NAME_MATCH = "name match alone"


@dataclass(frozen=True)
class OnData:
    """The finished runs on one data set.

    Attributes:
        data: the data set.
        rows: row → its evaluations by seed; rows of one key have the same.
        runs: row → its run folders, likewise.
        floor: name match on the same mentions; ``None`` where nothing was measured.
        absent: row label → why it has no figures.
    """

    data: Data
    rows: Mapping[Row, tuple[Evaluation, ...]]
    runs: Mapping[Row, tuple[Run, ...]]
    floor: Evaluation | None
    absent: Mapping[str, str]

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """The measured mentions, in the order of the evaluations' rows."""
        return self.data.mentions

    @property
    def task(self) -> Task:
        """What was measured."""
        return Task.of(self.data.loaded, self.data.split)

    @property
    def systems(self) -> dict[str, list[Evaluation]]:
        """Label → evaluations, as comparisons take them; a run that several rows share has the first one's label."""
        found: dict[str, list[Evaluation]] = {}
        keys: set[str] = set()
        for row, evaluations in self.rows.items():
            if row.key not in keys:
                found[row.label] = list(evaluations)
            keys.add(row.key)
        return found


@dataclass(frozen=True)
class Collected:
    """What was measured for a request."""

    plan: Plan
    data: tuple[OnData, ...]

    @property
    def seeds(self) -> int:
        """How many seeds were asked for."""
        return self.plan.request.seeds


def collected(plan: Plan, failed: Mapping[str, str] | None = None) -> Collected:
    """Read the evaluations of all finished runs; ``failed`` says why others did not finish.

    Raises:
        CheckpointError: an evaluation is of other data than the plan's.
    """
    return Collected(plan, tuple(_on(plan, data, failed or {}) for data in plan.data))


def _on(plan: Plan, data: Data, failed: Mapping[str, str]) -> OnData:
    rows: dict[Row, tuple[Evaluation, ...]] = {}
    runs: dict[Row, tuple[Run, ...]] = {}
    absent = dict(plan.unavailable)
    floor = None
    for row in plan.request.rows:
        ours = plan.of(data, row)
        done = [run for run in ours if run.state == "finished"]
        if row.label not in absent and len(done) < len(ours):
            faults = [failed[run.label] for run in ours if run.label in failed]
            absent[row.label] = (
                f"{len(ours) - len(done)} of {len(ours)} seeds failed: {faults[0]}" if faults else "not run"
            )
        if (data.name, row.label) in plan.lacking:
            absent[row.label] = plan.lacking[data.name, row.label]
        if done:
            rows[row], runs[row] = tuple(_evaluation(run) for run in done), tuple(done)
            floor = floor or _named(read_evaluation(done[0].evaluation / FLOOR))
    return OnData(data, rows, runs, floor, absent)


def _evaluation(run: Run) -> Evaluation:
    evaluation = read_evaluation(run.evaluation)
    task = Task.of(run.data.loaded, run.data.split)
    if evaluation.result.task.data != task.data or evaluation.result.task.graph != task.graph:
        raise CheckpointError(
            "the evaluation is of other data than the run", where=str(run.evaluation), cure="remove it, and run again"
        )
    return evaluation


def _named(floor: Evaluation) -> Evaluation:
    system = floor.result.system.model_copy(update={"model": NAME_MATCH})
    return replace(floor, result=floor.result.model_copy(update={"system": system}))


def provenance(evaluation: Evaluation) -> dict[str, Any]:
    """What a reader needs to know where figures come from: task, system with its hash, counts, versions."""
    result = evaluation.result
    kept = ("system", "task", "counts", "versions")
    return {name: value for name, value in result.model_dump(mode="json").items() if name in kept}
