"""What a benchmark reports, and the command line that all of them share.

``ratio_to_baseline`` says how many times better a row is than the plain way measured in the same run, so more is
better whatever the unit; the baseline's own is 1, and a row that nothing is compared with has none.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table

from benchmarks._machine import commit, load, machine, versions
from otmel.storage import atomic_write_json

Size = Literal["full", "quick", "tiny"]
FORMAT: Final = 1


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured; unique in its benchmark.
        value: the figure.
        unit: its unit.
        ratio_to_baseline: how many times better than the baseline.
        note: what a reader must know: sizes, what was extrapolated.
    """

    name: str
    value: float
    unit: str
    ratio_to_baseline: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Options:
    """What a benchmark was asked for; ``more`` holds its own options."""

    size: Size
    threads: tuple[int, ...]
    more: argparse.Namespace


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as a command.

    Attributes:
        name: of the benchmark.
        about: in a line.
        rows: measures, one row after the other.
        options: adds options of its own.
    """

    name: str
    about: str
    rows: Callable[[Options], Iterator[Row]]
    options: Callable[[argparse.ArgumentParser], object] = field(default=lambda parser: None)

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Measure, print the table, write the JSON."""
        parsed = self._parser().parse_args(arguments)
        size: Size = "tiny" if parsed.tiny else "quick" if parsed.quick else "full"
        options = Options(size, tuple(parsed.threads), parsed)
        before, began, rows, out = load(), time.perf_counter(), [], console()
        for row in self.rows(options):
            rows.append(row)
            out.print(said(row), markup=False, highlight=False, soft_wrap=True)
        record = self._record(options, rows) | {
            "load": {"before": before, "after": load()},
            "seconds": round(time.perf_counter() - began, 1),
        }
        out.print(table(self.about, rows))
        if parsed.json is not None:
            atomic_write_json(parsed.json, record)
        return 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=f"benchmarks/{self.name}.py", description=self.about)
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
        parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
        parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads to measure with")
        self.options(parser)
        return parser

    def _record(self, options: Options, rows: Sequence[Row]) -> dict[str, Any]:
        head, dirty = commit()
        return {
            "format": FORMAT,
            "benchmark": self.name,
            "size": options.size,
            "machine": machine(),
            "versions": versions(),
            "commit": head,
            "dirty": dirty,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "rows": [asdict(row) for row in rows],
        }


def console() -> Console:
    """Where figures are printed; wide enough for a table also in a file."""
    out = Console()
    return out if out.is_terminal else Console(width=160)


def said(row: Row) -> str:
    """A row in a line."""
    ratio = "" if row.ratio_to_baseline is None else f"  ({row.ratio_to_baseline:.3g}×)"
    return f"{row.name}: {number(row.value)} {row.unit}{ratio}"


def number(value: float) -> str:
    """A figure with four digits and no more."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def table(title: str, rows: Sequence[Row]) -> Table:
    """The figures as a table for a terminal."""
    drawn = Table("what", "value", "unit", "× baseline", "note", title=title)
    for row in rows:
        ratio = "" if row.ratio_to_baseline is None else f"{row.ratio_to_baseline:,.3g}"
        drawn.add_row(row.name, number(row.value), row.unit, ratio, row.note)
    return drawn
