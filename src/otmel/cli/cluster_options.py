"""Who does the work, as a command line asks for it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from otmel.errors import ConfigurationError

if TYPE_CHECKING:
    from otmel.cluster.job import ClusterSettings


@Parameter(name="*")
@dataclass(frozen=True)
class ClusterOptions:
    """Who does the work.

    Args:
        engine: local, this process; or ray, the workers of a Ray cluster (pip install 'otmel[cluster]'), which all
            see the same folders.
        address: the cluster: HOST:PORT, ray://HOST:PORT, or auto, the one that was started on this machine; by
            default what RAY_ADDRESS says, else auto.
        workers: how many; by default one for each accelerator of the cluster, or for each processor where it has none,
            those of machines that join later included.
    """

    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = None

    @property
    def cluster(self) -> ClusterSettings | None:
        """The same for work on a cluster; ``None`` for work here. Raises ``ConfigurationError``."""
        if self.engine == "local":
            for one in fields(self):
                if one.name != "engine" and getattr(self, one.name) is not None:
                    named = f"--{one.name.replace('_', '-')}"
                    raise ConfigurationError(f"{named} is for work on a cluster", cure="add --engine ray")
            return None
        from otmel.cluster.job import ClusterSettings
        from otmel.settings import validated

        return validated(ClusterSettings, {"address": self.address, "workers": self.workers}, where="--engine ray")


@Parameter(name="*")
@dataclass(frozen=True)
class LinkClusterOptions(ClusterOptions):
    """Who links, and in what pieces.

    Args:
        shards: on a cluster, hold the index in so many groups of its segments, each in a process of its own, where the
            whole is too large for a machine; by default every worker holds all of it.
        part_rows: on a cluster, so many mentions to a part of the output, a multiple of 32; by default 4,096. A
            worker has one part at a time: fewer rows let more workers help.
    """

    shards: int | None = None
    part_rows: int | None = None
