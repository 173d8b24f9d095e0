"""``otmel data check``: report what a data set holds, and what is wrong with it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from otmel.cli.console import Json, emit, note, reported
from otmel.cli.places import Where


def data_check(
    folder: Where,
    *,
    json: Json = False,
    plot: Where | None = None,
    decode: Annotated[bool, Parameter(negative="--no-decode")] = True,
    graph: Where | None = None,
) -> None:
    """Check a data set.

    Args:
        folder: the data set: a folder in MIMIC's format, a folder of one's own tables, or a MELBench archive.
        json: print JSON.
        plot: draw the statistics to this file (.png, .pdf or .svg).
        decode: open every image, to find the broken ones and pictures that two splits share; without, it is quicker.
        graph: where the entities are, for a MELBench archive, which has none.
    """
    from otmel.data import check
    from otmel.data.datasets import load_dataset
    from otmel.remote import written

    dataset = load_dataset(folder, graph)
    with reported("opening images") as report_progress:
        report = check.check(dataset, decode=decode, progress=report_progress)
    if plot is not None:
        with written(plot) as path:
            check.plot(report, path)
        note(f"wrote {plot}")
    emit(report, json)
