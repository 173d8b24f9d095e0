"""Laws of the progress bar: it never changes the work, is silent for quick work, and counts right."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise

import pytest
from rich.console import Console

from otmel import progress as module
from otmel.progress import progress, reported, tracked


class Clock:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def log() -> Console:
    return Console(file=io.StringIO(), width=100)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("items", [[], [1, 2, 3], (n * n for n in range(4)), {"a": 1}])
def test_tracking_changes_nothing(items: object) -> None:
    expected = list(items) if not isinstance(items, Iterator) else [0, 1, 4, 9]
    assert list(tracked(items, "working")) == expected  # type: ignore[arg-type]


def test_quick_work_is_silent_in_a_log(clock: Clock) -> None:
    console = log()
    with progress("encoding", 1000, console) as advance:
        for _ in range(1000):
            clock.now += 0.0019
            advance()
    assert text(console) == ""


def test_a_log_has_ever_fewer_lines_but_one_each_minute(clock: Clock) -> None:
    console = log()
    with progress("encoding", 3600, console) as advance:
        for _ in range(3600):
            clock.now += 1
            advance()
    seconds = [int(line.split("(")[1].split()[0]) for line in text(console).splitlines()]
    assert seconds[:5] == [2, 4, 8, 16, 32]
    assert all(60 <= later - earlier <= 61 for earlier, later in pairwise(seconds[6:]))
    assert text(console).splitlines()[0] == "encoding: 2 of 3,600 (2 s, about 60 min left)"


def test_an_unknown_total_is_not_invented(clock: Clock) -> None:
    console = log()
    with progress("reading [bold]rows", None, console) as advance:
        clock.now += 5
        advance(7)
    assert text(console) == "reading [bold]rows: 7 (5 s)\n"


def test_a_terminal_gets_a_bar_that_is_wiped_at_the_end() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress("encoding", 10, console) as advance:
        advance(4)
    assert "encoding" in text(console)
    assert text(console).endswith("\x1b[2K")


def test_work_that_reports_its_state_moves_the_same_bar(clock: Clock) -> None:
    console = log()
    with reported("drawing", console) as report:
        clock.now += 3
        report(4, 10)
        clock.now += 3
        report(9, 10)
    assert text(console).splitlines() == ["drawing: 9 of 10 (3 s, about 1 s left)"]


def test_the_bar_goes_to_the_error_stream(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("encoding", 2) as advance:
        clock.now += 9
        advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "encoding: 1 of 2" in captured.err
