"""The one thread that links: it takes what waits in a bounded queue, many mentions at once, in the order of arrival.

A task carries the linker that was current when it came in, so an answer comes from one snapshot, however long it
waited and whatever was changed meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from otmel.linking import Linker
from otmel.server.errors import ApiError, busy, unavailable
from otmel.server.linked import linked
from otmel.server.logs import log
from otmel.server.metrics import Metrics
from otmel.server.requests import Asked

MOST_SECONDS: Final = 30
"""The longest that a client is told to wait."""


@dataclass(frozen=True, eq=False)
class Task:
    """What the thread is to do.

    Attributes:
        linker: over the snapshot that the answer is to come from.
        work: a mention to link, or anything else to do with the linker.
        until: when nobody waits any more, by the monotonic clock.
        done: takes the answer.
    """

    linker: Linker
    work: Asked | Callable[[Linker], Any]
    until: float
    done: Future[Any] = field(default_factory=Future)


class Batcher:
    """Links what is submitted.

    Args:
        queue: tasks that may wait.
        batch: mentions that are linked together.
        wait: seconds that a batch waits for more.
        metrics: counts.
    """

    def __init__(self, queue: int, batch: int, wait: float, metrics: Metrics) -> None:
        self._room, self._batch, self._wait, self._metrics = queue, batch, wait, metrics
        self._tasks: deque[Task] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._pace = 0.02
        self._thread = threading.Thread(target=self._run, name="otmel-linker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def abandon(self) -> None:
        """Take nothing more, and answer all that waits with 503."""
        with self._changed:
            self._stopped = True
            given_up = [task for task in self._tasks if task.done.set_running_or_notify_cancel()]
            self._tasks.clear()
            self._changed.notify()
        for task in given_up:
            task.done.set_exception(unavailable("draining", "the service is stopping"))

    def submit(self, tasks: Sequence[Task]) -> None:
        """Put tasks in the queue, all or none. Raises ``ApiError``: there is no room (429), or it has ended (503)."""
        with self._changed:
            if self._stopped:
                raise unavailable("draining", "the service is stopping")
            waiting = len(self._tasks)
            if waiting + len(tasks) > self._room:
                raise busy(f"{waiting:,} mentions wait already", self.estimate(waiting))
            self._tasks.extend(tasks)
            self._metrics.queue.set(len(self._tasks))
            self._changed.notify()

    def estimate(self, waiting: int | None = None) -> int:
        """Whole seconds after which so many tasks, or those that wait now, will be done."""
        count = len(self._tasks) if waiting is None else waiting
        return max(1, min(MOST_SECONDS, round(count * self._pace)))

    def _run(self) -> None:
        while tasks := self._taken():
            live = [task for task in tasks if self._wanted(task)]
            began = time.monotonic()
            mentions = [task for task in live if isinstance(task.work, Asked)]
            if mentions:
                self._metrics.batches.observe(len(mentions))
                self._link(mentions)
            for task in live:
                if not isinstance(task.work, Asked):
                    self._call(task)
            if live:
                self._pace += 0.1 * ((time.monotonic() - began) / len(live) - self._pace)

    def _taken(self) -> list[Task]:
        """The next tasks; none when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._stopped)
            if 0 < len(self._tasks) < self._batch and self._wait and not self._stopped:
                self._changed.wait_for(lambda: len(self._tasks) >= self._batch or self._stopped, self._wait)
            tasks = [self._tasks.popleft() for _ in range(min(self._batch, len(self._tasks)))]
            self._metrics.queue.set(len(self._tasks))
            return tasks

    def _wanted(self, task: Task) -> bool:
        """Whether anybody waits for a task still."""
        if not task.done.set_running_or_notify_cancel():
            self._metrics.links.labels("dropped").inc()
            return False
        if time.monotonic() > task.until:
            task.done.set_exception(unavailable("late", "the answer took too long", self.estimate()))
            self._metrics.links.labels("late").inc()
            return False
        return True

    def _link(self, tasks: Sequence[Task]) -> None:
        groups: dict[tuple[int, int], list[Task]] = {}
        for task in tasks:
            assert isinstance(task.work, Asked)
            groups.setdefault((id(task.linker), task.work.k), []).append(task)
        for group in groups.values():
            answers = linked(group[0].linker, [task.work for task in group if isinstance(task.work, Asked)])
            for task, answer in zip(group, answers, strict=True):
                self._finish(task, answer)

    def _finish(self, task: Task, answer: dict[str, Any] | Exception) -> None:
        if isinstance(answer, Exception):
            self._metrics.links.labels("refused").inc()
            task.done.set_exception(answer)
        else:
            self._metrics.links.labels("linked").inc()
            task.done.set_result(answer)

    def _call(self, task: Task) -> None:
        assert not isinstance(task.work, Asked)
        try:
            task.done.set_result(task.work(task.linker))
        except ApiError as fault:
            task.done.set_exception(fault)
        except Exception as fault:  # the thread must live on; the request is answered with 503
            log.exception("fault in the linking thread")
            task.done.set_exception(fault)
