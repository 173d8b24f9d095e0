"""What workers tell of the work that they have in hand: how far each task is, and how often it was begun.

It is for the eyes alone: nothing waits for it, and where its process is killed a second's news are lost with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from otmel.progress import Advance

PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class News:
    """What happened since one asked last.

    Attributes:
        begun: task → how often it was begun.
        done: task → its rows that are done, where that has changed.
    """

    begun: dict[int, int]
    done: dict[int, int]


class Ledger:
    """An actor that workers report to."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()
        self._done: dict[int, int] = {}
        self._changed: set[int] = set()

    def began(self, task: int) -> None:
        """A task is begun, for the first time or again."""
        self._begun[task] += 1
        self._done[task] = 0
        self._changed.add(task)

    def advanced(self, task: int, rows: int) -> None:
        """So many more rows of a task are done."""
        self._done[task] = self._done.get(task, 0) + rows
        self._changed.add(task)

    def news(self) -> News:
        """What happened since."""
        news = News(dict(self._begun), {task: self._done[task] for task in self._changed})
        self._begun, self._changed = Counter(), set()
        return news


@dataclass
class Watch:
    """The driver's side: moves a bar, counts what was begun more than once.

    Attributes:
        ray: the module.
        ledger: the actor.
        advance: moves the bar.
    """

    ray: Any
    ledger: Any
    advance: Advance
    _begun: Counter[int] = field(default_factory=Counter)
    _done: dict[int, int] = field(default_factory=dict)
    _whole: int = 0
    _shown: int = 0

    @staticmethod
    def of(ray: Any, advance: Advance) -> Watch:
        """With a ledger of its own."""
        return Watch(ray, ray.remote(Ledger).options(num_cpus=0, max_restarts=-1).remote(), advance)

    def look(self) -> None:
        """Ask for news."""
        try:
            news: News = self.ray.get(self.ledger.news.remote(), timeout=PATIENCE_SECONDS)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.GetTimeoutError):
            return
        self._begun.update(news.begun)
        self._done.update(news.done)
        self._show()

    def finished(self, task: int, rows: int) -> None:
        """A task of so many rows is done."""
        self._done[task] = 0
        self._whole += rows
        self._show()

    @property
    def retried(self) -> int:
        """How often a task was begun again."""
        return sum(times - 1 for times in self._begun.values())

    def _show(self) -> None:
        now = self._whole + sum(self._done.values())
        if now > self._shown:
            self.advance(now - self._shown)
            self._shown = now
