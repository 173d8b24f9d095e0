"""A data set's check as tables to read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from otmel.data.check_report import CheckReport, Coverage, Distribution, SplitReport

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES_SHOWN = 3


def as_text(report: CheckReport, width: int) -> str:
    """Tables of counts, leakage and findings, ``width`` columns wide, without colour."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    place = f"  ({report.root})" if report.root else ""
    console.print(f"{report.name}{place}", markup=False, highlight=False, soft_wrap=True)
    for table in (_graph(report), _splits(report), _images(report), _leaks(report), _findings(report)):
        if table.row_count:
            console.print()
            console.print(table)
    output = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    return "\n".join(line.rstrip() for line in output.splitlines()) + "\n"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and columns[-1] != "examples" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _graph(report: CheckReport) -> Table:
    graph = report.graph
    rows = [
        ("entities", f"{graph.entities:,}"),
        ("whose name another entity bears too", _of(graph.same_name, graph.entities)),
        ("names shared by several entities", f"{graph.shared_names:,}"),
        ("without attributes and description", _of(graph.without_text, graph.entities)),
        ("words (median, 90 %, most)", _quantiles(graph.words)),
    ]
    return _table("Graph", ("", report.name), rows)


def _splits(report: CheckReport) -> Table:
    splits = list(report.splits.values())

    def line(label: str, value: str) -> tuple[str, ...]:
        return label, *(_of(getattr(split, value), split.mentions) for split in splits)

    rows = [
        ("mentions", *(f"{split.mentions:,}" for split in splits)),
        line("answer is NIL", "nil"),
        line("answer not in the graph", "dangling"),
        line("answer not stated", "unanswered"),
        line("image found", "with_image"),
        line("image opened", "usable"),
        line("image looks like one of the graph", "like_graph"),
        line("words equal the title", "equal_title"),
        *((f"words fit {share} of the names", *(_bearers(s, share) for s in splits)) for share in _BEARERS),
        line("mention not in its sentence", "not_in_sentence"),
        line("empty text", "empty"),
        line("10,000 words or more", "long_texts"),
        ("words (median, 90 %, most)", *(_quantiles(split.words) for split in splits)),
        ("objects (mean)", *(f"{s.objects.mean:.2f}" if s.objects.total else "unknown" for s in splits)),
    ]
    return _table("Mentions", ("", *report.splits), rows if splits else [])


_BEARERS = ("none", "one", "several")


def _bearers(split: SplitReport, share: str) -> str:
    return _of(split.bearers[share], split.mentions)


def _images(report: CheckReport) -> Table:
    sides = (report.graph.images, report.mention_images)
    reasons = dict.fromkeys(kind for side in sides for kind in side.reasons)

    def line(label: str, value: str) -> tuple[str, ...]:
        return label, *(_of(getattr(side, value), side.total) for side in sides)

    rows = [line("stated", "stated"), line("found", "found"), line("opened", "usable")]
    rows += [(f"  {kind}", *(_reason(side, kind) for side in sides)) for kind in reasons]
    return _table("Images", ("", "entities", "mentions"), rows)


def _reason(side: Coverage, kind: str) -> str:
    return f"{side.reasons[kind]:,}" if kind in side.reasons else "–"


def _leaks(report: CheckReport) -> Table:
    rows = []
    for leak in report.leaks:
        total = report.splits[leak.second].mentions
        shared = (leak.sentences, leak.image_files, leak.look_alikes)
        rows.append((f"{leak.second} in {leak.first}", *(_of(count, total) for count in shared)))
    return _table("Leakage between splits", ("", "same sentence", "same image file", "same look"), rows)


def _findings(report: CheckReport) -> Table:
    rows = []
    for kind, count in report.findings.counts.most_common():
        places = report.findings.examples.get(kind, [])[:EXAMPLES_SHOWN]
        more = [f"… and {count - len(places):,} more"] if count > len(places) else []
        rows.append((kind, f"{count:,}", "\n".join([*places, *more])))
    return _table("Findings", ("", "count", "examples"), rows)


def _of(count: int | None, total: int) -> str:
    if count is None:
        return "not opened"
    return f"{count:,} ({count / total:.1%})" if total else f"{count:,}"


def _quantiles(words: Distribution) -> str:
    return f"{words.median:,}, {words.p90:,}, {words.largest:,}" if words.total else "–"
