"""Threads of a kernel: tasks are shared out whole, and torch works on each with one thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")


def default_threads() -> int:
    """As many threads as torch would use."""
    return torch.get_num_threads()


class Workers:
    """A fixed number of threads, started when they are first needed.

    Within a task torch must not share out an operation: where it cuts, the last numbers of a piece are computed by
    other instructions, with other bits.

    Args:
        count: threads; with one, tasks run where they are asked for if torch has one thread there.
        uses_torch: whether tasks do; else one thread is always the one that asks.
    """

    def __init__(self, count: int, uses_torch: bool = True) -> None:
        self.count, self.uses_torch = max(count, 1), uses_torch
        self._pool: ThreadPoolExecutor | None = None

    def each(self, work: Callable[[T], object], tasks: Sequence[T]) -> None:
        """Do ``work`` on every task, and wait. An error of a task is raised."""
        here = self.count == 1 or (len(tasks) <= 1 and not self.uses_torch)
        if here and (not self.uses_torch or torch.get_num_threads() == 1):
            for task in tasks:
                work(task)
            return
        for _ in self._threads().map(work, tasks):
            pass

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            mine = torch.get_num_threads()
            started = Barrier(self.count + 1)

            def alone() -> None:
                torch.get_num_threads()  # a thread's first question sets its number; after that the next line holds
                torch.set_num_threads(1)
                started.wait()

            pool = ThreadPoolExecutor(self.count, "otmel-kernel", alone)
            for _ in range(self.count):
                pool.submit(int)
            started.wait()
            torch.set_num_threads(mine)  # what threads started from now on begin with: it was 1 for a moment
            self._pool = pool
        return self._pool
