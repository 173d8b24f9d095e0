"""``Grid``: a table as a value, rendered for the terminal, Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

NO_VALUE = "–"
LATEX_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    character: "\\" + character for character in "&%$#_{}"
}


@dataclass(frozen=True)
class Grid:
    """A table of text: the first column names the rows, the others hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def as_rich(self) -> Table:
        """For the terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(self.title), caption=escape(self.caption), caption_justify="left")
        for place, column in enumerate(self.columns):
            table.add_column(escape(column), justify="right" if place else "left", no_wrap=bool(place))
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def as_markdown(self) -> str:
        """For a README; a bar within a cell is escaped."""
        header = "|".join(["", *(f" {_bar(column)} " for column in self.columns), ""])
        rule = "|".join(["", "---", *["---:"] * (len(self.columns) - 1), ""])
        body = ["|".join(["", *(f" {_bar(cell)} " for cell in row), ""]) for row in self.rows]
        caption = ["", self.caption] if self.caption else []
        return "\n".join([f"**{self.title}**", "", header, rule, *body, *caption]) + "\n"

    def as_latex(self) -> str:
        """A ``tabular`` with booktabs rules; title and caption as comments."""
        lines = [" & ".join(map(_tex, row)) + r" \\" for row in (self.columns, *self.rows)]
        comments = [f"% {line}" for text in (self.title, self.caption) for line in text.splitlines()]
        begin = rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}"
        body = [begin, r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}"]
        return "\n".join([*comments, *body]) + "\n"

    def as_csv(self) -> str:
        """Columns and rows alone."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()


def _bar(cell: str) -> str:
    return cell.replace("|", "\\|")


def _tex(cell: str) -> str:
    return "".join(LATEX_SPECIAL.get(character, character) for character in cell)
