"""A progress bar that shows itself only where somebody waits: at a terminal, after two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 2.0


def tracked(items: Iterable[T], total: int | None, description: str) -> Iterator[T]:
    """``items`` unchanged; once they take more than ``PATIENCE`` seconds at a terminal, with a bar on stderr.

    ``total`` is their number, ``None`` when it is unknown.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    started, waiting = time.monotonic(), iter(items)
    for done, item in enumerate(waiting, 1):
        yield item
        if time.monotonic() - started > PATIENCE:
            yield from _with_bar(waiting, done, total, description)
            return


def _with_bar(items: Iterator[T], done: int, total: int | None, description: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)
