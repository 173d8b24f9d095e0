"""Warm workers: Ray actors that load once and take one task after the other, from Ray's own pool of actors.

Ray starts a killed worker again, on whatever node has room, and gives it its task again. A pool joins in what Ray
leaves to its user: as many workers as were asked for, or as the cluster has room for *now*, so that a node that joins
late gets its share; and when no task is left for it, a worker goes and makes room for one that waits to be restarted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from otmel.cluster.connection import Cluster, Note, connected
from otmel.cluster.job import ClusterSettings, Summary
from otmel.cluster.refusal import accepted
from otmel.cluster.sameness import Welcome
from otmel.errors import ConfigurationError, OtmelError

LOOK_SECONDS: Final = 1.0
ROOM_SECONDS: Final = 30.0
"""After so long without a worker the reader is told what is waited for."""
RESTARTS: Final = 100
"""So often a single task may lose its worker; then it is the task's own fault."""


@dataclass(frozen=True)
class Share:
    """What a worker takes of a node.

    Attributes:
        cpus: processors; less than one leaves room for what reads and counts beside it.
        gpus: accelerators.
    """

    cpus: float
    gpus: float = 0.0

    @staticmethod
    def of(cluster: Cluster) -> Share:
        """An accelerator each where the cluster has some, else a processor."""
        return Share(0.5, 1.0) if cluster.resource("GPU") >= 1 else Share(0.9)

    def fit(self, cluster: Cluster) -> int:
        """How many workers a cluster has room for: one for each accelerator, or for each processor."""
        return max(1, int(cluster.resource("GPU" if self.gpus else "CPU")))

    def options(self) -> dict[str, Any]:
        """For an actor."""
        tries = {"max_restarts": -1, "max_task_retries": RESTARTS}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, **tries}


@dataclass(frozen=True)
class Post:
    """Work that a cluster's workers do, and how it is followed.

    Attributes:
        worker: the class of the actor: it takes ``job``, and its method ``ready`` loads what it needs.
        job: what all of them are told.
        tasks: how many there are; no more workers are of use.
        workers: how many were asked for; ``None``: as many as the cluster has room for.
        note: told what is waited for.
        tick: called about every second.
        given: what ``ready`` is told.
    """

    worker: type
    job: Any
    tasks: int
    workers: int | None
    note: Note
    tick: Callable[[], None]
    given: tuple[Any, ...] = ()

    def crew(self, cluster: Cluster) -> Crew:
        """The crew for it."""
        share = Share.of(cluster)
        actor = cluster.ray.remote(self.worker).options(**share.options())
        return Crew(
            cluster,
            make=lambda: actor.remote(self.job),
            count=lambda: min(self.tasks, self.workers or share.fit(cluster)),
            note=self.note,
            tick=self.tick,
            given=self.given,
        )


@dataclass
class Crew:
    """Workers of one kind.

    Attributes:
        cluster: where they work.
        make: makes an actor, whose method ``ready`` loads what it needs and says ``Welcome``.
        given: what ``ready`` is told.
        count: how many there shall be now.
        note: told what is waited for.
        tick: called about every second.
        welcomed: those that are ready.
    """

    cluster: Cluster
    make: Callable[[], Any]
    count: Callable[[], int]
    note: Note
    tick: Callable[[], None] = lambda: None
    given: tuple[Any, ...] = ()
    welcomed: list[Welcome] = field(default_factory=list)
    _coming: dict[Any, Any] = field(default_factory=dict)
    _made: int = 0
    _told: bool = False
    _alive: float = field(default_factory=time.monotonic)
    _began: float = field(default_factory=time.monotonic)

    @property
    def nodes(self) -> int:
        """On how many machines they are."""
        return len({one.node for one in self.welcomed})

    def sign_off(self, summary: Summary, done: str) -> None:
        """Say who has worked; ``done`` is what, as in ``encoded``."""
        summary.workers, summary.nodes = len(self.welcomed), self.nodes
        if len(machines := {one.machine for one in self.welcomed}) > 1:
            self.note(f"{done} by {' and by '.join(sorted(machines))}: last bits may differ between them")

    def results(self, tasks: Sequence[Any], call: Callable[[Any, Any], Any]) -> Iterator[Any]:
        """What ``call(worker, task)`` gives for every task, in the order in which they are done.

        Raises:
            OtmelError: a worker refused, or died of a task too often.
        """
        pool = self.cluster.ray.util.actor_pool.ActorPool([])
        for task in tasks:
            pool.submit(call, task)
        for _ in tasks:
            yield self._next(pool)
            while pool.pop_idle() is not None:  # its handle is dropped, and Ray ends the actor
                pass

    def _next(self, pool: Any) -> Any:
        errors = self.cluster.ray.exceptions
        while True:
            self._welcome(pool)
            try:
                if pool.has_next():
                    return accepted(pool.get_next_unordered(timeout=LOOK_SECONDS))
            except (TimeoutError, errors.GetTimeoutError):
                pass
            except (errors.ActorDiedError, errors.ActorUnavailableError) as fault:
                raise died(fault) from None

    def _welcome(self, pool: Any) -> None:
        """Let workers into the pool that have become ready, and send for more where there is room."""
        self.tick()
        while self._made < self.count():
            worker = self.make()
            self._coming[worker.ready.remote(*self.given)] = worker
            self._made += 1
        patience = 0 if pool.has_next() else LOOK_SECONDS
        ready, _ = self.cluster.ray.wait(list(self._coming), timeout=patience) if self._coming else ([], [])
        for one in ready:
            self.welcomed.append(self._ready(one))
            pool.push(self._coming.pop(one))
        self._tell()

    def _ready(self, reference: Any) -> Welcome:
        errors = self.cluster.ray.exceptions
        try:
            return accepted(self.cluster.ray.get(reference))
        except (errors.ActorDiedError, errors.ActorUnavailableError, errors.RuntimeEnvSetupError) as fault:
            raise died(fault) from None

    def _tell(self) -> None:
        if not self.welcomed and not self._told and time.monotonic() - self._began > ROOM_SECONDS:
            self._told = True
            has = f"{self.cluster.resource('CPU'):g} processors, {self.cluster.resource('GPU'):g} accelerators"
            self.note(f"no worker is ready yet: the cluster ({has} in all) may have no room; waiting")
        if self.cluster.nodes:
            self._alive = time.monotonic()
        elif time.monotonic() - self._alive > ROOM_SECONDS:
            cure = "start its nodes again, and then the same command: it goes on with what is missing"
            raise OtmelError("no node of the cluster is alive any more", where=self.cluster.address, cure=cure)


@contextmanager
def joined(settings: ClusterSettings | None, summary: Summary, note: Note) -> Iterator[Cluster]:
    """Be connected to the cluster that the settings name, and say where it is. Raises as ``connected`` does."""
    with connected((settings or ClusterSettings()).address, note) as cluster:
        summary.address, summary.dashboard = cluster.address, cluster.dashboard
        if cluster.dashboard:
            note(f"Ray's dashboard: {cluster.dashboard}")
        yield cluster


def died(fault: BaseException) -> OtmelError:
    """The error for a worker that Ray gave up: it could not start, or a task has killed it too often."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    missing = next((line for line in reversed(lines) if "ModuleNotFoundError" in line), None)
    if missing is not None:
        cure = "install the same otmel[cluster] on every node, and start Ray there again"
        return ConfigurationError(f"a worker cannot start: {missing}", cure=cure)
    cure = "look into Ray's log on that node; a worker that runs out of memory is killed: ask for fewer (--workers)"
    return OtmelError(f"a worker died, and again whenever Ray restarted it: {lines[0] if lines else fault}", cure=cure)
