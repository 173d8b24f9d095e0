"""A process that forks trainers, which can be killed, so that the libraries are loaded once.

For every JSON line ``{"words": […], "cache": …}`` on its input it forks a process that runs the command, and answers
its pid; when that has gone, its exit status.
"""

from __future__ import annotations

import json
import os
import sys

from otmel.cli.main import main
from otmel.remote import lease


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def mould() -> None:
    """Answer all lines."""
    import otmel.training.run  # noqa: F401

    lease.ALIVE_SECONDS = 2.0
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.environ["OTMEL_CACHE"] = asked["cache"]
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os._exit(main(asked["words"]))
        say(pid)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    mould()
