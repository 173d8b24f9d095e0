"""What a worker counts for Prometheus, through Ray: each node that runs Ray's agent (``ray[default]``) exports it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from otmel.cluster.job import Stages


@cache
def _counter(name: str, description: str, tag: str) -> Any:
    from ray.util.metrics import Counter

    return Counter(name, description=description, tag_keys=("verb", tag))


def count(verb: str, rows: Mapping[str, int], stages: Stages) -> None:
    """Count a finished task.

    Args:
        verb: what is done, as in ``index build``.
        rows: outcome → rows.
        stages: seconds it took.
    """
    done = _counter("otmel_cluster_rows", "Rows by their outcome", "outcome")
    for outcome, number in rows.items():
        if number:
            done.inc(number, tags={"verb": verb, "outcome": outcome})
    took = _counter("otmel_cluster_stage_seconds", "Seconds of workers by stage", "stage")
    for stage, seconds in stages.seconds.items():
        if seconds > 0:
            took.inc(seconds, tags={"verb": verb, "stage": stage})
