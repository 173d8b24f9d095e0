"""How much memory a process takes, and child processes, whose memory is nobody else's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._machine import ROOT
from otmel.errors import OtmelError


def peak_mib() -> float | None:
    """The most memory that this process has had, in MiB; ``None`` where the system does not say."""
    return _status("VmHWM")


def own_mib() -> float | None:
    """The memory that this process has for itself now, files mapped into it left out, in MiB."""
    return _status("RssAnon")


def _status(field: str) -> float | None:
    path = Path("/proc/self/status")
    if not path.exists():
        return None
    told = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return round(int(told[field].split()[0]) / 1024, 1) if field in told else None


def child(module: str, function: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``function(**values)`` of a module gives in a process of its own, and ``peak_mib``, its most memory.

    Values and result are JSON. Raises ``OtmelError`` when the process fails, with the end of what it said.
    """
    words: Sequence[str] = [sys.executable, "-m", "benchmarks._memory", module, function, json.dumps(values)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OtmelError(f"{module}.{function} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _run(module: str, function: str, values: str) -> None:
    from importlib import import_module

    result = getattr(import_module(module), function)(**json.loads(values))
    sys.stdout.write("\n" + json.dumps({**result, "peak_mib": peak_mib()}) + "\n")


if __name__ == "__main__":
    _run(*sys.argv[1:])
