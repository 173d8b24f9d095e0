"""``otmel link --engine ray``: a file or a folder of mentions, linked by the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otmel.cli.console import emit, note, resumable
from otmel.errors import ConfigurationError

if TYPE_CHECKING:
    from otmel.cli.cluster_options import LinkClusterOptions
    from otmel.cluster.job import ClusterSettings, Summary
    from otmel.cluster.link import Asked
    from otmel.data.findings import Findings
    from otmel.linking.settings import LinkSettings
    from otmel.remote import Place

USAGE = "otmel link RUN --graph GRAPH --index INDEX --input FILE_OR_FOLDER --output FOLDER --engine ray"
GO_ON = "the finished parts stay: run the same command again to go on"


@dataclass(frozen=True)
class Written:
    """What ``otmel link --engine ray`` prints."""

    summary: Summary
    findings: Findings
    output: Place

    def as_json(self) -> dict[str, Any]:
        """What was done, and what was odd about the mentions linked now."""
        return {**self.summary.as_json(), "output": str(self.output), "findings": self.findings.as_json()}

    def as_text(self) -> str:
        """The counts."""
        return "\n".join([f"wrote {self.output}", *self.summary.as_lines("mentions")])


def link_on(cluster: ClusterSettings, asked: Asked, json: bool) -> None:
    """Link, and say how it went."""
    from otmel.cluster.link import link_on_cluster

    with resumable(GO_ON):
        summary, findings = link_on_cluster(asked, cluster, note)
    for kind, count in findings.counts.most_common():
        note(f"{count:,} × {kind} (such as {findings.examples[kind][0]})")
    if summary.rejected:
        note(f"{summary.rejected:,} × row not linked: the output has an error in its place")
    emit(Written(summary, findings, asked.output), json)


def asked_of(
    run: Place,
    places: Mapping[str, Place | None],
    root: Place | None,
    how: tuple[int, LinkSettings, LinkClusterOptions],
) -> Asked:
    """What a command asks a cluster for.

    Args:
        run: the run.
        places: ``graph``, ``index``, ``input`` and ``output``.
        root: the folder that image names are relative to.
        how: how many entities an answer holds, how they are searched, and in what pieces.

    Raises:
        ConfigurationError: something is missing.
    """
    from otmel.cluster.link import Asked

    for name, place in places.items():
        if place is None or str(place) == "-":
            problem = f"--engine ray needs --{name}" + ("" if place is None else ", and that cannot be a stream")
            raise ConfigurationError(problem, cure=USAGE)
    graph, index, input, output = (places[name] or "" for name in ("graph", "index", "input", "output"))
    k, settings, pieces = how
    given = {name: count for name in ("shards", "part_rows") if (count := getattr(pieces, name)) is not None}
    for name, count in given.items():
        if count < 1:
            raise ConfigurationError(f"--{name.replace('_', '-')} {count}: there must be at least one")
    return Asked(run, graph, index, input, output, root, k, settings=settings, **given)
