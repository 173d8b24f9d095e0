from __future__ import annotations

import io
import sys

import pytest

from otmel.data import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("total", [5, None])
def test_a_bar_is_shown_once_the_patience_is_over(total, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    assert list(progress.tracked(range(5), total, "reading")) == list(range(5))
    assert "reading" in terminal.getvalue()


def test_no_bar_is_shown_before_or_outside_a_terminal(monkeypatch):
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(progress.tracked(range(5), 5, "reading")) == list(range(5))
        assert stream.getvalue() == ""


def test_an_error_of_the_items_comes_through(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with pytest.raises(ZeroDivisionError):
        list(progress.tracked((1 // (2 - number) for number in range(5)), 5, "reading"))
