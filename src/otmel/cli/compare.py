"""``otmel compare``: paired differences between evaluated runs, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from otmel.cli.console import Json, emit, note
from otmel.cli.evaluate import FLOOR, drawn
from otmel.cli.places import Where
from otmel.errors import DataError

if TYPE_CHECKING:
    from otmel.evaluation.compare import Comparison
    from otmel.evaluation.files import Evaluation

Systems = dict[str, "list[Evaluation]"]


@dataclass(frozen=True)
class Compared:
    """What ``otmel compare`` prints."""

    systems: Systems
    comparison: Comparison

    def as_json(self) -> dict[str, Any]:
        """Means and differences as plain values."""
        return self.comparison.as_json()

    def as_text(self) -> str:
        """The systems' own figures, then every paired difference."""
        from otmel.evaluation.measures import parse_measure
        from otmel.evaluation.report import systems_grid

        measures = [parse_measure(name) for name in self.comparison.settings.measures]
        results = [_named(run, label) for label, runs in self.systems.items() for run in runs]
        return f"{drawn(systems_grid(results, measures))}\n{self.comparison.as_text()}"


def compare(
    *runs: str,
    split: str = "dev",
    baseline: str | None = None,
    measures: str = "H@1,MRR",
    method: Literal["auto", "seeds", "mentions", "both"] = "auto",
    floor: Annotated[bool, Parameter(negative="--no-floor")] = True,
    plot: Where | None = None,
    json: Json = False,
) -> None:
    """Compare runs.

    Args:
        runs: evaluated run folders (or their addresses, s3://BUCKET/PATH), or NAME=RUN; runs that differ in nothing
            but the seed are one system.
        split: the split that they were evaluated on.
        baseline: the system that the others are compared with; by default every pair is compared.
        measures: the measures to compare, joined by commas.
        method: what the intervals range over; auto takes seeds where two or more are paired, else mentions.
        floor: compare with name match too.
        plot: draw the differences to this file (.png, .pdf or .svg).
        json: print the result as JSON, and nothing else.
    """
    from otmel.evaluation import compare as comparing
    from otmel.settings import validated

    names = tuple(name for name in measures.split(",") if name.strip())
    settings = validated(comparing.CompareSettings, {"measures": names, "method": method})
    systems = read_systems(runs, split, floor)
    comparison = comparing.compare(systems, settings, baseline)
    if plot is not None:
        from otmel.evaluation.plots import forest_plot
        from otmel.remote import written

        with written(plot) as path:
            forest_plot(comparison, path)
        note(f"wrote {plot}")
    emit(Compared(systems, comparison), json)


def read_systems(runs: Sequence[str], split: str, floor: bool) -> Systems:
    """Label → evaluations, name match first.

    Raises:
        DataError: a run was not evaluated on the split.
    """
    from otmel.evaluation.files import read_evaluation

    systems: Systems = {}
    folders = [_folder(*_name_and_run(text), split) for text in runs]
    if floor and folders:
        first = read_evaluation(folders[0][1] / FLOOR)
        systems[first.result.system.label] = [first]
    for name, folder in folders:
        evaluation = read_evaluation(folder)
        systems.setdefault(name or evaluation.result.system.label, []).append(evaluation)
    return systems


def _name_and_run(text: str) -> tuple[str, Where]:
    from otmel.remote import placed

    name, equals, run = text.partition("=")
    return ("", placed(text)) if Path(text).exists() or not equals else (name, placed(run))


def _folder(name: str, place: Where, split: str) -> tuple[str, Path]:
    """The folder of a run's evaluation on a split; a folder that is an evaluation itself will do too."""
    from otmel.evaluation.files import RESULT_FILE
    from otmel.remote import Tree, local

    run = local(place, Tree(under=(f"eval-{split}/", RESULT_FILE, "mentions.jsonl", f"{FLOOR}/")))
    for folder in (run / f"eval-{split}", run):
        if (folder / RESULT_FILE).is_file():
            return name, folder
    if not run.is_dir():
        raise DataError("there is no such run folder", where=str(run))
    raise DataError(
        f"the run was not evaluated on the split {split!r}",
        where=str(run),
        cure=f"evaluate it first: otmel evaluate {run} --split {split}",
    )


def _named(run: Evaluation, label: str) -> Any:
    """The result under the label that it is compared by."""
    from otmel.evaluation.results import System

    return run.result.model_copy(update={"system": System(model=label, seed=run.result.system.seed)})
