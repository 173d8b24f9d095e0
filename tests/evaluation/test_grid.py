"""A table says the same in every form."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from otmel.evaluation.grid import Grid

GRID = Grid("Title 50 %", ("model", "H@1 %"), (("a|b_c & [red]d", "68.4"), ("ñ", "1,225.5 ± 0.3")), "Cap_tion")


def test_csv_reads_back():
    assert [tuple(row) for row in csv.reader(io.StringIO(GRID.as_csv()))] == [GRID.columns, *GRID.rows]


def test_markdown_has_as_many_cells_in_every_row():
    lines = [line for line in GRID.as_markdown().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}
    assert lines[1] == "|---|---:|"
    assert GRID.as_markdown().endswith("Cap_tion\n")
    assert not Grid("t", ("a",), ()).as_markdown().endswith("\n\n")


def test_latex_escapes_what_latex_reads():
    text = GRID.as_latex()
    assert r"a|b\_c \& [red]d & 68.4 \\" in text
    assert r"\begin{tabular}{lr}" in text
    assert text.count(r"\\") == 3
    assert "H@1 \\% \\\\" in text
    assert r"\textbackslash{}x" in Grid("t", ("\\x",), ()).as_latex()


def test_rich_shows_every_cell_as_it_is():
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(GRID.as_rich())
    shown = console.file.getvalue()
    for cell in (GRID.title, GRID.caption, *GRID.columns, *(cell for row in GRID.rows for cell in row)):
        assert cell in shown
