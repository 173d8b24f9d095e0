"""Who does the work, as a command line asks for it."""

from __future__ import annotations

from dataclasses import dataclass
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
            for name, given in (("--address", self.address), ("--workers", self.workers)):
                if given is not None:
                    raise ConfigurationError(f"{name} is for work on a cluster", cure="add --engine ray")
            return None
        from otmel.cluster.job import ClusterSettings
        from otmel.settings import validated

        return validated(ClusterSettings, {"address": self.address, "workers": self.workers}, where="--engine ray")
