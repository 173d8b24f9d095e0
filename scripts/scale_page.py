"""Write ``docs/scale.md``: what an entity and a mention cost, how it grows, and a plan for 10⁸ entities.

    python scripts/scale_page.py            write the page
    python scripts/scale_page.py --check    fail when the page is out of date

Every figure is one of ``benchmarks/results/*.json`` or follows from them by a formula that the page states.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otmel.evaluation.grid import Grid

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "scale.md"

HEADER = """# Scale

Written by `python scripts/scale_page.py` from `benchmarks/results/*.json`; [Benchmarks](benchmarks.md) says how each
was measured and on what. Costs are given per entity and per mention, so that they can be multiplied; ratios travel
between machines, seconds do not.
"""
SIZES: Final = ((10_000, "float16"), (100_000, "float16"), (1_000_000, "int8"))
"""Of the benchmark ``latency``: the first two are fitted, the third is foretold."""
WIKIMEL: Final = 109_976
MANY: Final = "109,976 entities × 5,169 mentions, inner product ×1, exact ranks and top 20"
PLANNED: Final = 10**8
MENTIONS: Final = 10**6
MEMORY: Final = 128
"""GiB of a node of the plan."""
CORES: Final = 16
SHARED: Final = ("workers", "whole command", "× one local process", "foretold", "differ from the local result", "note")
SHARING: Final = """\
A command takes `fixed + work ÷ workers`: the fixed part is the start of the command and of its workers and what the
driver does alone. Both are read off the first two numbers of workers; larger ones are foretold by them, and
measured. Workers beyond the cores of a machine share them, and gain nothing.
"""
ADVICE: Final = """\
- **Machines.** The index is {index:.2f} TiB: {nodes} nodes with {memory} GiB each hold it in memory, {cores} cores
  each. Fewer nodes with a local disk serve the same index memory-mapped; how much slower depends on the disk, and was
  not measured.
- **Hours.** Reading is {reading:,.1f} h on those {threads} cores; encoding is {encoding:,.0f} h ÷ devices, and the two
  overlap. Entities that come later cost their own share alone (`otmel index update`).
- **Exact questions.** Every node searches its own segments: {question:.2f} s for one with all {threads} threads,
  {questions:,.0f} h for {mentions:,} asked together, if the work is shared evenly and the k-th best score so far
  prunes as well as in one process. That is the price of exactness at this size.
- **A first stage.** `--search candidates` looks at the nearest entities by the inner product alone, and every answer
  says so: its certificate has the recall, measured on questions of the same run that are also answered exactly. How
  high it is depends on the model and the graph: measure it on a sample of the real mentions before choosing. On
  generated features, of which the inner product knows little, recall@10 is {recalls}.
- **What is assumed.** Costs stay linear from 10⁶ to 10⁸ (checked above up to 10⁶), the store gives objects as fast as
  they are decoded, and pruning gets no worse with N. None of this was measured at 10⁸.
"""


@dataclass(frozen=True)
class Figures:
    """Measured rows by file and name."""

    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]
    machines: Mapping[str, str]

    @staticmethod
    def read(folder: Path = RESULTS) -> Figures:
        """All of a folder."""
        found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
        rows = {name: {row["name"]: row for row in record["rows"]} for name, record in found.items()}
        return Figures(rows, {name: _machine(record["machine"]) for name, record in found.items()})

    def value(self, file: str, row: str) -> float:
        """One figure. Raises ``KeyError`` where it was not measured."""
        return float(self.rows[file][row]["value"])

    def of(self, benchmark: str) -> Iterator[str]:
        """The files of a benchmark: of this and of other machines."""
        return (name for name in self.rows if name.partition("@")[0] == benchmark)


@dataclass(frozen=True)
class Line:
    """``cost(n) = fixed + each · n``, through two measured points."""

    fixed: float
    each: float

    @staticmethod
    def through(points: Sequence[tuple[float, float]]) -> Line:
        """The line through the first two points."""
        (n, cost), (more, larger) = points[:2]
        each = (larger - cost) / (more - n)
        return Line(cost - each * n, each)

    def at(self, n: float) -> float:
        """The cost of ``n``."""
        return self.fixed + self.each * n


def page(figures: Figures) -> str:
    """The page, as Markdown."""
    parts = [HEADER, entity_costs(figures), mention_costs(figures), growth(figures), workers(figures), plan(figures)]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def entity_costs(figures: Figures) -> str:
    """Time and bytes of an entity, step by step."""
    name = "1,000,000 entities, JSONL, import"
    rows = [("into the graph (`otmel graph build`, JSONL)", _ms(1e3 / figures.value("graph", name)), "graph")]
    memory = figures.value("graph", f"{name}, most memory")
    rows += _encoding(figures, "entity")
    for entities, precision in SIZES[1:]:
        title = f"{entities:,} entities, {precision}, index on disk"
        note = figures.rows["latency"][title]["note"]
        seconds = float(re.findall(r"written in (\d+) s", note)[0])
        rows.append(
            (f"its share of the index, {precision}", _kib(1024 * _index(figures, entities, precision)), "latency")
        )
        rows.append((f"writing it, {precision}, of ready states", _ms(1e3 * seconds / entities), "latency"))
    grid = Grid("An entity", ("step", "cost", "benchmark"), tuple(rows))
    said = f"A million entities were imported in {memory:,.0f} MiB: memory does not grow with the graph."
    return f"## What an entity costs\n\n{grid.as_markdown()}\n{said}\n"


def mention_costs(figures: Figures) -> str:
    """Time of a mention, step by step."""
    rows = list(_encoding(figures, "mention"))
    for entities, precision in SIZES:
        title = f"{entities:,} entities, {precision}"
        rows.append(
            (f"exact best ten among {title}", _ms(figures.value("latency", f"{title}, exact, median")), "latency")
        )
    each = 1e3 * WIKIMEL / figures.value("wikimel", MANY)
    rows.append((f"exact best twenty and rank among {WIKIMEL:,}, many mentions together", _ms(each), "wikimel"))
    grid = Grid("A mention, one thread", ("step", "cost", "benchmark"), tuple(rows))
    return f"## What a mention costs\n\n{grid.as_markdown()}"


def growth(figures: Figures) -> str:
    """How the search grows with the graph: a line through two sizes, checked with the third."""
    rows = []
    for way in ("exact", "scan"):
        costs = [(n, figures.value("latency", f"{n:,} entities, {dtype}, {way}, median")) for n, dtype in SIZES]
        line = Line.through(costs)
        measured, told = costs[2][1], line.at(costs[2][0])
        off = f"{100 * (told / measured - 1):+.0f}%"
        rows.append((way, f"{line.fixed:.1f} ms", f"{1e6 * line.each:.0f} ns", _ms(told), _ms(measured), off))
    columns = ("search", "fixed", "an entity", f"foretold at {SIZES[2][0]:,}", "measured", "off by")
    grid = Grid("One mention, one thread: fixed + N × an entity", columns, tuple(rows))
    said = (
        "The line goes through the sizes 10,000 and 100,000 (float16); the million (int8) is foretold by it. Encoding, "
        "importing and storage are linear in N by construction: an entity never meets another."
    )
    return f"## How it grows with the graph\n\n{grid.as_markdown()}\n{said}\n"


def workers(figures: Figures) -> str:
    """How work shares out over workers, and what the cluster costs beside the work."""
    grids = [
        Grid(f"{title} ({_two_nodes(figures, file)})", SHARED, tuple(_shared(figures.rows[file], title)))
        for file in figures.of("cluster")
        for title in _titles(figures.rows[file])
    ]
    if not grids:
        return ""
    return "\n".join(["## How it grows with workers\n", *(grid.as_markdown() for grid in grids), SHARING])


def _two_nodes(figures: Figures, file: str) -> str:
    store = ", through an S3 server on loopback with injected faults" if file.endswith("s3") else ""
    data = "Congress, texts and images; " if "@congress" in file else ""
    return f"{data}{figures.machines[file]}, two nodes{store}"


def _titles(rows: Mapping[str, Any]) -> list[str]:
    """What a cluster was asked to do."""
    return [name.removesuffix(", local") for name in rows if name.endswith(", local")]


def _shared(rows: Mapping[str, Mapping[str, Any]], title: str) -> Iterator[tuple[str, ...]]:
    """One task by one local process and by more and more workers; three and more are foretold by the first two."""
    count = float(re.findall(r"[\d,]+", title)[0].replace(",", ""))
    yield ("one local process", f"{count / rows[f'{title}, local']['value']:,.0f} s", "1.00", "", "", "")
    points: list[tuple[float, float]] = []
    for name, row in rows.items():
        found = re.fullmatch(re.escape(title) + r", Ray, workers: (\d+)", name)
        if found:
            points.append((1 / int(found[1]), count / row["value"]))
            told = "" if len(points) < 3 else f"{Line.through(points).at(points[-1][0]):,.0f} s"
            differ = [rows[one] for one in (f"{name}, rows that differ", f"{name}, lines that differ") if one in rows]
            differing = " ".join(f"{one['value']:,.0f} {one['unit']}" for one in differ) or "not compared"
            yield (found[1], f"{points[-1][1]:,.0f} s", _ratio(row), told, differing, row["note"])


def plan(figures: Figures) -> str:
    """What 10⁸ entities and 10⁶ mentions would take, by the costs above."""
    machine = max(figures.of("encode"), key=lambda name: "@" in name)
    encoding, reading = (
        figures.value(machine, f"entity, text and image, {step}") / 3.6e6 * PLANNED for step in ("encoding", "reading")
    )
    index = _index(figures, *SIZES[2]) * PLANNED / 2**20
    costs = [(n, figures.value("latency", f"{n:,} entities, {dtype}, exact, median")) for n, dtype in SIZES]
    exact = costs[2][1] * PLANNED / costs[2][0]
    together = PLANNED / figures.value("wikimel", MANY)
    importing = PLANNED / figures.value("graph", "1,000,000 entities, JSONL, import") / 3600
    rows = (
        ("importing the graph, one writer", f"{importing:,.0f} h", "N ÷ rows a second"),
        ("reading texts and images, one core", f"{reading:,.0f} h", f"N × reading ({machine})"),
        ("encoding, one device", f"{encoding:,.0f} h", f"N × encoding ({figures.machines[machine]})"),
        ("the index on disk, int8", f"{index:,.2f} TiB", "N × its bytes at 1,000,000"),
        ("one exact question, one thread", f"{exact / 1e3:,.0f} s", "N × an entity's share at 1,000,000"),
        ("the same, many together", f"{together:,.0f} s", f"N × an entity's share at {WIKIMEL:,}"),
    )
    grid = Grid(f"{PLANNED:,} entities with an image each", ("step", "cost", "from"), rows)
    nodes = max(1, round(1024 * index / MEMORY + 0.5))
    said = ADVICE.format(
        index=index,
        nodes=nodes,
        memory=MEMORY,
        cores=CORES,
        threads=CORES * nodes,
        reading=reading / (CORES * nodes),
        encoding=encoding,
        question=exact / (CORES * nodes) / 1e3,
        questions=together / (CORES * nodes) / 3600 * MENTIONS,
        mentions=MENTIONS,
        recalls=" and ".join(_recalls(figures)),
    )
    return f"## A plan for 10⁸ entities\n\n{grid.as_markdown()}\n{said}"


def _recalls(figures: Figures) -> Iterator[str]:
    for entities, precision in SIZES:
        row = figures.rows["latency"].get(f"{entities:,} entities, {precision}, candidates, median")
        if row is not None:
            yield f"{re.findall(r'recall@10 ([0-9.]+)', row['note'])[0]} at {entities:,} entities"


def _encoding(figures: Figures, what: str) -> Iterator[tuple[str, str, str]]:
    for name in figures.of("encode"):
        for content in ("text", "text and image"):
            for step in ("reading", "encoding"):
                cost = figures.value(name, f"{what}, {content}, {step}")
                yield f"{step} {content}, CLIP ViT-B/32, {figures.machines[name]}", _ms(cost), name


def _index(figures: Figures, entities: int, precision: str) -> float:
    """MiB of the index, an entity."""
    return figures.value("latency", f"{entities:,} entities, {precision}, index on disk") / entities


def _machine(machine: Mapping[str, Any]) -> str:
    return machine["gpu"] or f"{machine['cores']} cores"


def _ms(value: float) -> str:
    return f"{value:,.3g} ms" if value < 1000 else f"{value / 1000:,.3g} s"


def _kib(value: float) -> str:
    return f"{value:,.1f} KiB"


def _ratio(row: Mapping[str, Any]) -> str:
    return "" if row["ratio_to_baseline"] is None else f"{row['ratio_to_baseline']:.2f}"


def main(arguments: Sequence[str]) -> str | None:
    """Write or check the page; what is wrong, or ``None``."""
    text = page(Figures.read())
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            return "docs/scale.md is out of date: run scripts/scale_page.py and commit what it writes"
        return None
    PAGE.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
