"""Table 3: images with one object and with several, mentions that are easy left out (§4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from otmel.data.records import Mention
from otmel.errors import DataError
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.measures import parse_measure
from otmel.evaluation.slices import Slice, has_many_objects, has_single_object, is_easy
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.detector import DETECTORS, counted, read_detector
from otmel.reproduction.jobs import Say
from otmel.reproduction.paper import outside_their_parts
from otmel.reproduction.part import Part
from otmel.reproduction.request import Data, Request
from otmel.reproduction.tables import caption, of_ranks, remarks, shown, title

PARTS: Mapping[str, Slice] = {
    "single": Slice("single-object image", lambda m, graph: has_single_object(m, graph) and not is_easy(m, graph)),
    "multi": Slice("multi-object image", lambda m, graph: has_many_objects(m, graph) and not is_easy(m, graph)),
}


def objects(found: Collected, say: Say) -> Part:
    """One table for each data set: single, multi and overall, which is the mean over the mentions of both."""
    grids: list[Grid] = []
    values: dict[str, Any] = {}
    notes: list[str] = []
    for on in found.data:
        own = parts_of(on, with_objects(found, on, say), found.plan.request.target.measures)
        values[on.data.name] = own
        grids.append(_table(found, on, own))
        left_out = sum(is_easy(m, on.data.loaded.graph) for m in on.mentions if m.answer in on.data.loaded.graph)
        notes.append(f"{on.data.name}: {left_out} easy mentions are left out: their words are a title no other bears")
        notes += remarks(on, found.plan.request.rows, found.seeds)
    return Part(tuple(grids), values, notes=(*notes, _contradiction()))


def with_objects(found: Collected, on: OnData, say: Say) -> tuple[Mention, ...]:
    """The measured mentions with their object counts: the detector's, or else the data's own.

    Raises:
        DataError, CheckpointError: as ``check_objects``.
    """
    request, mentions = found.plan.request, on.mentions
    check_objects(request, on.data)
    if request.detector is None:
        return mentions
    numbers = counted(request.detector, mentions, cache_of(request, on.data), say)
    return tuple(replace(mention, objects=number) for mention, number in zip(mentions, numbers, strict=True))


def check_objects(request: Request, data: Data) -> None:
    """Make sure that the objects in the images of the measured mentions are known or can be counted.

    Raises:
        DataError: there is no image, or nobody knows what is in the images.
        CheckpointError: the detector is not at hand.
    """
    mentions = data.mentions
    if not any(mention.image is not None for mention in mentions):
        problem = f"no {data.split} mention of {data.name} has an image, and this counts the objects in images"
        cure = "name a data set with images; table1 and table2 need none"
        raise DataError(problem, where=str(data.folder), cure=cure)
    if request.detector is not None and not cache_of(request, data).is_file():
        read_detector(request.detector)
    elif request.detector is None and not any(mention.objects is not None for mention in mentions):
        raise DataError(
            f"nobody has counted the objects in the images of {data.name}",
            where=str(data.folder),
            cure=f"name a detector: --detector {DETECTORS[0]} (or a folder); a generated world knows its objects: "
            "--scale tiny without --data; all targets but table3 run without a detector",
        )


def cache_of(request: Request, data: Data) -> Path:
    """Where a detector's counts are kept."""
    return request.out.resolve() / "objects" / f"{data.name}-{data.split}.json"


def parts_of(on: OnData, mentions: tuple[Mention, ...], measures: tuple[str, ...]) -> dict[str, Any]:
    """``single``, ``multi`` and ``overall`` → number of mentions, and row label → measures."""
    masks = {name: part.select(mentions, on.data.loaded.graph) for name, part in PARTS.items()}
    masks["overall"] = np.logical_or.reduce(list(masks.values()))
    return {
        name: {
            "mentions": int(mask.sum()),
            "systems": {row.label: of_ranks(evaluations, mask, measures) for row, evaluations in on.rows.items()},
        }
        for name, mask in masks.items()
    }


def _table(found: Collected, on: OnData, own: dict[str, Any]) -> Grid:
    measures = [parse_measure(name) for name in found.plan.request.target.measures]
    lines = []
    for row in found.plan.request.rows:
        cells = []
        for part in own.values():
            values = part["systems"].get(row.label)
            cells += [NO_VALUE if values is None else shown(values[m.name], m) for m in measures]
        lines.append((row.label, *cells))
    columns = ("model", *(f"{part} {m.name}" for part in own for m in measures))
    counts = ", ".join(f"{name} {part['mentions']:,}" for name, part in own.items())
    return Grid(title(on), columns, tuple(lines), f"{caption(on, found.plan.request.rows)} Mentions: {counts}.")


def _contradiction() -> str:
    found = outside_their_parts()
    return (
        "the paper's Table 3 contradicts itself: a mean over all mentions lies between those over its two parts, and "
        f"{len(found)} of its 12 overall figures do not ({'; '.join(found[:3])} …)"
    )
