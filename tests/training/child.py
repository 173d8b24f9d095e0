"""Runs the small training in a process of its own, in which things may go wrong. Called by the tests beside it.

``child.py OUT '{"resume": false, "step": 9, "signal": 9, "limit": 1000}'``
"""

from __future__ import annotations

import importlib.util
import json
import resource
import signal
import sys
from pathlib import Path

from otmel.errors import OtmelError


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(out: str, options: dict) -> int:
    spec = importlib.util.spec_from_file_location("small_run", Path(__file__).with_name("conftest.py"))
    small = importlib.util.module_from_spec(spec)
    sys.modules["small_run"] = small
    spec.loader.exec_module(small)
    how = {"checkpoint_every": 2, "resume": options.get("resume", False), "say": say}
    if "step" in options:
        how["see"] = small.signalled(options["step"], options["signal"])
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
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
