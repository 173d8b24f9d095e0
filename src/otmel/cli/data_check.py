"""``otmel data check``: report what a data set holds, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from otmel.cli.console import Json, emit, note


def data_check(folder: Path, *, json: Json = False, plot: Path | None = None, decode: bool = False) -> None:
    """Check a data set.

    Args:
        folder: the data set: a folder in MIMIC's format, a folder of one's own tables, or a MELBench archive.
        json: print JSON.
        plot: draw the statistics to this file (.png, .pdf or .svg).
        decode: open every image, to find the broken ones and the same image in two splits (takes minutes).
    """
    from otmel.data.check import check
    from otmel.data.datasets import load_dataset

    report = check(load_dataset(folder), decode=decode)
    if plot is not None:
        from otmel.data.check import plot as draw

        draw(report, plot)
        note(f"wrote {plot}")
    emit(report, json)
