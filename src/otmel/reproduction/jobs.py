"""Running what is missing: each command a process of its own, with a log; a kill or Ctrl-C loses nothing.

The children hold the output folder's lock with their parent: a reproduction that is killed may be started again at
once, and waits until the run that was going on has written its checkpoint and ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from otmel.errors import StorageError

Say = Callable[[str], None]
PAUSE_SECONDS = 0.05
LOCK_FILE = ".lock"
PR_SET_PDEATHSIG = 1
LOG_LINES = 3


@dataclass(frozen=True)
class Job:
    """Commands of ``otmel`` to be run one after the other.

    Attributes:
        label: for reading.
        kind: jobs of one kind take about the same time.
        commands: each the words after ``otmel``.
        log: the file that their output is appended to.
        after: called when all are done.
    """

    label: str
    kind: str
    commands: tuple[tuple[str, ...], ...]
    log: Path
    after: Callable[[], None] = lambda: None


@dataclass
class Workers:
    """Runs jobs, so many at a time.

    Attributes:
        at_once: how many.
        threads: of each.
        say: told of every job that ends.
        lock: the file handle that children inherit.
    """

    at_once: int
    threads: int
    say: Say
    lock: int
    _running: dict[Job, tuple[subprocess.Popen[bytes], int, float]] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Run all of them; label → what went wrong, for those that failed.

        Raises:
            KeyboardInterrupt: after Ctrl-C, when the children have written their checkpoints and ended.
        """
        waiting, clock, failed = list(jobs), Clock(jobs), dict[str, str]()
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self.at_once:
                    self._start(waiting.pop(0), 0, time.monotonic())
                for job, status in self._ended():
                    self._take(job, status, clock, failed)
                time.sleep(PAUSE_SECONDS)
        except BaseException:
            self._stop()
            raise
        return failed

    def _start(self, job: Job, number: int, began: float) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "otmel", *job.commands[number]]
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            log.write(f"$ otmel {' '.join(job.commands[number])}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=(self.lock,),
                start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        self._running[job] = process, number, began

    def _ended(self) -> list[tuple[Job, int]]:
        polled = [(job, process.poll()) for job, (process, _, _) in self._running.items()]
        return [(job, status) for job, status in polled if status is not None]

    def _take(self, job: Job, status: int, clock: Clock, failed: dict[str, str]) -> None:
        """What follows the end of a job's command: its next one, or the end of the job."""
        _, number, began = self._running.pop(job)
        if status == 0 and number + 1 < len(job.commands):
            self._start(job, number + 1, began)
            return
        if status:
            failed[job.label] = _fault(job, status)
        else:
            job.after()
        seconds = time.monotonic() - began
        said = f"failed: {failed[job.label]}" if status else f"{seconds:.0f} s"
        self.say(f"{clock.done(job, seconds, self.at_once)}  {job.label}: {said}{clock.left(self.at_once)}")

    def _stop(self) -> None:
        """Tell every child to stop as on Ctrl-C, and wait: each writes a checkpoint first."""
        for process, _, _ in self._running.values():
            process.send_signal(signal.SIGINT)
        for process, _, _ in self._running.values():
            process.wait()
        self._running.clear()


class Clock:
    """How many jobs are done, and how long the others will take: as long as those of their kind did."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.waiting, self.total = list(jobs), len(jobs)
        self.seconds: dict[str, list[float]] = {}

    def done(self, job: Job, seconds: float, at_once: int) -> str:
        """``3 of 45``."""
        self.waiting.remove(job)
        self.seconds.setdefault(job.kind, []).append(seconds)
        return f"{self.total - len(self.waiting)} of {self.total}"

    def left(self, at_once: int) -> str:
        """An estimate, or nothing when there is nothing left."""
        if not self.waiting:
            return ""
        known = {kind: sum(times) / len(times) for kind, times in self.seconds.items()}
        usual = sum(known.values()) / len(known)
        seconds = sum(known.get(job.kind, usual) for job in self.waiting) / at_once
        return f"; about {ceil(seconds)} s left" if seconds < 120 else f"; about {ceil(seconds / 60)} min left"


@contextmanager
def alone(out: Path, say: Say) -> Iterator[int]:
    """Hold the output folder's lock, waiting for a child that a killed reproduction left; yields its handle.

    Raises:
        StorageError: the folder cannot be written.
    """
    import fcntl

    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as fault:
        problem = f"cannot be written: {(fault.strerror or str(fault)).lower()}"
        raise StorageError(problem, where=str(out), cure="choose another folder with --out") from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another reproduction is at work in {out}, or its last run is ending: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _end_with_parent() -> None:
    """In the child: SIGTERM when the parent dies, on which a training writes a checkpoint and stops."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _fault(job: Job, status: int) -> str:
    """Why a command failed: the error it printed, or the signal that ended it."""
    lines = [line.strip() for line in job.log.read_text(encoding="utf-8", errors="replace").splitlines()]
    last = next((row for row in range(len(lines) - 1, -1, -1) if lines[row].startswith("$ otmel ")), 0)
    errors = [row for row in range(last, len(lines)) if lines[row].startswith("error: ")]
    told = lines[errors[-1] :] if errors else lines[max(last + 1, len(lines) - LOG_LINES) :]
    ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return f"{' '.join(told) or 'it said nothing'} ({ended}; log: {job.log})"
