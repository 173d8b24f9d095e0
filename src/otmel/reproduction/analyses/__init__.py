"""From what runs measured to tables and pictures: one module per kind of analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from otmel.reproduction.analyses import counts, entropy, generative, length, matrices, objects, systems, timing
from otmel.reproduction.collected import Collected
from otmel.reproduction.jobs import Say
from otmel.reproduction.part import Part
from otmel.reproduction.plan import Plan
from otmel.reproduction.report import Content

ANALYSES: Mapping[str, Callable[[Collected, Say], Part]] = MappingProxyType(
    {
        "systems": systems.systems,
        "variants": systems.variants,
        "shares": systems.systems,
        "objects": objects.objects,
        "timing": timing.timing,
        "counts": counts.counts,
        "generative": generative.generative,
        "entropy": entropy.entropy,
        "matrices": matrices.matrices,
        "length": length.length,
    }
)


def check_needs(plan: Plan) -> None:
    """Make sure, before anything is trained, that the data have what the analysis needs beside the runs.

    Raises:
        DataError, CheckpointError, ConfigurationError: they lack it; says what to do.
    """
    analysis = plan.request.target.analysis
    if analysis == "objects":
        for data in plan.data:
            objects.check_objects(plan.request, data)
    elif analysis == "matrices":
        matrices.check_mention(plan.request, plan.data)


def analysed(found: Collected, say: Say) -> Content:
    """What a target's report is made of.

    Raises:
        DataError, CheckpointError: what the analysis needs beside the runs is missing.
    """
    return Content(found, ANALYSES[found.plan.request.target.analysis](found, say))
