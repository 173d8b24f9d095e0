"""Table 5 and Figure 7: what the data hold; nothing is trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from otmel.data.check import check
from otmel.data.check_report import CheckReport, Distribution
from otmel.errors import DataError
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.reproduction.analyses.objects import with_objects
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.jobs import Say
from otmel.reproduction.paper import TABLE5
from otmel.reproduction.part import Part
from otmel.reproduction.pictures import COLOURS, drawn, finish

MANY = 60
"""Texts are drawn up to so many words, and images up to so many objects."""
MANY_OBJECTS = 10


def counts(found: Collected, say: Say) -> Part:
    """The numbers of every data set, or their distributions."""
    reports = [(on, check(on.data.loaded, decode=False)) for on in found.data]
    if found.plan.request.target.name == "table5":
        return _table(reports)
    return _figure(found, reports, say)


def numbers(on: OnData, report: CheckReport) -> dict[str, int | None]:
    """The rows of Table 5, as the readers find them; ``None`` for a split that the data lack."""
    splits = dict(zip(("Train", "Valid", "Test"), ("train", "dev", "test"), strict=True))
    rows: dict[str, int | None] = {
        f"{name} Mentions": report.splits[split].mentions if split in report.splits else None
        for name, split in splits.items()
    }
    images = {str(m.image) for split in on.data.loaded.splits.values() for m in split if m.image is not None}
    rows |= {"Mention Imgs": len(images), "Same Name": report.graph.same_name, "KG Entities": report.graph.entities}
    return rows | {"Entity with Imgs": report.graph.images.found}


def _table(reports: list[tuple[OnData, CheckReport]]) -> Part:
    found = {on.data.name: numbers(on, report) for on, report in reports}
    columns, notes = [""], []
    for on, report in reports:
        columns += [on.data.name] + ([f"paper {on.data.benchmark}"] if on.data.benchmark else [])
        notes += [f"{on.data.name}: {kind}, {count:,} times" for kind, count in report.findings.counts.most_common()]
    lines = []
    for row in TABLE5.rows:
        cells = []
        for on, _ in reports:
            value = found[on.data.name][row]
            cells.append(NO_VALUE if value is None else f"{value:,}")
            paper = TABLE5.cell(row, on.data.benchmark or "")
            cells += [f"{paper:,.0f}"] if paper is not None else []
        lines.append((row, *cells))
    caption = "Counted by the readers, no image opened; Mention Imgs are different files of all splits."
    return Part(
        (Grid("Statistics of the data sets", tuple(columns), tuple(lines), caption),), found, notes=tuple(notes)
    )


def _figure(found: Collected, reports: list[tuple[OnData, CheckReport]], say: Say) -> Part:
    words = {on.data.name: _merged([split.words for split in report.splits.values()]) for on, report in reports}
    objects, notes = {}, []
    for on, _ in reports:
        try:
            mentions = with_objects(found, on, say)
        except DataError as fault:
            notes.append(f"{fault.problem}: {fault.cure}")
        else:
            objects[on.data.name] = Distribution.of(m.objects for m in mentions if m.objects is not None)
    if not objects:
        notes.append("no data set's objects are known: the right panel is empty")
    lines = []
    for name, own in words.items():
        seen = objects.get(name)
        told = [NO_VALUE] * 2 if seen is None else [f"{seen.mean:.2f}", str(seen.largest)]
        lines.append((name, f"{own.mean:.1f}", str(own.median), str(own.p90), *told))
    columns = ("", "tokens, mean", "median", "90 %", "objects, mean", "most")
    caption = "Tokens are words between spaces, of all splits; objects, of the measured split."
    values: dict[str, Any] = {
        name: {"tokens": dict(own.counts), "objects": dict(objects[name].counts) if name in objects else None}
        for name, own in words.items()
    }
    grid = Grid("Tokens of the texts and objects in the images", columns, tuple(lines), caption)
    return Part((grid,), values, {"figure7": partial(_draw, words, objects)}, tuple(notes))


def _merged(parts: list[Distribution]) -> Distribution:
    return Distribution.of(number for part in parts for number, count in part.counts.items() for _ in range(count))


def _draw(words: dict[str, Distribution], objects: dict[str, Distribution], path: Path) -> None:
    with drawn(path, (9, 3.2)) as figure:
        left, right = figure.subplots(1, 2)
        for (name, own), colour in zip(words.items(), COLOURS, strict=False):
            lengths = [min(length, MANY) for length in own.counts]
            weights = [100 * count / own.total for count in own.counts.values()]
            left.hist(lengths, range(0, MANY + 4, 3), weights=weights, histtype="step", color=colour, label=name)
        finish(left, "% of the mentions", f"tokens of a text, {MANY} and more in the last bin")
        left.legend(frameon=False)
        width = 0.8 / max(len(objects), 1)
        for place, ((name, own), colour) in enumerate(zip(objects.items(), COLOURS, strict=False)):
            at = [number + (place - (len(objects) - 1) / 2) * width for number in range(MANY_OBJECTS + 1)]
            shares = [_share(own, number) for number in range(MANY_OBJECTS + 1)]
            right.bar(at, shares, 0.92 * width, color=colour, label=name)
        finish(right, "% of the images", f"objects in an image, {MANY_OBJECTS} and more in the last bar")


def _share(own: Distribution, number: int) -> float:
    """The share in percent of a number, or of all from the last one on."""
    held = sum(count for n, count in own.counts.items() if min(n, MANY_OBJECTS) == number)
    return 100 * held / own.total if own.total else 0.0
