"""Nodes of a Ray cluster on this machine, each with ports and processes of its own; they end with the block.

Without ``psutil`` knowing them there is nothing to end: no other cluster on the machine is touched.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

LOOPBACK: Final = "127.0.0.1"
STORE_BYTES: Final = 100_000_000
PATIENCE_SECONDS: Final = 90.0
WORKERS: Final = ("Encoder", "MentionLinker", "Shard")
"""Titles of the processes that work."""
ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "PYTHONWARNINGS": "ignore",
    "GRPC_ENABLE_FORK_SUPPORT": "0",  # with it one in ten of the servers that the head forks for ray:// hangs
}


@dataclass
class Nodes:
    """A cluster.

    Attributes:
        folder: for its sockets and logs; a short path, for sockets' names are short.
        port: of its head.
        client: the head's port for ``ray://``.
        metrics: the head's port for Prometheus.
        watched: whether the head has a dashboard.
    """

    folder: Path
    watched: bool = False
    port: int = field(default_factory=lambda: free_port())
    client: int = field(default_factory=lambda: free_port())
    metrics: int = field(default_factory=lambda: free_port())
    _started: list[psutil.Process] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the cluster."""
        return f"{LOOPBACK}:{self.port}"

    def add(
        self, cpus: int = 1, resources: str = "{}", environment: dict[str, str] | None = None, gpus: int = 0
    ) -> None:
        """Start a node, the head first, and wait until it belongs to the cluster."""
        role = ["--address", self.address] if self._started else self._head()
        size = ["--num-cpus", str(cpus), "--num-gpus", str(gpus), "--object-store-memory", str(STORE_BYTES)]
        own = ["--node-ip-address", LOOPBACK, "--dashboard-agent-listen-port", str(free_port()), "--block"]
        words = ["start", *role, *size, *own, "--resources", resources]
        said = (self.folder / f"node-{len(self._started)}.log").open("w+b")
        inherited = {**os.environ, **ENVIRONMENT, **(environment or {})}
        command = [sys.executable, "-m", "ray.scripts.scripts", *words, "--disable-usage-stats"]
        process = psutil.Popen(command, stdout=said, stderr=said, env=inherited, start_new_session=True)
        self._started.append(process)
        until = time.monotonic() + PATIENCE_SECONDS
        while b"Ray runtime started" not in (self.folder / said.name).read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.folder / said.name).read_text()[-2000:])
            time.sleep(0.1)
        said.close()

    def _head(self) -> list[str]:
        ports = {"": self.port, "ray-client-server-": self.client, "metrics-export-": self.metrics}
        said = [word for name, port in ports.items() for word in (f"--{name}port", str(port))]
        page = ["--include-dashboard", str(self.watched).lower(), "--dashboard-port", str(free_port())]
        return ["--head", *said, *page, "--temp-dir", str(self.folder)]

    def kill_one(self, chance: random.Random, titles: Sequence[str] = WORKERS) -> bool:
        """Kill the process of an actor with one of these titles; ``False`` where there is none."""
        found = []
        for process in self._processes():
            with suppress(psutil.Error):
                if (process.cmdline() or [""])[0].removeprefix("ray::").split(".")[0] in titles:
                    found.append(process)
        if not found:
            return False
        with suppress(psutil.Error):
            chance.choice(sorted(found, key=lambda process: process.pid)).kill()
            return True
        return False

    def stop(self) -> None:
        """End all processes."""
        processes = [*self._processes(), *self._started]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in self._started:
            with suppress(psutil.Error):
                found += process.children(recursive=True)
        return found


@contextmanager
def nodes(cpus: int = 1, gpus: int = 0, watched: bool = False) -> Iterator[Nodes]:
    """A cluster with its head, ``watched`` by a dashboard or not; the caller adds more nodes."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Nodes(Path(folder), watched)
        try:
            cluster.add(cpus, gpus=gpus)
            yield cluster
        finally:
            cluster.stop()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])
