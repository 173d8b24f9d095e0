"""Compare fresh figures with committed ones: ratios to the baseline, which are measured in the same run as it is.

    python benchmarks/gate.py FRESH COMMITTED [--allowed 0.15]

Both are JSON files, or folders of them. A ratio that is worse than the committed one by more than ``--allowed`` fails,
and so does one that is missing. Absolute figures are not compared: they are the machine's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # modules are named from the repository's root: `kernels` is a package of others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.table import Table

from benchmarks._report import console
from otmel.errors import ConfigurationError, OtmelError

ALLOWED = 0.15


@dataclass(frozen=True)
class Verdict:
    """One row's comparison.

    Attributes:
        name: of the row.
        committed: its ratio to the baseline as it was.
        fresh: as it is now; ``None`` where the row is missing.
        allowed: how much worse it may be.
    """

    name: str
    committed: float
    fresh: float | None
    allowed: float

    @property
    def change(self) -> float | None:
        """Relative; negative is worse."""
        return None if self.fresh is None else self.fresh / self.committed - 1

    @property
    def failed(self) -> bool:
        """Whether it is missing, no number, or worse by more than is allowed."""
        return self.fresh is None or not self.fresh >= (1 - self.allowed) * self.committed


def compared(fresh: dict[str, Any], committed: dict[str, Any], allowed: float = ALLOWED) -> Iterator[Verdict]:
    """A verdict on every committed ratio. Raises ``ConfigurationError`` for records of different things."""
    for key in ("format", "benchmark", "size"):
        if fresh[key] != committed[key]:
            problem = f"the fresh figures have the {key} {fresh[key]!r}, the committed ones {committed[key]!r}"
            raise ConfigurationError(problem, cure="measure with the same options")
    ratios = {row["name"]: row["ratio_to_baseline"] for row in fresh["rows"]}
    for row in committed["rows"]:
        if row["ratio_to_baseline"] is not None:
            yield Verdict(row["name"], row["ratio_to_baseline"], ratios.get(row["name"]), allowed)


def files(fresh: Path, committed: Path) -> list[tuple[Path, Path]]:
    """The files to compare. Raises ``ConfigurationError`` when one is missing, or there is none."""
    if committed.is_dir() != fresh.is_dir():
        raise ConfigurationError("one is a folder, the other a file", where=f"{fresh}, {committed}")
    pairs = [(fresh, committed)]
    if committed.is_dir():
        pairs = [(fresh / path.name, path) for path in sorted(committed.glob("*.json"))]
    missing = [one for pair in pairs for one in pair if not one.is_file()]
    if missing or not pairs:
        raise ConfigurationError("there is no such file of figures", where=str(missing[0] if missing else committed))
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every comparison; 1 when a ratio fails, 2 when nothing can be compared."""
    parser = argparse.ArgumentParser(prog="benchmarks/gate.py", description="Compare ratios with committed ones.")
    parser.add_argument("fresh", type=Path)
    parser.add_argument("committed", type=Path)
    parser.add_argument("--allowed", type=float, default=ALLOWED, help="how much worse a ratio may be (0.15)")
    parsed = parser.parse_args(arguments)
    out, failed = console(), 0
    try:
        for fresh, committed in files(parsed.fresh, parsed.committed):
            verdicts = _told(fresh, committed, parsed.allowed)
            out.print(_table(committed.stem, verdicts))
            failed += sum(verdict.failed for verdict in verdicts)
    except OtmelError as fault:
        out.print(str(fault), style="red", markup=False)
        return 2
    out.print(
        f"{failed} ratios are missing or more than {parsed.allowed:.0%} worse", style="red" if failed else "green"
    )
    return int(failed > 0)


def _told(fresh: Path, committed: Path, allowed: float) -> list[Verdict]:
    one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (fresh, committed))
    if one["machine"]["flags"] != other["machine"]["flags"]:
        console().print(
            f"{committed.stem}: other instruction sets ({one['machine']['flags']}, committed "
            f"{other['machine']['flags']}): ratios may differ for that alone",
            style="yellow",
            markup=False,
        )
    return list(compared(one, other, allowed))


def _table(title: str, verdicts: Sequence[Verdict]) -> Table:
    drawn = Table("what", "committed", "fresh", "change", "", title=title)
    for verdict in verdicts:
        fresh = "missing" if verdict.fresh is None else f"{verdict.fresh:.3g}×"
        change = "" if verdict.change is None else f"{verdict.change:+.0%}"
        drawn.add_row(verdict.name, f"{verdict.committed:.3g}×", fresh, change, "FAILED" if verdict.failed else "")
    return drawn


if __name__ == "__main__":
    sys.exit(main())
