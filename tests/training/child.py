"""Runs the small training in a process of its own, in which things may go wrong. Called by the tests beside it.

``child.py OUT '{"resume": false, "step": 9, "signal": 9, "limit": 1000, "batch": 5, "training": {"chunk": 3}}'``

The signal comes in the forward pass of a step, or when a batch is asked for. Under ``torchrun`` it comes to the last
process, and the first one speaks.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import signal
import sys
from pathlib import Path

from torch import distributed

from otmel.cli.train import one_voice
from otmel.errors import OtmelError


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def is_last() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == distributed.get_world_size() - 1


def ended(code: int) -> None:
    """Leave with a status; a thread of the process group that is left might end the process with an abort, later."""
    names = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
    sys.exit(f"threads of the group are left: {names}" if any("gloo" in name for name in names) else code)


def main(out: str, options: dict) -> int:
    spec = importlib.util.spec_from_file_location("small_run", Path(__file__).with_name("conftest.py"))
    small = importlib.util.module_from_spec(spec)
    sys.modules["small_run"] = small
    spec.loader.exec_module(small)
    how = {"checkpoint_every": 2, "resume": options.get("resume", False), "say": say, **options.get("training", {})}
    if "step" in options and is_last():
        how["see"] = small.signalled(options["step"], options["signal"])
    if "batch" in options and is_last():
        how["material"] = small.at_batch(options["batch"], lambda side: os.kill(os.getpid(), options["signal"]))
    if limit := options.get("limit"):
        # Without the signal ignored the kernel ends the process; with it, writing fails as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        small.trained(Path(out), **how)
    except KeyboardInterrupt as stop:
        say(f"interrupted: {stop}")
        return 130
    except OtmelError as fault:
        say(f"{type(fault).__name__}: {fault}")
        return 2
    return 0


if __name__ == "__main__":
    with one_voice() as first:
        say = say if first else lambda line: None
        code = main(sys.argv[1], json.loads(sys.argv[2]))
    ended(code)
