"""What a reproduction has to do: its data sets, encoders and runs, which of them are there, and what cannot be run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from otmel.errors import CheckpointError
from otmel.evaluation.files import RESULT_FILE
from otmel.models.bundle import RUN_FILE, read_record
from otmel.models.registry import SYSTEMS
from otmel.reproduction.encoders import Encoder, encoder_of
from otmel.reproduction.request import Data, Request, check_splits, data_of
from otmel.reproduction.target import Row
from otmel.settings import overridden
from otmel.training.claim import check_free, record_of
from otmel.training.settings import RunSettings, preset

State = Literal["finished", "to evaluate", "to go on with", "to run"]
FLOOR = "name-match"
"""Where ``otmel evaluate`` puts the evaluation of name match, within the model's."""


@dataclass(frozen=True)
class Run:
    """One run: a row, trained on a data set with a seed.

    Attributes:
        data: the data set.
        row: the row.
        seed: the seed.
        folder: the run folder.
        settings: all of its settings.
        words: ``otmel train``'s words for these settings.
    """

    data: Data
    row: Row
    seed: int
    folder: Path
    settings: RunSettings
    words: tuple[str, ...]

    @property
    def label(self) -> str:
        """For reading."""
        return f"{self.data.name} {self.row.key} seed {self.seed}"

    @property
    def evaluation(self) -> Path:
        """The folder of its evaluation."""
        return self.folder / f"eval-{self.data.split}"

    @property
    def state(self) -> State:
        """What is left to do."""
        if not (self.folder / RUN_FILE).exists():
            return "to run"
        if read_record(self.folder).get("best") is None:
            return "to go on with"
        return "finished" if (self.evaluation / RESULT_FILE).is_file() else "to evaluate"

    def check(self) -> None:
        """Raise ``CheckpointError`` where the folder holds a run of other settings or data."""
        try:
            check_free(self.folder, record_of(self.data.loaded, self.settings), resume=True)
        except CheckpointError as fault:
            cure = f"move the folder away, or reproduce into another: --out OTHER (this is row {self.row.label!r})"
            raise CheckpointError(fault.problem, where=str(self.folder), cure=cure) from None


@dataclass(frozen=True)
class Plan:
    """Everything that a request needs.

    Attributes:
        request: what was asked for.
        data: its data sets.
        runs: in the order in which they are run: all rows with the first seed, then with the next.
        unavailable: row label → why it cannot be run, for all data.
        lacking: (data set, row label) → why it cannot be run there.
        notes: what a reader of the results should know.
    """

    request: Request
    data: tuple[Data, ...]
    runs: tuple[Run, ...]
    unavailable: dict[str, str]
    lacking: dict[tuple[str, str], str]
    notes: tuple[str, ...]

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """The encoders of the runs that have to be made, each once, in the order of making."""
        rows = {(run.data.name, run.row.system): (run.data, run.row) for run in self.runs}
        made = [encoder_of(self.request, data, SYSTEMS[row.system]) for data, row in rows.values()]
        listed = [base for one in made for base in (one.towers, one) if base is not None]
        return tuple({one.name: one for one in listed if one.folder is not None}.values())

    @property
    def states(self) -> Counter[State]:
        """How many runs there are of each kind."""
        return Counter(run.state for run in self.runs)

    def of(self, data: Data, row: Row) -> list[Run]:
        """The runs of a row on a data set, by seed."""
        return [run for run in self.runs if run.data.name == data.name and run.row.key == row.key]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        runs = [{"run": str(run.folder), "state": run.state, "train": [*run.words]} for run in self.runs]
        return {
            "target": self.request.target.name,
            "command": self.request.words(),
            "data": {one.name: {"folder": str(one.folder), "split": one.split} for one in self.data},
            "encoders": {one.name: "there" if one.is_there else "to be made" for one in self.encoders},
            "runs": runs,
            "unavailable": self.unavailable,
            "lacking": {f"{data}, {row}": why for (data, row), why in self.lacking.items()},
            "notes": list(self.notes),
        }

    def as_text(self) -> str:
        """What would be done."""
        lines = [f"{self.request.target.name}: {self.request.target.title}"]
        for one in self.data:
            there = "" if one.dataset is not None else ", to be generated"
            lines.append(f"  data {one.name}: {one.folder}, split {one.split}{there}")
        lines += [f"  encoder {e.name}: {'there' if e.is_there else 'to be made'}" for e in self.encoders]
        lines += [f"  {run.label}: {run.state}" for run in self.runs]
        lines += [f"  {label}: not available: {why}" for label, why in self.unavailable.items()]
        lines += [f"  {label} on {data}: not available: {why}" for (data, label), why in self.lacking.items()]
        lines += [f"  note: {note}" for note in self.notes]
        counted = ", ".join(f"{count} {state}" for state, count in self.states.items()) or "nothing is trained"
        return "\n".join([*lines, f"runs: {counted}"])


def planned(request: Request) -> Plan:
    """The plan of a request, its run folders checked.

    Raises:
        ConfigurationError: an unknown row, preset or setting, or no data where there must be some.
        DataError: a data set cannot be read, or has nothing to train on.
        CheckpointError: a run folder is of another configuration.
    """
    rows, data = request.rows, data_of(request)
    if rows:
        check_splits(data)
    unavailable = {row.label: _unregistered(row) for row in rows if row.system not in SYSTEMS}
    here = [row for row in rows if row.label not in unavailable]
    lacking = {
        (one.name, row.label): "no entity of the data has a description"
        for one in data
        for row in here
        if row.described and not one.described
    }
    runs: dict[Path, Run] = {}
    for seed in range(request.seeds):
        for one in data:
            for row in here:
                if (one.name, row.label) not in lacking:
                    run = _run(request, one, row, seed)
                    runs.setdefault(run.folder, run)
    for run in runs.values():
        if run.data.dataset is not None:
            run.check()
    return Plan(request, data, tuple(runs.values()), unavailable, lacking, tuple(_notes(data, here)))


def _run(request: Request, data: Data, row: Row, seed: int) -> Run:
    system, scale = SYSTEMS[row.system], request.scale
    name = request.preset or scale.preset
    base = preset(name, row.variant, row.system)
    assignments = (*scale.settings_of(system, data.split, base.training.validation), *row.set, *request.set)
    encoder = encoder_of(request, data, system).place
    settings = overridden(base.model_copy(update={"encoder": encoder, "seed": seed}), assignments)
    which = ("--variant", row.variant) if row.system == "ot-mel" else ("--system", row.system)
    words = ("--preset", name, *which, "--encoder", encoder, "--seed", str(seed))
    sets = tuple(word for assignment in assignments for word in ("--set", assignment))
    folder = request.out.resolve() / "runs" / data.name / row.key / f"seed-{seed}"
    return Run(data, row, seed, folder, settings, (*words, *sets))


def _unregistered(row: Row) -> str:
    return f"there is no system {row.system!r} in this version (otmel models lists them)"


def _notes(data: Sequence[Data], rows: Sequence[Row]) -> list[str]:
    blind = [one.name for one in data if not one.pictured]
    seeing = [row.label for row in rows if "image" in SYSTEMS[row.system].reads]
    if not blind or not seeing:
        return []
    return [f"{', '.join(blind)} has no image: of {', '.join(dict.fromkeys(seeing))} the text alone is measured there"]
