"""Table 7: against the generative system, and what a name alone cannot tell apart (Appendix G)."""

from __future__ import annotations

from typing import Any

from otmel.data.check import check
from otmel.evaluation.grid import Grid
from otmel.evaluation.slices import Slice, opposite, shares_name
from otmel.reproduction.analyses.length import sliced, slices_table
from otmel.reproduction.analyses.systems import baseline
from otmel.reproduction.collected import Collected
from otmel.reproduction.jobs import Say
from otmel.reproduction.paper import TABLE7
from otmel.reproduction.part import Part
from otmel.reproduction.tables import compared, difference_table, remarks, systems_table

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
        graph = check(on.data.loaded, decode=False).graph
        values[on.data.name] = {
            "slices": own,
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
    return Part(tuple(grids), values, notes=tuple(notes))
