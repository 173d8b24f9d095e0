"""``otmel evaluate``: rank the mentions of a split against the whole graph, with name match beside it."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otmel.cli.console import Json, emit, note
from otmel.cli.places import Here, Where
from otmel.errors import CheckpointError

if TYPE_CHECKING:
    from otmel.data.dataset import Dataset
    from otmel.data.findings import Findings
    from otmel.evaluation.grid import Grid
    from otmel.evaluation.results import SearchRecord
    from otmel.evaluation.run import Evaluated

Format = Literal["text", "markdown", "latex", "csv"]
FLOOR = "name-match"
"""Where the floor's evaluation lies within the model's."""


@dataclass(frozen=True)
class Report:
    """What ``otmel evaluate`` prints."""

    evaluated: Evaluated
    folder: Path
    read: Findings
    slices: bool = False
    format: Format = "text"

    def as_json(self) -> dict[str, Any]:
        """Both results in full, and what was missing."""
        return {
            "folder": str(self.folder),
            "model": self.evaluated.model.result.model_dump(mode="json"),
            "name match": self.evaluated.floor.result.model_dump(mode="json"),
            "found while reading": dict(self.read.counts),
            "masked out": dict(self.evaluated.findings.counts),
        }

    def as_text(self) -> str:
        """The tables, one after the other."""
        return "\n".join(drawn(grid, self.format) for grid in self.grids())

    def grids(self) -> list[Grid]:
        """Model and name match, then the model's tie policies, parts of its score, NIL flag and slices."""
        from otmel.evaluation import report
        from otmel.evaluation.calibration.tables import evaluated_grid
        from otmel.evaluation.measures import DEFAULT_MEASURES

        model, floor = self.evaluated.model.result, self.evaluated.floor.result
        grids = [report.systems_grid([model, floor], DEFAULT_MEASURES), report.ties_grid(model, DEFAULT_MEASURES)]
        if model.parts:
            grids.append(report.parts_grid(model, DEFAULT_MEASURES))
        if model.nil is not None:
            grids.append(evaluated_grid(model.nil, model.system.label))
        if self.slices:
            grids += [report.slices_grid(result, DEFAULT_MEASURES) for result in (model, floor)]
        return grids


def evaluate(
    run: Where,
    data: Where | None = None,
    *,
    split: str = "dev",
    index: Where | None = None,
    features: Here | None = None,
    out: Where | None = None,
    slices: bool = False,
    format: Format = "text",
    json: Json = False,
) -> None:
    """Evaluate a run.

    Args:
        run: the run folder. It, data, index and out may be addresses: s3://BUCKET/PATH.
        data: the data set; by default the one that the run was trained on.
        split: the mentions to rank: train, dev, test, or another split of the data set.
        index: the index of the run over the data set's graph (otmel index build); else the entities are encoded anew.
        features: keep what a frozen encoder gives in this folder, or take it from there (otmel train --features).
        out: the folder to write; by default eval-SPLIT in the run folder.
        slices: print the slices too: with and without image, ambiguous names, objects, length.
        format: how to print the tables.
        json: print the result as JSON, and nothing else.
    """
    from otmel.evaluation import run as evaluation
    from otmel.evaluation.files import write_evaluation
    from otmel.index.layout import INDEX
    from otmel.remote import RUN, TREE, changing, local

    place, run = run / f"eval-{split}" if out is None else out, local(run, RUN)
    record = record_of(run)
    dataset = dataset_of(run, record, data)
    warn_of_another_graph(record, dataset)
    evaluated = evaluation.evaluate(run, dataset, split, local(index, INDEX) if index else None, features)
    with changing(place, TREE, note=note) as folder:
        write_evaluation(evaluated.model, folder)
        write_evaluation(evaluated.floor, folder / FLOOR)
    for kind, number in dataset.findings.counts.most_common():
        note(f"found while reading: {kind}, {number:,} times (otmel data check names the places)")
    for kind, number in evaluated.findings.counts.most_common():
        note(f"{number:,} × {kind}: masked out")
    note(_searched(evaluated.model.result.search))
    note(f"wrote {folder}")
    emit(Report(evaluated, folder, dataset.findings, slices, format), json)


def drawn(grid: Grid, format: Format = "text") -> str:
    """A table as text in one of the formats."""
    if format != "text":
        return {"markdown": grid.as_markdown, "latex": grid.as_latex, "csv": grid.as_csv}[format]()
    from rich.console import Console

    page = io.StringIO()
    Console(file=page, width=max(100, shutil.get_terminal_size().columns)).print(grid.as_rich())
    return page.getvalue()


def _searched(search: SearchRecord | None) -> str:
    """How the ranks were found, in a line."""
    if search is None:
        return "every pair was scored"
    kernels = ", ".join(f"{part} by {name}" for part, name in search.kernels.items()) or "no late terms"
    return (
        f"{search.pairs:,} pairs, {search.scored / max(search.pairs, 1):.1%} of them scored in full ({kernels}) "
        f"in {search.seconds:.1f} s"
    )


def record_of(run: Where) -> dict[str, Any]:
    """What a run says of itself. Raises ``CheckpointError`` where it is no run, or cannot read a data set."""
    from otmel.models.bundle import read_record

    record = read_record(run)
    if record["settings"].get("encoder") is None:
        raise CheckpointError(
            "the model was trained on ready features and has no encoder that could read a data set",
            where=str(run),
            cure="name a run that `otmel train` wrote",
        )
    return record


def dataset_of(run: Where, record: dict[str, Any], data: Where | None, verb: str = "evaluate") -> Dataset:
    """The data set that is named, or the run's own. Raises ``CheckpointError`` where neither is."""
    from otmel.data.datasets import load_dataset

    if data is None and record.get("dataset_root") is None:
        raise CheckpointError(
            "the run does not say where its data are", where=str(run), cure=f"name them: otmel {verb} {run} DATA"
        )
    return load_dataset(data or record["dataset_root"])


def warn_of_another_graph(record: dict[str, Any], dataset: Dataset) -> None:
    """Say so where the run was trained on another graph than the data set's."""
    trained, here = record.get("data", {}).get("graph"), dataset.graph.snapshot
    if trained is not None and trained != here:
        note(f"warning: the run was trained on the graph {trained}, this is the graph {here}")
