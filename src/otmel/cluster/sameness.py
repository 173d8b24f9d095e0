"""What must be the same on every machine for their work to fit together, and what a worker tells when it is ready."""

from __future__ import annotations

import platform
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Final

from otmel import __version__
from otmel.errors import ConfigurationError, StorageError

SHARED_CURE: Final = (
    "put it into a folder that every node sees under the same path (NFS, a shared disk), or at an address"
)


@dataclass(frozen=True)
class Versions:
    """The versions on which results depend."""

    otmel: str
    ray: str
    python: str
    torch: str
    transformers: str

    @staticmethod
    def here() -> Versions:
        """Those of this process."""
        import ray

        python = ".".join(platform.python_version_tuple()[:2])
        return Versions(__version__, ray.__version__, python, version("torch"), version("transformers"))

    def check(self, node: str) -> None:
        """Whether this process has the same. Raises ``ConfigurationError`` with all that differ."""
        own = Versions.here()
        pairs = [(one.name, getattr(self, one.name), getattr(own, one.name)) for one in fields(self)]
        differ = [
            f"{name} is {theirs} there and {ours} at the driver" for name, ours, theirs in pairs if ours != theirs
        ]
        if differ:
            cure = "install the driver's versions on every node, and start Ray there again"
            raise ConfigurationError(f"versions differ: {', '.join(differ)}", where=f"node {node}", cure=cure)


@dataclass(frozen=True)
class Welcome:
    """What a worker says once it is ready.

    Attributes:
        node: the machine.
        machine: what computes there; on another kind, last bits may differ.
    """

    node: str
    machine: str


def check_shared(place: Path, node: str) -> None:
    """Whether a file or folder that the driver has just made is seen here too. Raises ``StorageError``."""
    if not place.exists():
        raise StorageError(
            "the driver's folder is not to be seen here", where=f"node {node}: {place}", cure=SHARED_CURE
        )
