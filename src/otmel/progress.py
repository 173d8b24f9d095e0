"""One progress bar for everything that takes long: to the error stream, so that results can be piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from typing import TypeAlias, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")
Advance: TypeAlias = Callable[..., None]
"""Called with the number of steps just done, one by default."""
PATIENCE_SECONDS = 2.0
LONGEST_SILENCE_SECONDS = 60.0


@contextmanager
def progress(
    description: str, total: int | None = None, console: Console | None = None
) -> Iterator[Callable[..., None]]:
    """A bar that ``advance(n=1)`` moves on.

    On a terminal it shows at once and is wiped at the end. Elsewhere (a log file, a pipe) nothing is printed before
    two seconds have passed, and from then on a line ever more rarely, but at least every minute.

    Args:
        description: what is being done, as in "encoding entities".
        total: how many steps there are; ``None`` when nobody knows.
        console: where to draw; the error stream by default.
    """
    console = console or Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(description, total=total)
            yield lambda n=1: bar.advance(task, n)
    else:
        yield _Log(description, total, console)


def tracked(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """``items``, one after the other, with a bar that follows them."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # pyright: ignore[reportArgumentType]
    with progress(description, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def reported(description: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar moved by calls of ``(done, total)``, for work that reports in this way."""
    with ExitStack() as stack:
        advance: Advance | None = None
        before = 0

        def report(done: int, total: int) -> None:
            nonlocal advance, before
            advance = advance or stack.enter_context(progress(description, total, console))
            advance(done - before)
            before = done

        yield report


class _Log:
    """Progress as lines of text, for what is no terminal: after two seconds, four, eight, …, then every minute."""

    def __init__(self, description: str, total: int | None, console: Console) -> None:
        self.description, self.console, self.total = description, console, total
        self.of = f" of {total:,}" if total is not None else ""
        self.done, self.began, self.due = 0, time.monotonic(), PATIENCE_SECONDS

    def __call__(self, n: int = 1) -> None:
        self.done += n
        passed = time.monotonic() - self.began
        if passed >= self.due:
            self.due = passed + min(passed, LONGEST_SILENCE_SECONDS)
            line = f"{self.description}: {self.done:,}{self.of} ({passed:.0f} s{self._left(passed)})"
            self.console.print(line, markup=False, highlight=False)

    def _left(self, passed: float) -> str:
        """How long it will still take, at the rate so far; nothing where that cannot be told."""
        if not self.total or not 0 < self.done < self.total:
            return ""
        seconds = passed * (self.total - self.done) / self.done
        return f", about {ceil(seconds)} s left" if seconds < 120 else f", about {ceil(seconds / 60)} min left"
