"""Results go to the output stream, as text or as JSON; all else goes to the error stream."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.table import Table

from otmel.cli.console import emit, fail, note, resumable


@dataclass(frozen=True)
class Report:
    count: int

    def as_json(self) -> dict[str, int]:
        return {"count": self.count}

    def as_text(self) -> str:
        return f"count {self.count}\n"


@pytest.mark.parametrize(
    ("result", "as_json", "expected"),
    [
        (Report(3), True, '{\n  "count": 3\n}\n'),
        (Report(3), False, "count 3\n"),
        ("two\nlines", False, "two\nlines\n"),
        ({"É": [1]}, True, '{\n  "É": [\n    1\n  ]\n}\n'),
    ],
)
def test_a_result_is_printed_and_nothing_else(
    result: object, as_json: bool, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    emit(result, as_json)
    captured = capsys.readouterr()
    assert captured.out == expected
    assert captured.err == ""


def test_what_rich_can_draw_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("model", "MRR")
    table.add_row("name match", "77.5")
    emit(table)
    assert "name match" in capsys.readouterr().out


def test_json_has_no_word_for_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        emit({"loss": float("nan")}, json=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_json_of_any_text_is_read_back(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    emit({"text": text}, json=True)
    assert json.loads(capsys.readouterr().out) == {"text": text}


def test_brackets_are_no_markup_and_long_lines_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/a/[red]folder[/red]/" + "x" * 300
    fail(f"{path}: broken", "mend [it]")
    note(f"wrote {path}")
    assert capsys.readouterr().err == f"error: {path}: broken\n  → mend [it]\nwrote {path}\n"


def test_only_ctrl_c_is_given_the_way_to_go_on() -> None:
    with pytest.raises(KeyboardInterrupt, match="--resume"), resumable("otmel train --resume"):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), resumable("otmel train --resume"):
        _ = 1 // 0
