"""The way to a Ray cluster, and what is said when there is none."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from otmel.errors import ConfigurationError, MissingExtra

Note = Callable[[str], None]
REACH_SECONDS: Final = 5.0
"""For a port to be opened."""
ANSWER_SECONDS: Final = 12.0
"""For what listens there to answer as a Ray cluster does."""
START: Final = "start one: `ray start --head` there, and `ray start --address HOST:PORT` on every other machine"
TIMES: Final = 3
"""How often ``ray://`` is tried: the head forks a server for each client, which may hang."""
STILLBORN: Final = "Starting Ray client server failed"
FORKS: Final = "start its head with GRPC_ENABLE_FORK_SUPPORT=0, or name it as HOST:PORT from one of its machines"
QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_gcs_server_request_timeout_seconds": "10",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        ray: the module.
        address: as it was named.
        dashboard: its page; empty where there is none.
    """

    ray: ModuleType
    address: str
    dashboard: str

    def resource(self, name: str) -> float:
        """How much of a resource (``CPU``, ``GPU``) the nodes have together, those that joined late included."""
        return float(self.ray.cluster_resources().get(name, 0.0))

    @property
    def nodes(self) -> int:
        """Nodes that are alive."""
        return sum(bool(node["Alive"]) for node in self.ray.nodes())


def imported() -> ModuleType:
    """The module ``ray``. Raises ``MissingExtra``."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
            import ray.exceptions
            import ray.util.actor_pool
    except ImportError as fault:
        raise MissingExtra("ray", "cluster", "--engine ray") from fault
    return ray


@contextmanager
def connected(address: str | None = None, note: Note = lambda message: None) -> Iterator[Cluster]:
    """Be connected to a cluster for the length of the block; a connection that the caller has already is used.

    Args:
        address: ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``; by default what ``RAY_ADDRESS`` says, else ``auto``,
            the cluster that was started on this machine.
        note: told when the cluster must be asked again.

    Raises:
        MissingExtra: ray is not installed.
        ConfigurationError: there is no cluster at the address, or one of another version.
    """
    ray = imported()
    if ray.is_initialized():
        yield Cluster(ray, ray.get_runtime_context().gcs_address, "")
        return
    named = address or os.environ.get("RAY_ADDRESS") or "auto"
    found = _found(named)
    _check_reached(found, named)
    context = _joined(ray, found, named, note)
    try:
        yield Cluster(ray, named, _dashboard(context))
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.shutdown()


def _found(named: str) -> str:
    """The address itself, where ``auto`` stands for one. Raises ``ConfigurationError`` where it stands for none."""
    if named != "auto":
        return named
    from ray._private.services import canonicalize_bootstrap_address

    try:
        found = canonicalize_bootstrap_address("auto")
    except ConnectionError:
        found = None
    if not found:
        raise ConfigurationError("no Ray cluster runs on this machine", where="--address auto", cure=START)
    return found


def _check_reached(address: str, named: str) -> None:
    """Whether something listens at an address, and answers as Ray does. Raises ``ConfigurationError``."""
    client, where = address.startswith("ray://"), f"--address {named}"
    match = re.fullmatch(r"(?:ray://)?\[?([^\[\]/]+?)\]?:(\d{1,5})", address)
    if match is None or not 0 < int(match[2]) < 2**16:
        cure = "write HOST:PORT, ray://HOST:PORT or auto"
        raise ConfigurationError("this is no address of a Ray cluster", where=where, cure=cure)
    try:
        with socket.create_connection((match[1], int(match[2])), timeout=REACH_SECONDS):
            pass
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise ConfigurationError(f"there is no Ray cluster at {address}: {reason}", where=where, cure=START) from None
    if client:
        _check_client()
    elif (said := _probed(address)) is not None:
        raise ConfigurationError(f"what listens at {address} {said}", where=where, cure=START)


def _probed(address: str) -> str | None:
    """What is wrong with a cluster, asked by a process that may hang or die of it; ``None`` where nothing is."""
    command = [sys.executable, "-W", "ignore", "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"does not answer as a Ray cluster within {ANSWER_SECONDS:.0f} s"
    if done.returncode == 0:
        return None
    if found := re.search(r"[Vv]ersion mismatch.*", f"{done.stdout}\n{done.stderr}"):
        return f"is a Ray cluster of another version: {found[0]}"
    return "does not answer as a Ray cluster"


def _check_client() -> None:
    try:
        import grpc  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        cure = "pip install 'otmel[cluster]'; or name the cluster as HOST:PORT from one of its machines"
        raise ConfigurationError(
            "an address ray://… needs the package 'grpcio'", where="--address", cure=cure
        ) from None


def _joined(ray: ModuleType, address: str, named: str, note: Note) -> Any:
    import logging

    left = TIMES if address.startswith("ray://") else 1
    while True:
        left -= 1
        try:
            with warnings.catch_warnings(), _quiet_about_deaths():
                warnings.simplefilter("ignore")
                return ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (RuntimeError, ConnectionError, ValueError) as fault:
            said = " ".join(str(fault).split())
            hung = STILLBORN in said
            if not (left and hung):
                problem, where = f"the cluster cannot be joined: {said}", f"--address {named}"
                raise ConfigurationError(problem, where=where, cure=FORKS if hung else START) from None
            note(f"the server that {named} forks for us did not start; asking again")


@contextmanager
def _quiet_about_deaths() -> Iterator[None]:
    """Ray prints every worker's death to the standard output, where only a command's result belongs."""
    from ray._private import worker

    listen = getattr(worker, "listen_error_messages", None)
    if listen is None:
        yield
        return
    setattr(worker, "listen_error_messages", lambda *_: None)  # noqa: B010
    try:
        yield
    finally:
        setattr(worker, "listen_error_messages", listen)  # noqa: B010


def _dashboard(context: Any) -> str:
    url = getattr(context, "dashboard_url", "") or ""
    return f"http://{url}" if url and "://" not in url else url
