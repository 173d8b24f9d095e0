"""Timing of several ways to do one thing, in turns, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from benchmarks._machine import usable_cores


@dataclass(frozen=True)
class Timing:
    """Repeats of one piece of work.

    Attributes:
        wall: seconds by the clock, of every repeat.
        cpu: seconds of processor time of the whole process, of every repeat.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    def seconds(self, threads: int) -> float:
        """The best repeat: processor time with one thread, which other processes take less from; else by the clock."""
        return min(self.cpu if threads == 1 else self.wall)

    @property
    def disturbance(self) -> float:
        """Median of wall over processor time: about 1 for one thread that had its core for itself."""
        return statistics.median(wall / max(cpu, 1e-9) for wall, cpu in zip(self.wall, self.cpu, strict=True))


def once(work: Callable[[], object]) -> Timing:
    """One run of ``work``."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing((time.perf_counter() - wall,), (time.process_time() - cpu,))


def in_turns(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Every work once to warm up, then ``repeats`` rounds in which each has its turn."""
    for work in works.values():
        work()
    rounds = [{name: once(work) for name, work in works.items()} for _ in range(repeats)]
    return {
        name: Timing(
            tuple(one[name].wall[0] for one in rounds),
            tuple(one[name].cpu[0] for one in rounds),
        )
        for name in works
    }


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch with ``count`` threads, and this process on as many cores where the system allows it."""
    before, cores = torch.get_num_threads(), usable_cores()
    pinned = hasattr(os, "sched_setaffinity")
    torch.set_num_threads(count)
    if pinned:
        os.sched_setaffinity(0, cores[-count:])
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if pinned:
            os.sched_setaffinity(0, cores)
