"""Jobs: real child processes, their order, their failures, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from otmel.errors import StorageError
from otmel.reproduction.jobs import Clock, Job, Workers, alone

INFO = ("data", "info")


def job(tmp_path: Path, name: str, *commands: tuple[str, ...], **changes) -> Job:
    return Job(name, "kind", commands, tmp_path / f"{name}.log", **changes)


def workers(lock: int, said: list[str], at_once: int = 1) -> Workers:
    return Workers(at_once, 1, said.append, lock)


def test_commands_run_one_after_the_other_and_failures_are_told(tmp_path, tiny_dataset_folder):
    said, after = [], []
    good = (*INFO, str(tiny_dataset_folder))
    jobs = [
        job(tmp_path, "good", good, good, after=lambda: after.append("good")),
        job(tmp_path, "bad", (*INFO, str(tmp_path / "nowhere")), good, after=lambda: after.append("bad")),
    ]
    with alone(tmp_path / "out", said.append) as lock:
        failed = workers(lock, said, at_once=2).run(jobs)
    assert set(failed) == {"bad"}
    assert "there is no such folder" in failed["bad"]
    assert "exit status 2" in failed["bad"]
    assert after == ["good"]
    assert (tmp_path / "good.log").read_text().count("$ otmel data info") == 2
    assert sorted(line.split()[0] for line in said) == ["1", "2"]


def test_the_clock_expects_what_jobs_of_a_kind_took(tmp_path):
    jobs = [Job(str(n), kind, (), tmp_path / "log") for n, kind in enumerate("aabb")]
    clock = Clock(jobs)
    assert clock.done(jobs[0], 10, 1) == "1 of 4"
    assert clock.left(1) == "; about 30 s left"  # nothing is known of b but that it is a job
    assert clock.done(jobs[2], 400, 1) == "2 of 4"
    assert clock.left(2) == "; about 4 min left"
    clock.done(jobs[1], 10, 1)
    clock.done(jobs[3], 10, 1)
    assert clock.left(1) == ""


def test_an_output_folder_has_one_reproduction_at_a_time(tmp_path):
    said: list[str] = []
    entered = threading.Event()

    def second() -> None:
        with alone(tmp_path, said.append):
            entered.set()

    with alone(tmp_path, said.append):
        waiting = threading.Thread(target=second)
        waiting.start()
        while not said:
            time.sleep(0.01)
        assert not entered.is_set()
    waiting.join(10)
    assert entered.is_set()
    assert "waiting" in said[0]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), alone(tmp_path / "file" / "out", lambda _: None):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux alone")
def test_a_child_ends_with_its_parent_and_holds_the_lock_until_then(tmp_path):
    """A reproduction that is killed leaves no run behind that would write into its folder for ever."""
    code = (
        "import sys; from pathlib import Path; from otmel.reproduction.jobs import Job, Workers, alone\n"
        "out = Path(sys.argv[1])\n"
        "words = ('data', 'world', '--out', str(out / 'w'), '--set', 'captions=500000')\n"
        "job = Job('slow', 'k', (words,), out / 'log')\n"
        "with alone(out, print) as lock: Workers(1, 1, print, lock).run([job])\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL)
    log = tmp_path / "log"
    while not log.exists() or "drawing" not in log.read_text():
        assert parent.poll() is None
        time.sleep(0.1)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    said: list[str] = []
    with alone(tmp_path, said.append):  # would wait for ever, were the child not ended
        assert not (tmp_path / "w").exists()
