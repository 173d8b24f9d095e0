"""What every verb speaks through: results to the output stream, everything else to the error stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from otmel.errors import OtmelError
from otmel.progress import progress, reported, tracked
from otmel.remote.told import told
from otmel.storage import json_text

__all__ = ["Json", "Set", "console", "emit", "fail", "note", "progress", "reported", "resumable", "tracked"]

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

console = Console(stderr=True)

Json: TypeAlias = Annotated[bool, Parameter(name="--json", help="Print the result as JSON, and nothing else.")]
Set: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(name="--set", help="Override a setting: key=value. May be given often.", show_default=False),
]


def emit(result: Any, json: bool = False) -> None:
    """Print a verb's result to the output stream, where nothing else is ever printed.

    Args:
        result: plain values, or an object with ``as_json()`` (for ``json``) and ``as_text()`` (for reading); anything
            that rich can draw will do for reading too.
        json: as JSON.
    """
    if json:
        value = result.as_json() if hasattr(result, "as_json") else result
        sys.stdout.write(told(json_text(value)) + "\n")
    elif hasattr(result, "as_text"):
        sys.stdout.write(told(result.as_text()).rstrip("\n") + "\n")
    elif isinstance(result, str):
        sys.stdout.write(result.rstrip("\n") + "\n")
    else:
        Console().print(result)
    sys.stdout.flush()


def note(message: str) -> None:
    """Tell the reader something that is not the result."""
    console.print(told(message), markup=False, highlight=False, soft_wrap=True)


def fail(problem: str, cure: str | None = None) -> None:
    """Print an error and, below it, what to do about it."""
    console.print(Text.assemble(("error: ", "bold red"), told(problem)), soft_wrap=True)
    if cure:
        console.print(Text.assemble(("  → ", "bold"), told(cure)), soft_wrap=True)


def fail_with(error: OtmelError) -> None:
    """Print one of otmel's own errors: place, problem, cure."""
    fail(f"{error.where}: {error.problem}" if error.where else error.problem, error.cure)


@contextmanager
def resumable(how: str) -> Iterator[None]:
    """Around work that Ctrl-C may stop: ``how`` tells the reader to go on (``otmel train … --resume``)."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(how) from None
