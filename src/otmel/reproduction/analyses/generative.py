"""Table 7: against the generative system, and what a name alone cannot tell apart (Appendix G)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from otmel.data.check import check
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.slices import Slice, opposite, shares_name
from otmel.linking.ambiguity import RULES, generation
from otmel.models.baselines import gemel
from otmel.models.bundle import Bundle
from otmel.reproduction.analyses.length import sliced, slices_table
from otmel.reproduction.analyses.systems import baseline
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.jobs import Say
from otmel.reproduction.paper import TABLE7
from otmel.reproduction.part import Part
from otmel.reproduction.plan import Run
from otmel.reproduction.tables import compared, difference_table, remarks, systems_table, title
from otmel.storage import atomic_write_json

WRITTEN = "written.json"
NAMES = (Slice("entity's name is shared", shares_name), Slice("entity's name is its own", opposite(shares_name)))


def generative(found: Collected, say: Say) -> Part:
    """The systems, their difference, and both by whether the true entity shares its name."""
    request = found.plan.request
    grids: list[Grid] = []
    values: dict[str, Any] = {}
    notes: list[str] = []
    for on in found.data:
        grids.append(systems_table(on, request.rows, request.target.measures, TABLE7))
        comparison = compared(on, baseline(on), ("H@1", "MRR"))
        if comparison is not None:
            grids.append(difference_table(on, comparison))
        own = sliced(on, NAMES, request.target.measures)
        grids.append(slices_table(found, on, own))
        written = {row.label: [_written(run) for run in runs] for row, runs in on.runs.items() if _writes(runs)}
        grids += [_written_table(on, label, seeds) for label, seeds in written.items()]
        graph = check(on.data.loaded, decode=False).graph
        values[on.data.name] = {
            "slices": own,
            "written": written,
            "same name": graph.same_name,
            "shared names": graph.shared_names,
            "comparison": None if comparison is None else comparison.as_json(),
            "absent": dict(on.absent),
        }
        notes.append(
            f"{on.data.name}: {graph.same_name:,} of {graph.entities:,} entities share their name with another, "
            f"{graph.shared_names:,} names in all: a trie of names has one leaf for each name, and a system that "
            "generates names cannot tell those entities apart"
        )
        notes += remarks(on, request.rows, found.seeds)
    notes.append(
        "names written over the trie are right by three rules: the name alone, as published figures of generative "
        "linkers count; one of its n entities drawn, 1/n; the model's first stage choosing among them"
    )
    return Part(tuple(grids), values, notes=tuple(notes))


def _writes(runs: Sequence[Run]) -> bool:
    return runs[0].settings.model.kind == gemel.SYSTEM.name


def _written(run: Run) -> dict[str, Any]:
    """What ``otmel generate`` finds with a run; kept beside its evaluation, for it takes minutes."""
    kept = run.evaluation / WRITTEN
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf8"))
    bundle, beams = Bundle.load(run.folder), gemel.GemelSettings().beams
    told = generation(bundle, run.data.loaded, run.data.split, beams=beams).as_json()
    atomic_write_json(kept, told)
    return told


def _written_table(on: OnData, label: str, seeds: Sequence[dict[str, Any]]) -> Grid:
    groups = ("H@1", "H@1 of ambiguous mentions", "H@1 of other mentions")
    lines = []
    for rule in RULES:
        values = [[seed[group][rule] for seed in seeds if seed[group][rule] is not None] for group in groups]
        lines.append((rule, *(f"{100 * fmean(known):.1f}" if known else NO_VALUE for known in values)))
    found = fmean(seed["true name among the beams"] for seed in seeds)
    over = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    caption = f"Mean over {over}, %; the true name is among the {seeds[0]['beams']} beams for {found:.1%}."
    columns = ("rule", "H@1 %", "shared names %", "own names %")
    return Grid(f"{label}, names written over the trie: {title(on)}", columns, tuple(lines), caption)
